"""The formatter: one style for all .nesy files (docs/style.md), and nothing lost on the way to it."""

from nesyc.format.edits import format_edits, format_range
from nesyc.format.format import Formatted, format_text

__all__ = ["Formatted", "format_edits", "format_range", "format_text"]
