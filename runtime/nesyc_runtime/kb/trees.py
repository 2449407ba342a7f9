"""Proof trees of a derived fact, the best first.

Best-first search over partial trees: the bound of a partial tree is what it has times (or the least of, or the size
with) the best its open facts can still give, so the first whole tree is the best one. A fact never supports itself:
every tree is finite, and so is their number.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count

from nesyc_runtime.kb.graph import FactId, Graph, Support

EXPLORED = 5_000  # facts whose best proof is worked out beforehand
STEPS = 200_000  # partial trees looked at before the search gives up

Cost = tuple[float, int]  # minus the value, then the number of nodes: less is better


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
    fact: FactId
    above: _Above | None


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
        self._best: dict[FactId, Cost] = {}
        self.gave_up = False

    def of(self, goal: FactId) -> Iterator[Tree]:
        """The trees of `goal`, the best first; `gave_up` is set where the search ended before it was through."""
        if not self._graph.derived(goal):
            yield Tree(goal, None, ())
            return
        self._work_out(goal)
        ticket = count()
        start = _Open(goal, None, None)
        heap: list[tuple[Cost, int, _Open | None, _Chosen | None]] = [
            (self._bound(goal), next(ticket), start, None)
        ]
        for _ in range(STEPS):
            if not heap:
                return
            cost, _, todo, chosen = heapq.heappop(heap)
            if todo is None:
                yield _whole(self._graph, chosen)
                continue
            for support in self._graph.supports(todo.fact):
                above = _Above(todo.fact, todo.above)
                inner = [fact for fact in support.facts if self._graph.derived(fact)]
                if any(_stands_above(fact, above) for fact in inner):
                    continue
                rest = todo.rest
                for fact in reversed(inner):
                    rest = _Open(fact, above, rest)
                entry = (
                    self._advanced(cost, todo.fact, support),
                    next(ticket),
                    rest,
                    _Chosen(todo.fact, support, chosen),
                )
                heapq.heappush(heap, entry)
        self.gave_up = bool(heap)

    def _bound(self, fact: FactId) -> Cost:
        """The best any proof of the fact can cost."""
        if not self._graph.derived(fact):
            return -self._graph.fact(fact).conf, 1
        return self._best.get(fact, (-1.0, 2))

    def _advanced(self, cost: Cost, fact: FactId, support: Support) -> Cost:
        """The bound of a partial tree once `fact` is proved by `support`."""
        value, size = -cost[0], cost[1]
        own, nodes = self._through(support)
        known = -self._bound(fact)[0]
        value = min(value, own) if self._least else (value * own / known if known else 0.0)
        return -value, size - self._bound(fact)[1] + nodes

    def _through(self, support: Support) -> tuple[float, int]:
        """Value and size of the best tree through an instance."""
        value, size = support.weight, 1
        for fact in support.facts:
            cost, nodes = self._bound(fact)
            value = min(value, -cost) if self._least else value * -cost
            size += nodes
        return value, size

    def _work_out(self, goal: FactId) -> None:
        """The best cost of every fact below `goal`, the cheapest first (Knuth 1977); few enough, or none."""
        users: dict[FactId, list[tuple[FactId, Support]]] = {}
        below: dict[FactId, None] = {goal: None}
        queue = deque(below)
        while queue:
            head = queue.popleft()
            for support in self._graph.supports(head):
                for fact in dict.fromkeys(support.facts):
                    if not self._graph.derived(fact):
                        continue
                    users.setdefault(fact, []).append((head, support))
                    if fact not in below:
                        below[fact] = None
                        queue.append(fact)
            if len(below) > EXPLORED:
                return
        heap = [(self._cost(s), f) for f in below for s in self._graph.supports(f) if self._ready(s)]
        heapq.heapify(heap)
        while heap:
            cost, fact = heapq.heappop(heap)
            if fact in self._best:
                continue
            self._best[fact] = cost
            for head, support in users.get(fact, ()):
                if head not in self._best and self._ready(support):
                    heapq.heappush(heap, (self._cost(support), head))

    def _ready(self, support: Support) -> bool:
        return all(fact in self._best or not self._graph.derived(fact) for fact in support.facts)

    def _cost(self, support: Support) -> Cost:
        value, size = self._through(support)
        return -value, size


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
    while above is not None:
        if above.fact == fact:
            return True
        above = above.above
    return False
