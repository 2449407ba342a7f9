"""Pieces of the source, coloured, every name a link to where it is declared."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from nesyc.diagnostics import SourceMap
from nesyc.diagnostics.span import Span
from nesyc.index import Index
from nesyc.index.model import SymbolId
from nesyc.parsing.lexer import Token, tokenize
from nesyc.parsing.tables import load_tables

LONGEST = 60  # lines of one piece

LITERALS = {"STRING": "s", "BLOCK": "s", "NUMBER": "m", "TRUE": "m", "FALSE": "m", "NULL": "m"}


@dataclass(frozen=True, slots=True)
class Run:
    """Text of one colour: `style` is "" or one of c (comment), s (text), m (number), k (keyword), e (constant).

    `anchor` is the declaration its name means, "" for none.
    """

    text: str
    style: str = ""
    anchor: str = ""


@dataclass(frozen=True, slots=True)
class Code:
    """Lines `line` to `end_line` (1-based) of a file; `left_out` counts lines after them that are not shown."""

    file: str
    line: int
    end_line: int
    runs: tuple[Run, ...]
    left_out: int = 0


class Anchors:
    """From a declared symbol to the entry it is declared in: the innermost one around its name."""

    def __init__(self, index: Index, entries: Sequence[tuple[Span, str]]) -> None:
        self._index = index
        self._spans: dict[str, list[tuple[int, int, str]]] = {}
        for span, anchor in entries:
            self._spans.setdefault(span.file, []).append((span.start, -span.end, anchor))
        for spans in self._spans.values():
            spans.sort()
        self._known: dict[SymbolId, str] = {}

    def of(self, symbol: SymbolId) -> str:
        if symbol not in self._known:
            definition = self._index.definition(symbol)
            self._known[symbol] = self._around(definition.span) if definition is not None else ""
        return self._known[symbol]

    def _around(self, place: Span) -> str:
        spans = self._spans.get(place.file, [])
        at = bisect_right(spans, (place.start, 0, ""))
        while at:  # entries nest two deep at most, so this ends soon
            at -= 1
            _, end, anchor = spans[at]
            if -end >= place.end:
                return anchor
        return ""


class Painter:
    """Colours pieces of the sources of one spec."""

    def __init__(self, sources: SourceMap, index: Index, anchors: Anchors) -> None:
        self._sources, self._anchors = sources, anchors
        self._names = {
            file: {one.span.start: one.symbol for one in found} for file, found in index.by_file.items()
        }
        self._built_in = {file: {one.span.start for one in found} for file, found in index.built_ins.items()}

    def text(self, file: str) -> str:
        return self._sources.texts.get(file, "")

    def code(self, span: Span) -> Code:
        text = self.text(span.file)
        lines = text[span.start : span.end].split("\n")
        start = text.rfind("\n", 0, span.start) + 1
        start = start if not text[start : span.start].strip() else span.start
        end = span.start + len("\n".join(lines[:LONGEST]))
        first = self._sources.place(span).line
        runs = tuple(_dedented(list(self._runs(span.file, text, start, end)), span.start - start))
        shown = min(len(lines), LONGEST)
        return Code(span.file, first, first + shown - 1, runs, len(lines) - shown)

    def _runs(self, file: str, text: str, start: int, end: int) -> Iterator[Run]:
        names, built_in = self._names.get(file, {}), self._built_in.get(file, set())
        tokens = tokenize(text, start, end)
        at = start
        for number, token in enumerate(tokens):
            yield from _gap(text[at : token.start])
            at = token.end
            symbol = names.get(token.start)
            if symbol is not None:
                yield Run(token.text, "e" if symbol.kind == "constant" else "", self._anchors.of(symbol))
            else:
                following = tokens[number + 1].kind if number + 1 < len(tokens) else ""
                before = tokens[number - 1].kind if number else ""
                yield Run(token.text, _style(token, before, following, token.start in built_in))
        yield from _gap(text[at:end])


def _gap(text: str) -> Iterator[Run]:
    """What stands between tokens: blanks, and comments up to the ends of their lines."""
    at = 0
    while (sign := text.find("#", at)) >= 0:
        end = text.find("\n", sign)
        end = len(text) if end < 0 else end
        yield Run(text[at:sign])
        yield Run(text[sign:end], "c")
        at = end
    if text[at:]:
        yield Run(text[at:])


def _style(token: Token, before: str, following: str, built_in: bool) -> str:
    if token.kind in LITERALS:
        return LITERALS[token.kind]
    word = token.text[:1].isalpha() and token.kind != "NAME"
    named = following in ("COLON", "EQUAL", "LPAR") and token.text not in ("input", "output", "row", "key")
    soft = token.text in load_tables().words and not named and before != "DOT"
    return "k" if word and soft and not built_in else ""


def _dedented(runs: Sequence[Run], margin: int) -> Iterator[Run]:
    """The runs without the blanks that stand before every line of an indented piece."""
    blanks = "\n" + " " * margin
    for number, run in enumerate(runs):
        text = run.text[margin:] if number == 0 and not run.text[:margin].strip() else run.text
        yield Run(text.replace(blanks, "\n") if margin else text, run.style, run.anchor)
