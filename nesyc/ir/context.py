"""What every part of lowering needs: places, source text, types."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from nesyc.checks.kinds import EnvName, Located
from nesyc.checks.tables import Tables
from nesyc.checks.types import Type
from nesyc.diagnostics import SourceMap
from nesyc.diagnostics.span import Span
from nesyc.ir import nodes

# Strings stay as they are, a comment is blank, blanks become one.
_PIECE = re.compile(r'"""(?:\\[\s\S]|[^\\])*?"""|"(?:\\.|[^"\\\n])*"|#[^\n]*|\s+|[^\s"#]+')


@dataclass(frozen=True, slots=True)
class Lowering:
    tables: Tables
    sources: SourceMap

    def at(self, span: Span) -> nodes.Location:
        """The place of a span by line and column."""
        place = self.sources.place(span)
        return nodes.Location(span.file, place.line, place.col, place.end_line, place.end_col)

    def text(self, span: Span) -> str:
        """The source of a span on one line."""
        return one_line(self.sources.texts.get(span.file, "")[span.start : span.end])


def one_line(text: str) -> str:
    """`text` with blanks and comments made one blank, strings untouched."""
    kept: list[str] = []
    for match in _PIECE.finditer(text):
        piece = match[0]
        if piece[0] != "#" and not piece.isspace():
            kept.append(piece)
        elif kept and kept[-1] != " ":
            kept.append(" ")
    return "".join(kept).strip()


def lower_type(type_: Type) -> nodes.Type:
    """A checked type; never the unknown one, which stands only where there are errors."""
    base: nodes.BaseType = "text" if type_.base in ("unknown", "null") else type_.base  # type: ignore[assignment]
    return nodes.Type(base, type_.nullable, type_.enum, type_.size)


def lower_path(located: Located) -> nodes.Path:
    return nodes.Path(located.root, located.pattern)


def lower_env(value: object) -> str | nodes.EnvRef:
    return nodes.EnvRef(value.name) if isinstance(value, EnvName) else str(value)


def lower_enums(to: Lowering) -> Iterator[nodes.Enum]:
    """The declared enums, in order of declaration."""
    for name, enum in to.tables.symbols.enums.items():
        if enum.span is not None:
            yield nodes.Enum(name, enum.constants, to.at(enum.span))
