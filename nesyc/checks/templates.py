"""Holes of prompts and sentences: `{name}`. Braces around anything else are text, as in a JSON example."""

from __future__ import annotations

import re
from collections.abc import Iterator

from nesyc.diagnostics.span import Span
from nesyc.parsing import text_offset
from nesyc.syntax.nodes import Text

_HOLE = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")


def holes(template: Text, source: str) -> Iterator[tuple[str, Span]]:
    """(name, place of the name) of each hole; `source` is the text of the template's file."""
    for match in _HOLE.finditer(template.value):
        start = text_offset(template, source, match.start(1))
        yield match[1], Span(template.span.file, start, start + len(match[1]))
