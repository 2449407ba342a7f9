"""Proof trees of a derived fact, the best first.

Best-first search over partial trees: a partial tree is worth what it has times (or the least of, or with the size of)
the best proofs of its open facts, so the first whole tree is the best one. Of equally good ones the last begun goes first,
or all would grow side by side. A fact never supports itself: every tree is finite, and so is their number.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from nesyc_runtime.kb.proofs.best import Best, Cost, rough
from nesyc_runtime.kb.proofs.graph import FactId, Graph, Support

PARTIAL = 200_000  # partial trees made before the search gives up


@dataclass(frozen=True, slots=True)
class Tree:
    """A proof: for a derived fact the instance used and a tree for each of its facts. Equal parts of trees are one object."""

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


@dataclass(frozen=True, slots=True)
class _Step:
    """A rule instance as the search takes it: its derived facts, the last first, and what its best proof costs."""

    support: Support
    inner: tuple[FactId, ...]
    cost: Cost


class Trees:
    """Enumerates the proof trees of facts of one store."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._least = graph.store.program.semantics == "max_min"
        self._best = Best(graph)
        self._steps: dict[FactId, tuple[_Step, ...]] = {}
        self._leaves: dict[FactId, Tree] = {}
        self._made: dict[tuple[int, ...], Tree] = {}  # by the ids of the instance and of the parts
        self.gave_up = False

    def of(self, goal: FactId) -> Iterator[Tree]:
        """The trees of `goal`, the best first; `gave_up` is set where the search ended before it was through.

        One tree is found at least, unless `Best` had to give up too.
        """
        if not self._graph.derived(goal):
            yield Tree(goal, None, ())
            return
        found = False
        start = _Open(goal, None, None)
        heap: list[tuple[Cost, int, _Open | None, _Chosen | None]] = [(self._best.cost(goal), 0, start, None)]
        made = 0
        while heap and made < PARTIAL:
            cost, _, todo, chosen = heapq.heappop(heap)
            if todo is None:
                found = True
                yield self._whole(chosen)
                continue
            lowest = min(todo.fact[1], todo.above.lowest) if todo.above is not None else todo.fact[1]
            above = _Above(todo.fact, todo.above, lowest)
            for step in self._steps_to(todo.fact):
                if any(_stands_above(fact, above) for fact in step.inner):
                    continue
                rest = todo.rest
                for fact in step.inner:
                    rest = _Open(fact, above, rest)
                made += 1
                advanced = self._advanced(cost, todo.fact, step.cost)
                heapq.heappush(heap, (advanced, -made, rest, _Chosen(todo.fact, step.support, chosen)))
        self.gave_up = bool(heap)
        if self.gave_up and not found:
            yield from self._reckoned(goal)

    def _reckoned(self, goal: FactId) -> Iterator[Tree]:
        """The tree that `Best` has in mind, if it has one."""
        made: dict[FactId, Tree] = {}
        stack = [goal]
        while stack:
            fact = stack[-1]
            support = self._best.last(fact) if self._graph.derived(fact) else None
            if support is None and self._graph.derived(fact):
                return
            missing = [one for one in support.facts if one not in made] if support is not None else []
            if missing:
                stack.extend(missing)
                continue
            stack.pop()
            if support is None:
                made[fact] = self._leaf(fact)
            else:
                made[fact] = self._tree(fact, support, tuple(made[one] for one in support.facts))
        yield made[goal]

    def _steps_to(self, fact: FactId) -> tuple[_Step, ...]:
        found = self._steps.get(fact)
        if found is None:
            derived, through = self._graph.derived, self._best.through
            found = self._steps[fact] = tuple(
                _Step(one, tuple(f for f in reversed(one.facts) if derived(f)), through(one))
                for one in reversed(self._graph.supports(fact))
            )
        return found

    def _advanced(self, cost: Cost, fact: FactId, own: Cost) -> Cost:
        """The cost of a partial tree once `fact` is proved by an instance whose best proof costs `own`."""
        known, before = self._best.cost(fact)
        value = max(cost[0], own[0]) if self._least else (rough(cost[0] * own[0] / known) if known else 0.0)
        return value, cost[1] - before + own[1]

    def _whole(self, chosen: _Chosen | None) -> Tree:
        """The tree of what was chosen. Backwards, a fact comes after all below it, so its parts were made last."""
        derived = self._graph.derived
        open_: list[Tree] = []
        while chosen is not None:
            support = chosen.support
            parts = tuple(open_.pop() if derived(fact) else self._leaf(fact) for fact in support.facts)
            open_.append(self._tree(chosen.fact, support, parts))
            chosen = chosen.before
        (tree,) = open_
        return tree

    def _tree(self, fact: FactId, support: Support, parts: tuple[Tree, ...]) -> Tree:
        key = (id(support), *map(id, parts))
        found = self._made.get(key)
        if found is None:
            found = self._made[key] = Tree(fact, support, parts)
        return found

    def _leaf(self, fact: FactId) -> Tree:
        found = self._leaves.get(fact)
        if found is None:
            found = self._leaves[fact] = Tree(fact, None, ())
        return found


def parts_of(trees: Iterable[Tree]) -> Iterator[Tree]:
    """The trees and all their parts, each once."""
    stack = list(trees)
    seen = set()
    while stack:
        one = stack.pop()
        if id(one) not in seen:
            seen.add(id(one))
            yield one
            stack.extend(one.parts)


def leaves(graph: Graph, tree: Tree) -> dict[object, float]:
    """The facts and rule instances that a tree stands on, each once, and how sure they are."""
    found: dict[object, float] = {}
    for one in parts_of((tree,)):
        if one.support is None:
            found[one.fact] = graph.conf(one.fact)
        else:
            found[one.support.leaf] = one.support.weight
    return found


def _stands_above(fact: FactId, above: _Above | None) -> bool:
    while above is not None and fact[1] >= above.lowest:
        if above.fact == fact:
            return True
        above = above.above
    return False
