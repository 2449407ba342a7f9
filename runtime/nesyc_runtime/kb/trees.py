"""Proof trees of a derived fact, the best first.

Best-first search over partial trees: a partial tree is worth what it has times (or the least of, or with the size of)
the best proofs of its open facts, so the first whole tree is the best one. Of equally good ones the last begun goes first,
or all would grow side by side. A fact never supports itself: every tree is finite, and so is their number.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count

from nesyc_runtime.kb.best import Best, Cost, rough
from nesyc_runtime.kb.graph import FactId, Graph, Support

STEPS = 200_000  # partial trees looked at before the search gives up


@dataclass(frozen=True, slots=True)
class Tree:
    """A proof: for a derived fact the instance used and a tree for each of its facts."""

    fact: FactId
    support: Support | None
    parts: tuple[Tree, ...]


@dataclass(frozen=True, slots=True)
class _Open:
    """Facts still without a proof, with their ancestors; a linked list, so that partial trees share their rest."""

    fact: FactId
    above: _Above | None
    rest: _Open | None


@dataclass(frozen=True, slots=True)
class _Above:
    """A fact on the way down and those above it; `lowest` is the lowest row number among them all."""

    fact: FactId
    above: _Above | None
    lowest: int


@dataclass(frozen=True, slots=True)
class _Chosen:
    """The facts proved so far and how, the last first: they come in the order of a walk through the tree."""

    fact: FactId
    support: Support
    before: _Chosen | None


class Trees:
    """Enumerates the proof trees of facts of one store."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._least = graph.store.program.semantics == "max_min"
        self._best = Best(graph)
        self.gave_up = False

    def of(self, goal: FactId) -> Iterator[Tree]:
        """The trees of `goal`, the best first; `gave_up` is set where the search ended before it was through."""
        if not self._graph.derived(goal):
            yield Tree(goal, None, ())
            return
        ticket = count(step=-1)
        start = _Open(goal, None, None)
        heap: list[tuple[Cost, int, _Open | None, _Chosen | None]] = [
            (self._best.cost(goal), next(ticket), start, None)
        ]
        for _ in range(STEPS):
            if not heap:
                return
            cost, _, todo, chosen = heapq.heappop(heap)
            if todo is None:
                yield _whole(self._graph, chosen)
                continue
            lowest = min(todo.fact[1], todo.above.lowest) if todo.above is not None else todo.fact[1]
            above = _Above(todo.fact, todo.above, lowest)
            for support in reversed(self._graph.supports(todo.fact)):
                inner = [fact for fact in support.facts if self._graph.derived(fact)]
                if any(_stands_above(fact, above) for fact in inner):
                    continue
                rest = todo.rest
                for fact in reversed(inner):
                    rest = _Open(fact, above, rest)
                advanced = self._advanced(cost, todo.fact, support)
                heapq.heappush(heap, (advanced, next(ticket), rest, _Chosen(todo.fact, support, chosen)))
        self.gave_up = bool(heap)

    def _advanced(self, cost: Cost, fact: FactId, support: Support) -> Cost:
        """The cost of a partial tree once `fact` is proved by `support`."""
        own, nodes = self._best.through(support)
        known, before = self._best.cost(fact)
        value = max(cost[0], own) if self._least else (rough(cost[0] * own / known) if known else 0.0)
        return value, cost[1] - before + nodes


def _whole(graph: Graph, chosen: _Chosen | None) -> Tree:
    """The tree of what was chosen. Backwards, a fact comes after all below it, so its parts were made last."""
    made: list[Tree] = []
    while chosen is not None:
        facts = chosen.support.facts
        parts = tuple(made.pop() if graph.derived(fact) else Tree(fact, None, ()) for fact in facts)
        made.append(Tree(chosen.fact, chosen.support, parts))
        chosen = chosen.before
    (tree,) = made
    return tree


def _stands_above(fact: FactId, above: _Above | None) -> bool:
    while above is not None and fact[1] >= above.lowest:
        if above.fact == fact:
            return True
        above = above.above
    return False
