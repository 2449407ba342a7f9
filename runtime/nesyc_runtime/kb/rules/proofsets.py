"""`top_proofs(k)`: the k best minimal leaf sets of every derived fact, and the probability of their union.

Leaves are stored facts and ground rule instances, each independent. In rounds, every rule instance joins the leaf
sets its body's facts have so far, each with the rule instance added; a fact keeps its k best sets, none a superset of
another, until nothing changes. (The top-k proofs provenance of Scallop, Li et al. 2023, over leaf sets.)
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from math import prod

from nesyc_runtime.kb.storage.program import RelationPlan, StratumPlan
from nesyc_runtime.kb.storage.rows import quote
from nesyc_runtime.kb.storage.store import Store

FactId = tuple[str, int]
Leaves = frozenset[int]
Order = tuple[float, int, str, tuple[str, ...], tuple[str, ...]]

DIGITS = 12  # values are compared to this many decimals: the order of multiplication must not decide


@dataclass(frozen=True, slots=True)
class Leaf:
    """A stored fact or a ground rule instance. `name` orders ties; `cap` is the ceiling of its origin."""

    name: str
    conf: float
    cap: float
    rule: str | None


@dataclass(frozen=True, slots=True)
class ProofSet:
    """A leaf set of a fact and the rule that ends it; `order` is its rank (see `ranked`)."""

    leaves: Leaves
    rule: str
    value: float
    order: Order


@dataclass(frozen=True, slots=True)
class Instance:
    head: FactId
    body: tuple[FactId, ...]
    leaf: int
    rule: str


class ProofSets:
    """The leaf sets of all derived facts, built stratum after stratum within one evaluation."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._k = store.program.k
        self._leaves: list[Leaf] = []
        self._numbers: dict[object, int] = {}
        self._sets: dict[FactId, tuple[ProofSet, ...]] = {}
        self._keys: dict[str, dict[int, tuple[str, float, float]]] = {}
        self._origins = {rule.name: rule.origin for rule in store.kb.rules}

    def add_stratum(self, stratum: StratumPlan) -> None:
        """Compute the sets and confidences of the stratum's facts, whose rows are complete."""
        instances = list(self._instances(stratum))
        users: dict[FactId, list[int]] = {}
        for index, instance in enumerate(instances):
            for fact in set(instance.body):
                if fact[0] in stratum.relations:
                    users.setdefault(fact, []).append(index)
        waiting: Iterable[int] = range(len(instances))
        while waiting:
            found: dict[FactId, list[tuple[Leaves, str]]] = {}
            for index in waiting:
                instance = instances[index]
                found.setdefault(instance.head, []).extend(self._joined(instance))
            changed = [fact for fact, sets in found.items() if self._merge(fact, sets)]
            waiting = sorted({index for fact in changed for index in users.get(fact, ())})
        self._write_confidences(stratum)

    def save(self) -> None:
        """Write leaves and sets to the store, for `query`, `why` and tests."""
        store = self._store
        store.execute('DELETE FROM "nesyc.leaf"')
        store.execute('DELETE FROM "nesyc.proof"')
        store.connection.executemany(
            'INSERT INTO "nesyc.leaf" (id, name, rule, conf, cap) VALUES (?, ?, ?, ?, ?)',
            ((number, leaf.name, leaf.rule, leaf.conf, leaf.cap) for number, leaf in enumerate(self._leaves)),
        )
        store.connection.executemany(
            'INSERT INTO "nesyc.proof" (relation, row, rank, rule, value, leaves) VALUES (?, ?, ?, ?, ?, ?)',
            (
                (relation, row, rank, one.rule, one.value, json.dumps(sorted(one.leaves)))
                for (relation, row), sets in self._sets.items()
                if store.program.by_name[relation].derived
                for rank, one in enumerate(sets, 1)
            ),
        )

    def _joined(self, instance: Instance) -> Iterator[tuple[Leaves, str]]:
        """Every way to join the leaf sets of the body's facts, with the instance's own leaf."""
        choices = [self._of(fact) for fact in instance.body]
        for chosen in product(*choices):
            yield frozenset((instance.leaf,)).union(*(one.leaves for one in chosen)), instance.rule

    def _of(self, fact: FactId) -> tuple[ProofSet, ...]:
        if fact not in self._sets and not self._store.program.by_name[fact[0]].derived:
            leaves = frozenset((self._fact_leaf(fact),))
            self._sets[fact] = (self._ranked(leaves, ""),)
        return self._sets.get(fact, ())

    def _merge(self, fact: FactId, found: Iterable[tuple[Leaves, str]]) -> bool:
        old = self._sets.get(fact, ())
        best: dict[Leaves, str] = {one.leaves: one.rule for one in old}
        for leaves, rule in found:
            best[leaves] = min(rule, best.get(leaves, rule))
        minimal = minimal_sets(best)
        new = tuple(sorted((self._ranked(s, best[s]) for s in minimal), key=lambda one: one.order)[: self._k])
        if new == old:
            return False
        self._sets[fact] = new
        return True

    def _ranked(self, leaves: Leaves, rule: str) -> ProofSet:
        own = [self._leaves[leaf] for leaf in leaves]
        value = prod(sorted(leaf.conf for leaf in own))
        facts = (leaf.name for leaf in own if leaf.rule is None)
        return ProofSet(
            leaves, rule, value, ranked(value, rule, facts, (leaf.name for leaf in own if leaf.rule))
        )

    def _write_confidences(self, stratum: StratumPlan) -> None:
        confidences = {number: leaf.conf for number, leaf in enumerate(self._leaves)}
        for name in stratum.relations:
            plan = self._store.program.by_name[name]
            rows = self._store.execute(f"SELECT _row FROM {quote(plan.rows)}").fetchall()
            self._store.connection.executemany(
                f"UPDATE {quote(plan.rows)} SET conf = ? WHERE _row = ?",
                ((self._confidence(self._sets[name, row], confidences), row) for (row,) in rows),
            )

    def _confidence(self, sets: tuple[ProofSet, ...], confidences: Mapping[int, float]) -> float:
        best_cap = min((self._leaves[leaf].cap for leaf in sets[0].leaves), default=1.0)
        return min(union_probability([one.leaves for one in sets], confidences), best_cap)

    def _instances(self, stratum: StratumPlan) -> Iterator[Instance]:
        rules = {rule.name: rule for rule in self._store.program.rules}
        for name in stratum.rules:
            rule = rules[name]
            cap = self._store.program.ceiling[self._origins[name]]
            for variant in rule.variants:
                relations = [atom.relation for atom in variant.atoms]
                for row in self._store.execute(variant.instances).fetchall():
                    body = tuple(zip(relations, row[1 : 1 + len(relations)], strict=True))
                    values = zip(variant.variables, row[1 + len(relations) :], strict=True)
                    bindings = tuple(
                        sorted(
                            (v.name, self._store.text(value) if v.interned and value is not None else value)
                            for v, value in values
                        )
                    )
                    leaf = self._rule_leaf(name, bindings, rule.confidence, cap)
                    yield Instance((rule.head, row[0]), body, leaf, name)

    def _rule_leaf(self, rule: str, bindings: tuple[tuple[str, object], ...], conf: float, cap: float) -> int:
        key = (rule, bindings)
        if key not in self._numbers:
            self._numbers[key] = len(self._leaves)
            shown = json.dumps(bindings, ensure_ascii=False, default=repr)
            self._leaves.append(Leaf(f"{rule} {shown}", conf, cap, rule))
        return self._numbers[key]

    def _fact_leaf(self, fact: FactId) -> int:
        if fact not in self._numbers:
            name, conf, cap = self._facts_of(fact[0])[fact[1]]
            self._numbers[fact] = len(self._leaves)
            self._leaves.append(Leaf(name, conf, cap, None))
        return self._numbers[fact]

    def _facts_of(self, relation: str) -> dict[int, tuple[str, float, float]]:
        """Name, confidence and cap of every row of a stored relation."""
        if relation not in self._keys:
            plan = self._store.program.by_name[relation]
            self._keys[relation] = dict(named_rows(self._store, plan))
        return self._keys[relation]


