"""Facts of an evaluated store and the rule instances behind them, read as they are asked for."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

from nesyc_runtime import config
from nesyc_runtime.kb.rules.storedsets import load_sets, together
from nesyc_runtime.kb.storage.program import RelationPlan, RulePlan, VariantPlan
from nesyc_runtime.kb.storage.rows import quote
from nesyc_runtime.kb.storage.store import Store, refused
from nesyc_runtime.kb.storage.values import from_column, shown

FactId = tuple[str, int]
AT_ONCE = 500  # rows asked for in one statement
_HOLE = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")


@dataclass(frozen=True, slots=True)
class Known:
    """A fact: `args` as the contracts show values; `origin` (`{"by", "source"}`) and `cap` of a stored one."""

    relation: str
    args: tuple[Any, ...]
    text: str | None
    conf: float
    origin: Mapping[str, Any] | None
    cap: float

    def to_json(self) -> dict[str, Any]:
        """The FACT object of the contracts."""
        return {"relation": self.relation, "args": list(self.args), "text": self.text}


@dataclass(frozen=True, slots=True)
class Support:
    """A rule instance: the facts of its positive atoms, the values of its variables as the tables hold them."""

    rule: str
    variant: VariantPlan
    facts: tuple[FactId, ...]
    values: tuple[Any, ...]
    weight: float

    @property
    def leaf(self) -> tuple[str, tuple[Any, ...]]:
        """What makes it this instance of its rule, whatever branch of an `or` it came through."""
        names = (variable.name for variable in self.variant.variables)
        return self.rule, tuple(sorted(zip(names, self.values, strict=True), key=lambda pair: pair[0]))


@dataclass(frozen=True, slots=True)
class _Way:
    """One alternative of a rule as it is looked up for a fact: the relations of its atoms, its confidence."""

    rule: str
    variant: VariantPlan
    relations: tuple[str, ...]
    weight: float


class Graph:
    """What explanations and tests read of a store; answers are kept, so use one per state of the store."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.execute: Callable[..., Any] = store.execute  # rows and instances are read through it
        self.rules = {rule.name: rule for rule in store.kb.rules}
        self._facts: dict[FactId, Known] = {}
        self._confs: dict[FactId, float] = {}
        self._written: dict[FactId, str] = {}
        self._supports: dict[FactId, tuple[Support, ...]] = {}
        self._ways = {
            relation: tuple(self._way(rule, variant) for rule in rules for variant in rule.variants)
            for relation, rules in store.program.rules_of.items()
        }
        self._peers = {
            relation: frozenset(stratum.relations)
            for stratum in store.program.strata
            for relation in stratum.relations
        }

    def _way(self, rule: RulePlan, variant: VariantPlan) -> _Way:
        relations = tuple(atom.relation for atom in variant.atoms)
        return _Way(rule.name, variant, relations, rule.confidence if self.weighted else 1.0)

    def peers(self, relation: str) -> frozenset[str]:
        """The relations of a derived relation's stratum."""
        return self._peers.get(relation, frozenset((relation,)))

    def derived(self, fact: FactId) -> bool:
        return self.store.program.by_name[fact[0]].derived

    def fact(self, fact: FactId) -> Known:
        if fact not in self._facts:
            self.read((fact,))
        return self._facts[fact]

    def written(self, fact: FactId) -> str:
        """The fact as text, by which equally good proofs are ranked."""
        if fact not in self._written:
            known = self.fact(fact)
            self._written[fact] = f"{known.relation} {json.dumps(known.args, ensure_ascii=False)}"
        return self._written[fact]

    def conf(self, fact: FactId) -> float:
        """The fact's confidence, 1.0 under boolean."""
        if not self.weighted:
            return 1.0
        if fact not in self._confs:
            rows = quote(self.store.relation(fact[0]).rows)
            found = self.execute(f"SELECT conf FROM {rows} WHERE _row = ?", (fact[1],)).fetchone()
            self._confs[fact] = float(found[0])
        return self._confs[fact]

    def together(self, facts: Iterable[FactId]) -> float:
        """How sure the facts are together: as a rule of confidence 1 over them would make its head."""
        if self.store.program.semantics == "top_proofs":
            found = tuple(facts)
            return together(load_sets(self.store, set(found)), [found], self.store.program.k)
        confidences = [self.conf(fact) for fact in facts]
        if self.store.program.semantics == "max_min":
            return min(confidences, default=1.0)
        return prod(confidences)

    def find(self, relation: str, args: Sequence[Any]) -> FactId | None:
        """The row of a fact among all of its relation, losers of `resolve` among them."""
        plan = self.store.relation(relation)
        values = encoded(self.store, plan, args)
        if values is None:
            return None
        where = " AND ".join(f"{quote(c.column)} IS ?" for c in plan.columns if not c.computed)
        given = [value for column, value in zip(plan.columns, values, strict=True) if not column.computed]
        row = self.store.execute(f"SELECT _row FROM {quote(plan.rows)} WHERE {where}", given).fetchone()
        return None if row is None else (relation, int(row[0]))

    def wins(self, fact: FactId) -> bool:
        """Whether queries see the fact: always, unless `unique ... resolve` chose another."""
        plan = self.store.relation(fact[0])
        sql = f"SELECT 1 FROM {quote(plan.reads)} WHERE _row = ?"
        return not plan.resolved or self.store.execute(sql, (fact[1],)).fetchone() is not None

    def rivals(self, fact: FactId) -> list[FactId]:
        """The other candidates of the fact's group under `unique ... resolve`, the most confident first."""
        plan = self.store.relation(fact[0])
        unique = self.store.declared[fact[0]].unique
        if not plan.resolved or unique is None:
            return []
        columns = [column.column for column in plan.columns if column.name in unique.columns]
        same = " AND ".join(f"o.{quote(c)} IS r.{quote(c)}" for c in columns)
        conf = "o.conf DESC, " if self.weighted else ""
        rows = self.store.execute(
            f"SELECT o._row FROM {quote(plan.rows)} AS r JOIN {quote(plan.rows)} AS o ON {same} "
            f"WHERE r._row = ? AND o._row <> r._row ORDER BY {conf}o._row",
            (fact[1],),
        )
        return [(fact[0], row) for (row,) in rows]

    def equal_pairs(self, relation: str, columns: Sequence[str]) -> Iterator[tuple[FactId, FactId]]:
        """Pairs of facts of a relation that are equal in `columns`, each fact with the first of its group."""
        plan = self.store.relation(relation)
        listed = ", ".join(quote(column.column) for column in plan.columns if column.name in columns)
        sql = (
            f"SELECT first, _row FROM (SELECT _row, min(_row) OVER (PARTITION BY {listed}) AS first "
            f"FROM {quote(plan.rows)}) WHERE first <> _row ORDER BY first, _row"
        )
        for first, row in self.store.execute(sql).fetchall():
            yield (relation, first), (relation, row)

    @property
    def weighted(self) -> bool:
        return self.store.program.semantics != "boolean"

    def supports(self, fact: FactId) -> tuple[Support, ...]:
        """Every rule instance that gives the fact, in order of evaluation."""
        found = self._supports.get(fact)
        if found is None:
            where = {"row": fact[1]}
            found = self._supports[fact] = tuple(
                support
                for way in self._ways.get(fact[0], ())
                for support in self._instances(way, way.variant.instances_of, where, skip=1)
            )
        return found

    def violations(self, constraint: RulePlan) -> Iterator[Support]:
        """The ways a constraint is broken."""
        for variant in constraint.variants:
            yield from self._instances(self._way(constraint, variant), variant.instances, {}, skip=0)

    def _instances(self, way: _Way, sql: str, bound: Mapping[str, Any], *, skip: int) -> Iterator[Support]:
        first = skip + len(way.relations)
        try:
            rows = self.execute(sql, bound).fetchall()
        except sqlite3.OperationalError as error:
            place = self.store.program.notes.get(way.rule, "").partition("\n")[0]
            raise refused(error, f"{place}: `{way.rule}`") from None
        for row in rows:
            facts = tuple(zip(way.relations, row[skip:first], strict=True))
            yield Support(way.rule, way.variant, facts, tuple(row[first:]), way.weight)

    def bindings(self, support: Support) -> dict[str, Any]:
        """The values of an instance's variables, as the contracts show them."""
        return {
            variable.name: self._decoded(value, variable.base, interned=variable.interned)
            for variable, value in zip(support.variant.variables, support.values, strict=True)
        }

    def _decoded(self, value: Any, base: str, *, interned: bool) -> Any:
        if interned and value is not None:
            return self.store.text(value)
        return from_column(value, base)

    def read(self, facts: Iterable[FactId]) -> None:
        """Read facts that are asked for soon, many at a time."""
        wanted: dict[str, list[int]] = {}
        for fact in dict.fromkeys(facts):
            if fact not in self._facts:
                wanted.setdefault(fact[0], []).append(fact[1])
        for relation, rows in wanted.items():
            for start in range(0, len(rows), AT_ONCE):
                self._read(self.store.relation(relation), rows[start : start + AT_ONCE])

    def _read(self, plan: RelationPlan, rows: Sequence[int]) -> None:
        columns = ", ".join(quote(column.column) for column in plan.columns)
        extra = ", conf, origin, owner, line" if not plan.derived else ", conf" if self.weighted else ""
        marks = ", ".join("?" * len(rows))
        sql = f"SELECT _row, {columns}{extra} FROM {quote(plan.rows)} WHERE _row IN ({marks})"
        for row, *values in self.execute(sql, rows).fetchall():
            self._facts[plan.name, row] = self._known(plan, values)

    def _known(self, plan: RelationPlan, values: Sequence[Any]) -> Known:
        args = tuple(
            self._decoded(value, column.base, interned=column.interned)
            for column, value in zip(plan.columns, values, strict=False)
        )
        rest = values[len(args) :]
        conf = float(rest[0]) if rest and self.weighted else 1.0
        text = sentence(self.store.declared[plan.name], args)
        if plan.derived:
            return Known(plan.name, args, text, conf, None, 1.0)
        by = self.store.text(rest[1])
        origin = {"by": by, "source": source_place(self.store.text(rest[2]), rest[3])}
        return Known(plan.name, args, text, conf, origin, self.store.program.ceiling[by])


