"""Leaf sets read back from an evaluated store, for conjunctions asked of it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from math import prod

from nesyc_runtime.kb.rules.proofsets import (
    FactId,
    Leaves,
    Order,
    minimal_sets,
    named_rows,
    ranked,
    union_probability,
)
from nesyc_runtime.kb.storage.store import Store


@dataclass(frozen=True, slots=True)
class StoredSets:
    """Leaf sets read back, of each fact the best first; facts no proof stands on have leaves below zero.

    `instances`: the leaves that are rule instances, with their rules.
    """

    of: Mapping[FactId, tuple[Leaves, ...]]
    confidences: Mapping[int, float]
    caps: Mapping[int, float]
    names: Mapping[int, str]
    rules: Mapping[FactId, tuple[str, ...]]
    instances: Mapping[int, str]


def load_sets(store: Store, facts: Iterable[FactId]) -> StoredSets:
    """The leaf sets of facts of an evaluated store; a stored fact is its own leaf."""
    of: dict[FactId, tuple[Leaves, ...]] = {}
    rules: dict[FactId, tuple[str, ...]] = {}
    leaves: dict[int, tuple[str, float, float]] = {}
    numbers: dict[str, int] = {}
    instances: dict[int, str] = {}
    for fact in sorted(facts):
        relation, row = fact
        plan = store.program.by_name[relation]
        if plan.derived:
            found = store.execute(
                'SELECT leaves, rule FROM "nesyc.proof" WHERE relation = ? AND row = ? ORDER BY rank', fact
            ).fetchall()
            of[fact] = tuple(frozenset(json.loads(text)) for text, _ in found)
            rules[fact] = tuple(rule for _, rule in found)
            continue
        ((_, leaf),) = named_rows(store, plan, row)
        if leaf[0] not in numbers:
            known = store.execute('SELECT id FROM "nesyc.leaf" WHERE name = ?', (leaf[0],)).fetchone()
            numbers[leaf[0]] = known[0] if known is not None else -1 - len(numbers)
        leaves[numbers[leaf[0]]] = leaf
        of[fact] = (frozenset((numbers[leaf[0]],)),)
        rules[fact] = ("",)
    for number in {leaf for sets in of.values() for one in sets for leaf in one} - leaves.keys():
        sql = 'SELECT name, conf, cap, rule FROM "nesyc.leaf" WHERE id = ?'
        *leaf, rule = store.execute(sql, (number,)).fetchone()
        leaves[number] = leaf[0], leaf[1], leaf[2]
        if rule is not None:
            instances[number] = rule
    return StoredSets(
        of,
        {number: leaf[1] for number, leaf in leaves.items()},
        {number: leaf[2] for number, leaf in leaves.items()},
        {number: leaf[0] for number, leaf in leaves.items()},
        rules,
        instances,
    )


def best_sets(sets: Iterable[Leaves], known: StoredSets, k: int) -> list[Leaves]:
    """The k best minimal ones of leaf sets that no rule has a say in."""

    def order(leaves: Leaves) -> Order:
        value = prod(sorted(known.confidences[leaf] for leaf in leaves))
        facts = (known.names[leaf] for leaf in leaves - known.instances.keys())
        return ranked(value, "", facts, (known.names[leaf] for leaf in leaves & known.instances.keys()))

    return sorted(minimal_sets(dict.fromkeys(sets, "")), key=order)[:k]


def together(known: StoredSets, ways: Iterable[Sequence[FactId]], k: int) -> float:
    """How sure it is that all facts of one of the `ways` hold: as a rule of confidence 1 over them would make its head."""
    joined: set[Leaves] = set()
    for facts in ways:
        for chosen in product(*(known.of[fact] for fact in facts)):
            joined.add(frozenset().union(*chosen))
    best = best_sets(joined, known, k)
    cap = min((known.caps[leaf] for leaf in best[0]), default=1.0)
    return min(union_probability(best, known.confidences), cap)
