"""The best proof of a fact, found by walking down to what was derived earlier.

Rows of a relation are numbered as they are found, and a fact is never surer than what its best proof stands on. So that
proof stands on rows of its own relation that are surer, or as sure and with lower numbers, and on finished relations:
following those leads to stored facts without looking at anything else (the level annotation of Zhao, Subotić and Scholz,
2020, read off the row numbers). Where that does not hold, as in mutual recursion, and under `top_proofs`, whose rows are
numbered without regard to confidence, all facts below are looked at, the cheapest first (Knuth 1977).
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterator

from nesyc_runtime.kb.proofs.graph import FactId, Graph, Support
from nesyc_runtime.kb.rules.proofsets import DIGITS

EXPLORED = 5_000  # facts whose best proof is worked out where row numbers do not tell
SLACK = 1e-12

Cost = tuple[float, int]  # minus the value, then the number of nodes: less is better
UNKNOWN: Cost = (-1.0, 2)  # the best there can be


def rough(value: float) -> float:
    """The value to 12 digits: the order in which a proof's confidences are multiplied must not rank it."""
    return float(f"{value:.{DIGITS}g}")


class Best:
    """The cost of the best proof of facts of one store, each worked out once."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._semantics = graph.store.program.semantics
        self._costs: dict[FactId, Cost] = {}
        self._last: dict[FactId, Support] = {}  # what a fact's best proof ends with
        self._chosen: dict[FactId, Support | None] = {}

    def cost(self, fact: FactId) -> Cost:
        """What the fact's best proof costs; the least anything can cost where there are too many facts below."""
        found = self._costs.get(fact)
        if found is None:
            if not self._graph.derived(fact):
                found = self._costs[fact] = (-self._graph.conf(fact), 1)
            else:
                self._descend(fact)
                found = self._costs[fact]
        return found

    def last(self, fact: FactId) -> Support | None:
        """The instance that the fact's best proof ends with; None where there are too many facts below."""
        self.cost(fact)
        return self._last.get(fact)

    def through(self, support: Support) -> Cost:
        """The cost of the best proof that ends with this instance."""
        value, size = support.weight, 1
        for fact in support.facts:
            cost, nodes = self.cost(fact)
            value = min(value, -cost) if self._semantics == "max_min" else value * -cost
            size += nodes
        return -rough(value), size

    def _descend(self, goal: FactId) -> None:
        stack = [goal]
        while stack:
            fact = stack[-1]
            if fact in self._costs:
                stack.pop()
                continue
            support = self._earlier(fact)
            if support is None:
                self._explore(fact)
                self._costs.setdefault(fact, UNKNOWN)
                continue
            missing = [f for f in support.facts if f not in self._costs and self._graph.derived(f)]
            if missing:
                stack.extend(missing)
            else:
                self._costs[fact], self._last[fact] = self.through(support), support

    def _earlier(self, fact: FactId) -> Support | None:
        """An instance that gives the fact its confidence from what was derived before it, the earliest such."""
        if fact not in self._chosen:
            candidates = [] if self._semantics == "top_proofs" else list(self._well_founded(fact))
            if self._semantics != "boolean" and candidates:
                enough = self._graph.conf(fact) * (1 - SLACK)
                candidates = [one for one in candidates if self._worth(one[2]) >= enough]
            self._chosen[fact] = min(candidates, key=lambda one: one[:2])[2] if candidates else None
        return self._chosen[fact]

    def _well_founded(self, fact: FactId) -> Iterator[tuple[int, int, Support]]:
        """(latest row of its own relation, place, instance) of the instances that stand on surer or earlier rows."""
        relation = fact[0]
        peers = self._graph.peers(relation)
        for place, support in enumerate(self._graph.supports(fact)):
            own = [one for one in support.facts if one[0] == relation]
            if any(one[0] in peers and one[0] != relation for one in support.facts):
                continue
            if all(self._rank(one) < self._rank(fact) for one in own):
                yield max((row for _, row in own), default=0), place, support

    def _rank(self, fact: FactId) -> tuple[float, int]:
        return -self._graph.conf(fact), fact[1]

    def _worth(self, support: Support) -> float:
        value = support.weight
        for fact in support.facts:
            conf = self._graph.conf(fact)
            value = min(value, conf) if self._semantics == "max_min" else value * conf
        return value

    def _explore(self, goal: FactId) -> None:
        """The best cost of every fact below `goal`; few enough, or none."""
        users: dict[FactId, list[tuple[FactId, Support]]] = {}
        below: dict[FactId, None] = {goal: None}
        queue = deque(below)
        while queue:
            head = queue.popleft()
            for support in self._graph.supports(head):
                for fact in dict.fromkeys(support.facts):
                    if not self._graph.derived(fact) or fact in self._costs:
                        continue
                    users.setdefault(fact, []).append((head, support))
                    if fact not in below:
                        below[fact] = None
                        queue.append(fact)
            if len(below) > EXPLORED:
                return
        ready = ((f, s) for f in below for s in self._graph.supports(f) if self._ready(s))
        heap = [(self.through(s), f, place, s) for place, (f, s) in enumerate(ready)]
        heapq.heapify(heap)
        place = len(heap)
        while heap:
            cost, fact, _, support = heapq.heappop(heap)
            if fact in self._costs:
                continue
            self._costs[fact], self._last[fact] = cost, support
            for head, user in users.get(fact, ()):
                if head not in self._costs and self._ready(user):
                    place += 1
                    heapq.heappush(heap, (self.through(user), head, place, user))

    def _ready(self, support: Support) -> bool:
        return all(fact in self._costs or not self._graph.derived(fact) for fact in support.facts)