def encoded(store: Store, plan: RelationPlan, args: Sequence[Any]) -> list[Any] | None:
    """Values as the table holds them; None where a text is one that no row has."""
    values: list[Any] = []
    for column, value in zip(plan.columns, args, strict=True):
        if column.interned and value is not None:
            value = store.find_symbol(str(value))
            if value is None:
                return None
        elif isinstance(value, bool):
            value = int(value)
        elif column.base in ("number", "usd") and isinstance(value, int):
            value = float(value)
        values.append(value)
    return values


def source_place(owner: str, line: int | None) -> str:
    """Where a row comes from: `kinship.nesy:67` for the source, else the owner."""
    kind, _, name = owner.partition(":")
    place = name if kind == "source" else owner
    return place if line is None else f"{place}:{line}"


def sentence(relation: config.Relation, args: Sequence[Any]) -> str | None:
    """What `say` makes of a fact; a brace inside a value stays a brace. None without `say`."""
    if relation.say is None:
        return None
    values = dict(zip((column.name for column in relation.columns), args, strict=True))
    return _HOLE.sub(lambda hole: shown(values[hole[1]]) if hole[1] in values else hole[0], relation.say)


def literal_at(body: Sequence[config.BodyLiteral], path: Sequence[int]) -> config.BodyLiteral:
    """The literal a path leads to: an index into the body, then the branch of each `or`."""
    literal = body[path[0]]
    for branch in path[1:]:
        assert isinstance(literal, config.OrLiteral)
        literal = literal.branches[branch]
    return literal


def term_value(term: config.Term, bindings: Mapping[str, Any]) -> Any:
    """A term's value where it is a variable or a constant, None where unknown."""
    if isinstance(term, config.Var):
        return bindings.get(term.name or "")
    return term.value if isinstance(term, config.Const) else None
