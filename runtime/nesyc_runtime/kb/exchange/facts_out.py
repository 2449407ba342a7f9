"""The facts of a KB, stored and derived, as rows with their texts written out: what exports and graphs are made of."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from nesyc_runtime.errors import UserError
from nesyc_runtime.kb.storage.program import ColumnPlan, RelationPlan
from nesyc_runtime.kb.storage.rows import quote
from nesyc_runtime.kb.storage.store import Store
from nesyc_runtime.kb.storage.values import from_column

BATCH = 5000


def columns_of(plan: RelationPlan) -> tuple[ColumnPlan, ...]:
    """The columns that a file can fill: without those an embedder computes."""
    return tuple(column for column in plan.columns if not column.computed)


def implicit_of(plan: RelationPlan) -> tuple[str, ...]:
    """What stands beside a row's columns: `conf`, and of a stored one where it comes from."""
    return ("conf",) if plan.derived else ("conf", "origin", "status", "owner")


def told_apart(names: Iterable[str], taken: Iterable[str] = ()) -> list[str]:
    """The names, each with `_` added until neither an earlier one nor one of `taken` is called so.

    Upper and lower case are alike, as they are to SQLite.
    """
    used = {name.casefold() for name in taken}
    free: list[str] = []
    for name in names:
        while name.casefold() in used:
            name += "_"
        used.add(name.casefold())
        free.append(name)
    return free


def facts_of(store: Store, plan: RelationPlan) -> Iterator[tuple[Any, ...]]:
    """The rows that queries see, in the order they came: `columns_of`, then `implicit_of`; streamed.

    Rejected and proposed entries are among them, as `status` says. Call within `store.reading()`.
    """
    columns = columns_of(plan)
    picked = [f"r.{quote(column.column)}" for column in columns]
    weighted = not plan.derived or store.program.semantics != "boolean"
    picked.append("r.conf" if weighted else "1.0")
    if not plan.derived:
        picked += ["r.origin", "r.status", "r.owner"]
    found = iter(store.execute(f"SELECT {', '.join(picked)} FROM {quote(plan.reads)} AS r ORDER BY r._row"))
    for row in found:
        values = [_value(store, column, value) for column, value in zip(columns, row, strict=False)]
        implicit = [row[len(columns)], *(store.text(id_) for id_ in row[len(columns) + 1 :])]
        yield (*values, *implicit)


def _value(store: Store, column: ColumnPlan, value: Any) -> Any:
    if column.interned and value is not None:
        return store.text(value)
    return from_column(value, column.base)


def chosen(store: Store, names: Sequence[str]) -> list[RelationPlan]:
    """The relations of these names, all where none is named; raises `UserError` for an unknown one."""
    return [store.relation(name) for name in names] if names else list(store.program.relations)


def one_of(store: Store, names: Sequence[str], form: str) -> RelationPlan:
    """The one relation of an export that holds one; raises `UserError` where several are meant."""
    plans = chosen(store, names)
    if len(plans) != 1:
        raise UserError(
            f"a {form} file holds one relation", f"name it: --relation {' or '.join(p.name for p in plans)}"
        )
    return plans[0]
