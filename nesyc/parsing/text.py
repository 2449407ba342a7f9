"""String literals: from what stands in the source to the value, and back from a place in the value."""

from __future__ import annotations

import re

from nesyc.syntax.nodes import Text

_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|\r?\n|([\s\S]))")
_SIMPLE = {"n": "\n", "t": "\t", "r": "\r", '"': '"', "\\": "\\", "0": "\0"}
_LINE = re.compile(r"[^\n]*\n?")


def text_value(literal: str, block: bool) -> tuple[str, list[int]]:
    """The value of a literal (quotes included), and the offsets in it of escapes that mean nothing."""
    if not block:
        body = literal[1:-1]
        if "\\" not in body:
            return body, []
        pieces = [(1, len(literal) - 1)]
    else:
        pieces = _dedented(literal)
    value: list[str] = []
    wrong: list[int] = []
    for start, end in pieces:
        place = start
        for match in _ESCAPE.finditer(literal, start, end):
            value.append(literal[place : match.start()])
            meant = _meaning(match)
            if meant is None:
                wrong.append(match.start())
            value.append(match[0] if meant is None else meant)
            place = match.end()
        value.append(literal[place:end])
    joined = "".join(value)
    return (joined.replace("\r\n", "\n") if block else joined), wrong


def text_offset(node: Text, source: str, index: int) -> int:
    """Where in `source` the character `node.value[index]` stands; the end of the text for `len(node.value)`.

    `source` is the text of the whole file `node` was parsed from.
    """
    literal = source[node.span.start : node.span.end]
    pieces = _dedented(literal) if node.block else [(1, len(literal) - 1)]
    seen = 0
    for start, end in pieces:
        place = start
        while place < end:
            match = _ESCAPE.match(literal, place, end)
            if match is not None:
                meant = _meaning(match)
                size, step = len(match[0] if meant is None else meant), len(match[0])
            elif node.block and literal.startswith("\r\n", place, end):
                size, step = 1, 2
            else:
                size, step = 1, 1
            if index < seen + size:
                return node.span.start + place
            seen, place = seen + size, place + step
    return node.span.start + (pieces[-1][1] if pieces else len(literal) - (3 if node.block else 1))


def _meaning(match: re.Match[str]) -> str | None:
    """What an escape stands for; None where it stands for nothing."""
    digits = match[1] or match[2]
    if digits is not None:
        code = int(digits, 16)
        return chr(code) if code <= 0x10FFFF and not 0xD800 <= code <= 0xDFFF else None
    if match[3] is None:
        return ""  # an escaped line end joins two lines
    return _SIMPLE.get(match[3])


def _dedented(literal: str) -> list[tuple[int, int]]:
    """The ranges of a triple-quoted literal that make up its value.

    The lines' common indentation is left out, the first line's own aside; so are a first and a last
    line that hold nothing but blanks.
    """
    end = len(literal) - 3
    lines = [
        match.span() for match in _LINE.finditer(literal, 3, end) if match[0] or literal[end - 1] == "\n"
    ]
    if len(lines) > 1 and not literal[slice(*lines[0])].strip():
        lines, first = lines[1:], None
    else:
        first = lines[0] if lines else None
    if lines and lines[-1] != first and not literal[slice(*lines[-1])].strip():
        lines.pop()
        if lines:  # the line end before the closing quotes goes with them
            start, stop = lines[-1]
            stop -= literal.endswith("\n", start, stop)
            lines[-1] = (start, stop - literal.endswith("\r", start, stop))
    indented = [line for line in lines if line != first and literal[slice(*line)].strip()]
    margin = min((_indent(literal, line) for line in indented), default=0)
    return [line if line == first else _without(literal, line, margin) for line in lines]


def _indent(literal: str, line: tuple[int, int]) -> int:
    text = literal[slice(*line)]
    return len(text) - len(text.lstrip(" \t"))


def _without(literal: str, line: tuple[int, int], margin: int) -> tuple[int, int]:
    return line[0] + min(margin, _indent(literal, line)), line[1]
