"""What an answer's claim would break in a KB were it true: a `forbid`, or a fact that `unique` lets stand alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from nesyc_runtime.errors import UserError
from nesyc_runtime.kb.proofs.best import rough
from nesyc_runtime.kb.proofs.graph import FactId, Graph, encoded
from nesyc_runtime.kb.storage.program import RelationPlan
from nesyc_runtime.kb.storage.rows import quote
from nesyc_runtime.kb.storage.store import Store
from nesyc_runtime.kb.storage.values import BadValue, shown, to_column

SUPPOSED = {"conf": 1.0, "origin": "unreviewed", "status": "proposed", "owner": "claim", "written": 1.0}


@dataclass(frozen=True, slots=True)
class Broken:
    """`claim` as text; `by` names the constraint, or the relation whose `unique` another fact already fills."""

    claim: str
    by: str


def contradictions(store: Store, claims: Sequence[tuple[str, tuple[Any, ...]]]) -> list[Broken]:
    """What each claim (relation, values in column order) contradicts, alone and with nothing derived from it.

    The store is as before when this returns. Raises `UserError` where a claim does not fit its relation.
    """
    found: list[Broken] = []
    for name, values in claims:
        plan = store.relation(name)
        text = f"{name}({', '.join(shown(value) for value in values)})"
        try:
            typed = [
                to_column(value, column, store.enums)
                for value, column in zip(values, plan.columns, strict=True)
            ]
        except BadValue as error:
            raise UserError(f"the claim {text} does not fit `{name}`: {error}") from None
        found += [Broken(text, by) for by in dict.fromkeys(_broken(store, plan, typed))]
    return found


def _broken(store: Store, plan: RelationPlan, values: Sequence[Any]) -> Iterator[str]:
    if _unique_filled(store, plan, values):
        yield plan.name
        return
    with _supposed(store, plan, values) as fact:
        graph = Graph(store)
        for constraint in store.program.constraints:
            if any(
                rough(graph.together(other for other in support.facts if other != fact))
                >= constraint.confidence
                for support in graph.violations(constraint)
                if fact in support.facts
            ):
                yield constraint.name


def _unique_filled(store: Store, plan: RelationPlan, values: Sequence[Any]) -> bool:
    """Whether another fact has the values that `unique`, or the key, allows once."""
    declared = store.declared[plan.name]
    once = declared.unique.columns if declared.unique is not None else declared.key
    stored = encoded(store, plan, values)
    if not once:
        return False
    pairs = [
        (column, value) for column, value in zip(plan.columns, values, strict=True) if column.name in once
    ]
    ids = [store.find_symbol(value) if c.interned and value is not None else value for c, value in pairs]
    same = " AND ".join(f"{quote(column.column)} IS ?" for column, _ in pairs)
    listed = ", ".join(quote(column.column) for column in plan.columns if not column.computed)
    rows = store.execute(f"SELECT {listed} FROM {quote(plan.reads)} WHERE {same}", ids).fetchall()
    if any(value is not None and id_ is None for (_, value), id_ in zip(pairs, ids, strict=True)):
        return False  # a text that no row has
    if stored is None:
        return bool(rows)
    own = tuple(value for column, value in zip(plan.columns, stored, strict=True) if not column.computed)
    return bool(rows) and own not in rows


@contextmanager
def _supposed(store: Store, plan: RelationPlan, values: Sequence[Any]) -> Iterator[FactId]:
    """The claim as a row of its relation, until the end."""
    with store.supposing():
        known = Graph(store).find(plan.name, values)
        yield known if known is not None else _insert(store, plan, values)


def _insert(store: Store, plan: RelationPlan, values: Sequence[Any]) -> FactId:
    stored = [
        store.symbol(value) if column.interned and value is not None else value
        for column, value in zip(plan.columns, values, strict=True)
    ]
    names = [column.column for column in plan.columns]
    if not plan.derived:
        for name, value in SUPPOSED.items():
            names.append(name)
            stored.append(store.symbol(value) if isinstance(value, str) else value)
    row = store.execute(f"SELECT ifnull(max(_row), 0) + 1 FROM {quote(plan.rows)}").fetchone()[0]
    listed, marks = ", ".join(map(quote, names)), ", ".join("?" * len(names))
    for table in dict.fromkeys((plan.rows, plan.reads)):
        store.execute(f"INSERT INTO {quote(table)} (_row, {listed}) VALUES (?, {marks})", (row, *stored))
    return plan.name, int(row)
