"""Between offsets of the compiler (code points) and positions of the protocol (lines, and code units in them)."""

from __future__ import annotations

import re
from bisect import bisect_right
from typing import Literal

from lsprotocol import types

Encoding = Literal["utf-8", "utf-16", "utf-32"]

_LINE_END = re.compile(r"\r\n|\n|\r")


class Lines:
    """The lines of one text, 0-based, as the protocol cuts them: at `\\n`, `\\r\\n` and `\\r`, nowhere else.

    A character counts by `encoding`: UTF-16 gives two to each beyond U+FFFF, UTF-8 its bytes, UTF-32 one.
    """

    def __init__(self, text: str, encoding: Encoding) -> None:
        self.text, self.encoding = text, encoding
        self._starts = [0, *(match.end() for match in _LINE_END.finditer(text))]
        self._plain = encoding == "utf-32" or text.isascii()

    def __len__(self) -> int:
        return len(self._starts)

    def position(self, offset: int) -> tuple[int, int]:
        """Line and character of an offset; one beyond the text counts as its end."""
        offset = min(max(offset, 0), len(self.text))
        line = bisect_right(self._starts, offset) - 1
        start = self._starts[line]
        return line, offset - start if self._plain else self.units(self.text[start:offset])

    def offset(self, line: int, character: int) -> int:
        """The offset of a position; beyond the end of a line, or within a character, it is moved back."""
        if line < 0:
            return 0
        if line >= len(self._starts):
            return len(self.text)
        start, end = self._starts[line], self.end_of(line)
        if self._plain:
            return min(start + max(character, 0), end)
        seen = 0
        for place in range(start, end):
            size = self.units(self.text[place])
            if seen + size > character:
                return place
            seen += size
        return end

    def range(self, start: int, end: int) -> types.Range:
        """A range of offsets; an end before its start counts as the start."""
        first, last = self.position(start), self.position(max(start, end))
        return types.Range(types.Position(*first), types.Position(*last))

    def end_of(self, line: int) -> int:
        """The offset where a line ends, its line end left out."""
        if line + 1 >= len(self._starts):
            return len(self.text)
        end = self._starts[line + 1]
        if self.text[end - 1] == "\n" and end - 1 > self._starts[line] and self.text[end - 2] == "\r":
            return end - 2
        return end - 1

    def units(self, text: str) -> int:
        """How many code units `text` takes."""
        if self.encoding == "utf-32" or text.isascii():
            return len(text)
        if self.encoding == "utf-8":
            return len(text.encode("utf-8", "surrogatepass"))
        return len(text) + sum(character > "\uffff" for character in text)
