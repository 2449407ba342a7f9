"""Text to its concrete tree: every token under the production it belongs to, and what stands between them.

The syntax tree (`nesyc.syntax`) says what a file means and forgets how it was written; a formatter may
lose nothing. So the parser runs once more over the same tables, with builders that keep all tokens.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache

from nesyc.diagnostics.span import Span
from nesyc.format.comments import settle
from nesyc.format.concrete import Child, Comment, Gap, Gaps, Node
from nesyc.format.one_line import one_line
from nesyc.parsing.lalr import Builder, parse
from nesyc.parsing.lexer import Token
from nesyc.parsing.tables import Tables, load_tables


@dataclass(frozen=True, slots=True)
class Source:
    """A file's concrete tree; `gaps` by the offset of the token after them, where they are more than blanks."""

    root: Node
    gaps: Gaps
    end: Gap


def read_source(path: str, text: str, tokens: Sequence[Token]) -> Source:
    """Parse tokens (without stray ones) into a concrete tree. Raises `Stuck` and `TooDeep`, as `parse` does."""
    gaps, end = _read_gaps(text, tokens)
    tables, builders = _concrete()
    return Source(parse(tables, "file", tokens, builders, gaps, path), gaps, end)


def _read_gaps(text: str, tokens: Sequence[Token]) -> tuple[dict[int, Gap], Gap]:
    """What stands before each token, and after the last one.

    Comments before a comma or semicolon are moved behind it, where they end the line of what it follows.
    """
    gaps: dict[int, Gap] = {}
    before = int(text.startswith("\ufeff"))
    carried: list[Comment] = []
    for place, token in enumerate(tokens):
        blanks = text[before : token.start]
        before = token.end
        gap = _gap(blanks, first=place == 0) if len(blanks) > 1 or blanks == "\n" else None
        if carried:
            gap = gap or Gap(newline=True)
            gap.comments, carried = carried + gap.comments, []
        if gap is None:
            continue
        gaps[token.start] = gap
        if token.text in (",", ";"):
            carried, gap.comments = gap.comments, carried
    end = _gap(text[before:], first=not tokens) or Gap()
    end.comments = carried + end.comments
    return gaps, end


def _gap(text: str, *, first: bool) -> Gap | None:
    if "\n" not in text and "#" not in text:
        return None
    gap = Gap(newline=True)
    *whole, last = text.split("\n")
    for place, line in enumerate([*whole, last]):
        comment = line.strip(" \t\r\f")
        own = place > 0 or first
        if comment:
            gap.comments.append(Comment(comment, own, gap.blank))
            gap.blank = False
        elif own and place < len(whole):
            gap.blank = True
    return gap


@cache
def _concrete() -> tuple[Tables, tuple[Builder | None, ...]]:
    """The grammar's tables, changed so that a production keeps every symbol, and a builder for each.

    A production of one symbol gives way to it: what it says about the symbol is of no use to a printer.
    """
    tables = load_tables()
    productions = []
    builders: list[Builder | None] = []
    for made in tables.productions:
        passes = made.size == 1 and not made.melted and made.origin != "file"
        builder = made.builder if made.builder == "_" or not passes else ""
        productions.append(replace(made, builder=builder, children=tuple(range(made.size))))
        builders.append(_builder(builder) if builder not in ("", "_") else None)
    return replace(tables, productions=tuple(productions)), tuple(builders)


def _builder(kind: str) -> Builder:
    def build(gaps: dict[int, Gap], children: list[Child], span: Span) -> Node:
        settle(kind, children, gaps)
        return Node(kind, children, span.start, one_line(kind, children, gaps))

    return build
