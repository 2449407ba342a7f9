"""Runs the LALR(1) tables over tokens and builds nodes as it goes; no recursion, however deep the input."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from nesyc.diagnostics.span import Span
from nesyc.parsing.lexer import END, Token
from nesyc.parsing.tables import Tables

DEPTH = 150
"""The tree's greatest height: the passes over it are recursive, Python's stack holds some 1,000 frames."""

Builder = Callable[[Any, list[Any], Span], Any]
"""`builder(context, children, span)` makes the node of one production."""


class Stuck(Exception):
    """No production goes on with `tokens[index]` (`index == len(tokens)`: with the end of the input)."""

    def __init__(self, index: int) -> None:
        self.index = index


class TooDeep(Exception):
    """The tree grew higher than `DEPTH`; `span` is what is too deep."""

    def __init__(self, span: Span) -> None:
        self.span = span


def parse(
    tables: Tables,
    start: str,
    tokens: Sequence[Token],
    builders: Sequence[Builder | None],
    context: Any,
    file: str,
) -> Any:
    """The value of the start symbol; `builders[i]` belongs to production i. Raises `Stuck` and `TooDeep`."""
    rows, productions = tables.rows, tables.productions
    states, final = [tables.starts[start]], tables.ends[start]
    values: list[Any] = []
    begins: list[int] = []
    heights: list[int] = []
    last = tokens[0].start if tokens else 0
    for index, token in enumerate((*tokens, Token(END, "", last, last))):
        kind = token[0]
        while True:
            action = rows[states[-1]].get(kind)
            if action is None:
                if kind == END and states[-1] == final:
                    return values[-1]
                raise Stuck(index)
            if action >= 0:
                if kind == END:
                    return values[-1]
                states.append(action)
                values.append(token)
                begins.append(token[2])
                heights.append(0)
                last = token[3]
                break
            production = productions[-1 - action]
            size = production.size
            if production.builder:
                base = len(values) - size
                begin = begins[base] if size else last
                height = max(heights[base:], default=0)
                children = _children(production.children, production.melted, values, base)
                builder = builders[-1 - action]
                if builder is None:
                    value: Any = children
                else:
                    span = Span(file, begin, last)
                    height += 1
                    if height > DEPTH:
                        raise TooDeep(span)
                    value = builder(context, children, span)
                del values[base:], begins[base:], heights[base:]
                values.append(value)
                begins.append(begin)
                heights.append(height)
            elif size != 1:  # `?x: "(" y ")"` without a name of its own
                base = len(values) - size
                child = production.children[0]
                assert child is not None
                value, height = values[base + child], heights[base + child]
                del values[base:], begins[base + 1 :], heights[base:]
                values.append(value)
                heights.append(height)
            if size:
                del states[-size:]
            states.append(rows[states[-1]][production.origin])
    raise AssertionError("the end of the input is accepted or refused")


def _children(
    places: tuple[int | None, ...], melted: frozenset[int], values: list[Any], base: int
) -> list[Any]:
    if not melted:
        return [None if place is None else values[base + place] for place in places]
    children: list[Any] = []
    for place in places:
        if place is None:
            children.append(None)
        elif place not in melted:
            children.append(values[base + place])
        elif children:
            children += values[base + place]
        else:  # the list is used nowhere else: growing it in place keeps long lists linear
            children = values[base + place]
    return children


def accepted(tables: Tables, start: str, tokens: Iterable[Token]) -> dict[str, int]:
    """Terminals that may follow `tokens` (which parse), each with the state it leads to."""
    states = [tables.starts[start]]
    for token in tokens:
        _feed(tables, states, token.kind)
    found: dict[str, int] = {}
    for kind in tables.rows[states[-1]]:
        if kind == END or kind.lstrip("_").isupper():
            attempt = list(states)
            if _feed(tables, attempt, kind, tables.ends[start]):
                found[kind] = attempt[-1]
    return found


def _feed(tables: Tables, states: list[int], kind: str, final: int = -1) -> bool:
    while True:
        if kind == END and states[-1] == final:
            return True
        action = tables.rows[states[-1]].get(kind)
        if action is None:
            return False
        if action >= 0:
            states.append(action)
            return True
        production = tables.productions[-1 - action]
        if production.size:
            del states[-production.size :]
        states.append(tables.rows[states[-1]][production.origin])