def ranked(value: float, rule: str, facts: Iterable[str], instances: Iterable[str]) -> Order:
    """The best first: value, fewer leaves, rule name, facts, then rule instances, both as they are written."""
    fact_names, instance_names = tuple(sorted(facts)), tuple(sorted(instances))
    return -round(value, DIGITS), len(fact_names) + len(instance_names), rule, fact_names, instance_names


def named_rows(
    store: Store, plan: RelationPlan, row: int | None = None
) -> Iterator[tuple[int, tuple[str, float, float]]]:
    """Name, confidence and cap by row number, of all rows of a stored relation or of one."""
    columns = [column for column in plan.columns if not column.computed]
    listed = ", ".join(quote(column.column) for column in columns)
    sql = f"SELECT _row, conf, origin, {listed} FROM {quote(plan.rows)}"
    found = store.execute(sql) if row is None else store.execute(f"{sql} WHERE _row = ?", (row,))
    for number, conf, origin, *values in found.fetchall():
        texts = [
            store.text(value) if column.interned and value is not None else value
            for column, value in zip(columns, values, strict=True)
        ]
        name = f"{plan.name} {json.dumps(texts, ensure_ascii=False)}"
        yield number, (name, conf, store.program.ceiling[store.text(origin)])


def minimal_sets(sets: Mapping[Leaves, str]) -> list[Leaves]:
    """The sets that hold no other set."""
    kept: list[Leaves] = []
    for leaves in sorted(sets, key=len):
        if not any(other < leaves for other in kept):
            kept.append(leaves)
    return kept


def union_probability(sets: list[Leaves], confidences: Mapping[int, float]) -> float:
    """The probability that at least one set holds whole, its leaves being independent: inclusion and exclusion."""
    total = 0.0

    def add(start: int, leaves: Leaves, value: float, sign: int) -> None:
        nonlocal total
        for index in range(start, len(sets)):
            fresh = sets[index] - leaves
            joint = value * prod(sorted(confidences[leaf] for leaf in fresh))
            total += sign * joint
            add(index + 1, leaves | fresh, joint, -sign)

    add(0, frozenset(), 1.0, 1)
    return min(total, 1.0)
