"""From offsets to lines and columns, for all files of a spec."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from nesyc.diagnostics.span import Span


class Place(NamedTuple):
    """A range by lines and columns: 1-based, counted in code points, `end_col` exclusive."""

    line: int
    col: int
    end_line: int
    end_col: int


@dataclass(slots=True)
class SourceMap:
    """The texts of the files that spans point into, by the spans' file names.

    A line ends with `\\n`; the `\\r` before it belongs to the line. A file that is not here (it could not
    be read) has one empty line, so that every span has a place.
    """

    texts: Mapping[str, str]
    _starts: dict[str, list[int]] = field(default_factory=dict)

    def place(self, span: Span) -> Place:
        line, col = self._position(span.file, span.start)
        end_line, end_col = self._position(span.file, max(span.start, span.end))
        return Place(line, col, end_line, end_col)

    def line(self, file: str, number: int) -> str:
        """Line `number` (1-based) without its line end."""
        starts, text = self._lines(file), self.texts.get(file, "")
        end = starts[number] - 1 if number < len(starts) else len(text)
        return text[starts[number - 1] : end].removesuffix("\r")

    def offset(self, file: str, line: int, col: int) -> int:
        """The offset of a place by line and column (1-based); one past the text is its end."""
        starts, text = self._lines(file), self.texts.get(file, "")
        return min(starts[line - 1] + col - 1, len(text)) if line <= len(starts) else len(text)

    def has(self, file: str) -> bool:
        return file in self.texts

    def _position(self, file: str, offset: int) -> tuple[int, int]:
        offset = min(offset, len(self.texts.get(file, "")))
        starts = self._lines(file)
        line = bisect_right(starts, offset)
        return line, offset - starts[line - 1] + 1

    def _lines(self, file: str) -> list[int]:
        starts = self._starts.get(file)
        if starts is None:
            starts, text = [0], self.texts.get(file, "")
            at = text.find("\n")
            while at >= 0:
                starts.append(at + 1)
                at = text.find("\n", at + 1)
            self._starts[file] = starts
        return starts
