"""What nesyc tells a user about a spec: places, messages, codes, and how they are shown."""

from nesyc.diagnostics.diagnostic import Diagnostic, Edit, Help, Related
from nesyc.diagnostics.names import near_names
from nesyc.diagnostics.span import Span

__all__ = ["Diagnostic", "Edit", "Help", "Related", "Span", "near_names"]
