"""What was found for parts of a spec that did not change since it was checked last."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from operator import is_
from typing import Any, TypeVar

N = TypeVar("N")
R = TypeVar("R")


@dataclass(slots=True)
class _Kept:
    """Results under one `context`, by the identity of what they are of (which is kept, so that it stays its own)."""

    context: object
    before: dict[int, tuple[Any, Any]] = field(default_factory=dict)
    now: dict[int, tuple[Any, Any]] = field(default_factory=dict)


@dataclass(slots=True)
class Memo:
    """Results of pure functions of syntax nodes, kept from one check of a spec to the next.

    A function's result for a node is used again while the node is the same object and `context`, which stands for all
    else that the function depends on, is equal. A memo never changes what a check finds, only how soon.
    """

    _kept: dict[Hashable, _Kept] = field(default_factory=dict)
    _groups: dict[Hashable, tuple[object, tuple[Any, ...], Any]] = field(default_factory=dict)

    def begin(self) -> None:
        """Begin the next check: what this one does not ask for is forgotten with the one after it."""
        for kept in self._kept.values():
            kept.before, kept.now = kept.now, {}

    def each(
        self, what: Hashable, context: object, nodes: Iterable[N], function: Callable[[N], R]
    ) -> list[R]:
        """`function` of every node."""
        kept = self._kept.get(what)
        if kept is None or kept.context != context:
            kept = self._kept[what] = _Kept(context)
        before, now = kept.before, kept.now
        results: list[R] = []
        for node in nodes:
            place = id(node)
            entry = now.get(place) or before.get(place)
            if entry is None:
                entry = (node, function(node))
            now[place] = entry
            results.append(entry[1])
        return results

    def group(self, what: Hashable, context: object, nodes: Sequence[Any], function: Callable[[], R]) -> R:
        """`function()` of all `nodes` together, in their order."""
        entry = self._groups.get(what)
        if entry is None or entry[0] != context or not _are_same(entry[1], nodes):
            entry = self._groups[what] = (context, tuple(nodes), function())
        found: R = entry[2]
        return found


def _are_same(before: Sequence[object], now: Sequence[object]) -> bool:
    return len(before) == len(now) and all(map(is_, before, now))
