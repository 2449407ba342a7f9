"""A file as a request sees it: its text, its spec, and conversions between the two worlds' places."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from lsprotocol import types

from nesyc.checks.tables import Tables
from nesyc.diagnostics.span import Span
from nesyc.index import Index
from nesyc.server.analysis import Analysis
from nesyc.server.positions import Lines

if TYPE_CHECKING:
    from nesyc.server.session import Session


@dataclass
class View:
    """`text` may be newer than what `analysis` was made from; then only names of the analysis mean something."""

    analysis: Analysis
    file: str
    text: str
    session: Session

    @cached_property
    def lines(self) -> Lines:
        return Lines(self.text, self.analysis.encoding)

    @property
    def index(self) -> Index:
        return self.analysis.index

    @property
    def tables(self) -> Tables:
        return self.analysis.checked.tables

    @property
    def known(self) -> Tables:
        """The same for those who ask for names and types and not for places: there at once."""
        return self.analysis.checked.known

    def offset(self, position: types.Position) -> int:
        """The offset of a position in `text`."""
        return self.lines.offset(position.line, position.character)

    def range(self, start: int, end: int) -> types.Range:
        """A range of `text`."""
        return self.lines.range(start, end)

    def location(self, span: Span) -> types.Location:
        """A span of any file of the spec."""
        return self.analysis.location(span)
