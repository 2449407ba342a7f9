"""Facts of an evaluated store and the rule instances behind them, read as they are asked for."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from nesyc_runtime import config
from nesyc_runtime.kb.program import RelationPlan, RulePlan, VariantPlan
from nesyc_runtime.kb.rows import quote
from nesyc_runtime.kb.store import Store
from nesyc_runtime.kb.values import from_column, shown

FactId = tuple[str, int]
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
    """A rule instance: the facts of its positive atoms by path, the values of its variables."""

    rule: str
    variant: VariantPlan
    facts: tuple[FactId, ...]
    bindings: Mapping[str, Any]
    weight: float

    @cached_property
    def by_path(self) -> Mapping[tuple[int, ...], FactId]:
        return {atom.path: fact for atom, fact in zip(self.variant.atoms, self.facts, strict=True)}


class Graph:
    """What explanations and tests read of a store; answers are kept, so use one per state of the store."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.rules = {rule.name: rule for rule in store.kb.rules}
        self._facts: dict[FactId, Known] = {}
        self._supports: dict[FactId, tuple[Support, ...]] = {}

    def derived(self, fact: FactId) -> bool:
        return self.store.program.by_name[fact[0]].derived

    def fact(self, fact: FactId) -> Known:
        if fact not in self._facts:
            self._facts[fact] = self._read(self.store.relation(fact[0]), fact[1])
        return self._facts[fact]

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
        if fact not in self._supports:
            found = (
                support
                for rule in self.store.program.rules_of.get(fact[0], ())
                for variant in rule.variants
                for support in self._instances(rule, variant, variant.instances_of, {"row": fact[1]}, skip=1)
            )
            self._supports[fact] = tuple(found)
        return self._supports[fact]

    def violations(self, constraint: RulePlan) -> Iterator[Support]:
        """The ways a constraint is broken."""
        for variant in constraint.variants:
            yield from self._instances(constraint, variant, variant.instances, {}, skip=0)

    def _instances(
        self, rule: RulePlan, variant: VariantPlan, sql: str, bound: Mapping[str, Any], *, skip: int
    ) -> Iterator[Support]:
        relations = [atom.relation for atom in variant.atoms]
        weight = rule.confidence if self.weighted else 1.0
        first = skip + len(relations)
        for row in self.store.execute(sql, bound).fetchall():
            facts = tuple(zip(relations, row[skip:first], strict=True))
            bindings = {
                variable.name: self._decoded(value, variable.base, interned=variable.interned)
                for variable, value in zip(variant.variables, row[first:], strict=True)
            }
            yield Support(rule.name, variant, facts, bindings, weight)

    def _decoded(self, value: Any, base: str, *, interned: bool) -> Any:
        if interned and value is not None:
            return self.store.text(value)
        return from_column(value, base)

    def _read(self, plan: RelationPlan, row: int) -> Known:
        columns = ", ".join(quote(column.column) for column in plan.columns)
        extra = (
            ", conf, origin, owner, line, provenance"
            if not plan.derived
            else ", conf"
            if self.weighted
            else ""
        )
        sql = f"SELECT {columns}{extra} FROM {quote(plan.rows)} WHERE _row = ?"
        values = self.store.execute(sql, (row,)).fetchone()
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
