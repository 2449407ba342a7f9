"""`or` taken apart: a body as the alternatives it stands for, each a conjunction of plain literals."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from nesyc.ir import nodes

Plain = nodes.AtomLiteral | nodes.CompareLiteral | nodes.KnownLiteral | nodes.AggregateLiteral


@dataclass(frozen=True, slots=True)
class Placed:
    """A literal and where it stands in its body: the index, then the branch of each `or` on the way."""

    literal: Plain
    path: tuple[int, ...]


Branch = tuple[Placed, ...]


def branches(body: Sequence[nodes.BodyLiteral]) -> tuple[Branch, ...]:
    """Every way to choose one branch of each `or`, in the order written."""
    result: list[Branch] = [()]
    for index, literal in enumerate(body):
        choices = list(_choices(literal, (index,)))
        result = [(*branch, choice) for branch in result for choice in choices]
    return tuple(result)


def _choices(literal: nodes.BodyLiteral, path: tuple[int, ...]) -> Iterator[Placed]:
    if not isinstance(literal, nodes.OrLiteral):
        yield Placed(literal, path)
        return
    for index, branch in enumerate(literal.branches):
        yield from _choices(branch, (*path, index))
