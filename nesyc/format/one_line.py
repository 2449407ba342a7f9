"""A piece of source on one line: which tokens touch, and what cannot stand on one line at all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from nesyc.format.concrete import Child, Gaps, flat, sign
from nesyc.parsing.lexer import Token

WIDTH = 100
"""Columns a line of code may have; comments at its end are not counted."""

_TOUCHES_LEFT = frozenset(", ; : ) ] ?".split())
_TOUCHES_RIGHT = frozenset("( [ . @".split())
_CALLS = frozenset("call annotation allow relation derived method aggregate type_ref".split())
_PATHS = frozenset(("member", "path"))
_LISTS = frozenset(("arguments", "method_params"))
# On one line these stand side by side, everything else in braces is separated by commas.
_BARE = frozenset(("enum", "facts"))
_NO_COMMA_AFTER = frozenset(("report", "compare"))
# Whole files, and annotations before what they annotate, are never one line.
_TALL = frozenset(("file", "fragment_file", "annotated"))


def one_line(
    kind: str, children: Sequence[Child], gaps: Gaps, pads: Mapping[int, int] | None = None
) -> str | None:
    """The children's text on one line; `pads` adds blanks after some of them (by `id`).

    None where it would be wider than `WIDTH`, holds a comment or a text of several lines, or is a block
    whose first item was written on a new line.
    """
    if kind in _TALL:
        return None
    width = 0
    for place, child in enumerate(children):
        text = flat(child)
        if text is None:
            return None
        width += len(text)
        if place and width > WIDTH:
            return None
        gap = gaps.get(child.start) if place else None
        if gap is not None and (
            gap.comments or (gap.newline and text != "}" and sign(children[place - 1]) == "{")
        ):
            return None
    closes = sign(children[-1]) == "}"
    return _block(kind, children, pads) if closes else join(kind, children, pads)


def join(kind: str, children: Sequence[Child], pads: Mapping[int, int] | None = None) -> str:
    """The text of children that are each one line.

    A comma before a closing bracket is left out, unless it is what makes a tuple.
    """
    parts: list[str] = []
    last: Child | None = None
    for place, child in enumerate(children):
        text = child.text if isinstance(child, Token) else child.flat
        assert text is not None
        if text == "," and _is_trailing(kind, children, place):
            continue
        if last is not None:
            parts.append(between(kind, last, child))
        parts.append(text)
        if pads and id(child) in pads:
            parts.append(" " * pads[id(child)])
        last = child
    return "".join(parts)


def _is_trailing(kind: str, children: Sequence[Child], place: int) -> bool:
    if place + 1 == len(children):
        return kind in _LISTS
    following = children[place + 1]
    closes = isinstance(following, Token) and following.text in (")", "]")
    return closes and not (kind == "tuple_of" and place == 2)


def _block(kind: str, children: Sequence[Child], pads: Mapping[int, int] | None) -> str:
    opener = next(place for place, child in enumerate(children) if sign(child) == "{")
    items = [child for child in children[opener + 1 : -1] if sign(child) != ","]
    parts = [join(kind, children[: opener + 1], pads)]
    for item in items:
        parts.append(" ")
        parts.append(flat(item) or "")
        if item is not items[-1] and _separated(kind, item):
            parts.append(",")
    parts.append(" }" if items else "}")
    return "".join(parts)


def _separated(kind: str, item: Child) -> bool:
    """Whether a comma follows the item of a block on one line."""
    text = flat(item) or ""
    bare = isinstance(item, Token) or item.kind in _NO_COMMA_AFTER
    return kind not in _BARE and not bare and not text.endswith((";", "}"))


def between(kind: str, left: Child, right: Child) -> str:
    """What stands between two neighbours on one line: a blank or nothing."""
    before = left.text if isinstance(left, Token) else ""
    after = right.text if isinstance(right, Token) else ""
    if before in _TOUCHES_RIGHT or after in _TOUCHES_LEFT:
        return ""
    if after == "(":
        return "" if kind in _CALLS else " "
    if after == ".":
        return "" if kind in _PATHS else " "
    if before == "-" and kind in ("unary", "signed"):
        return "" if kind == "signed" or _touch(left, right) else " "
    if before == "{" and after == "}":
        return ""
    return " "


def _touch(minus: Child, operand: Child) -> bool:
    """Whether no blank may, or need, follow a minus: `-0.5` is a number, `- 0.5` is one with a minus before it."""
    assert isinstance(minus, Token)
    number = operand.kind == "NUMBER" if isinstance(operand, Token) else operand.kind == "unary"
    return not number or operand.start == minus.end
