"""Ad-hoc conjunctions over an evaluated store."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from typing import Any

from nesyc_runtime.config import Model, Scalar
from nesyc_runtime.errors import UserError
from nesyc_runtime.kb.rules.rounds import TOO_MUCH
from nesyc_runtime.kb.rules.storedsets import load_sets, together
from nesyc_runtime.kb.storage.store import Store, overflow_of
from nesyc_runtime.kb.storage.values import from_column


class BranchQuery(Model):
    """One alternative: the answer's columns, then the row of each positive atom, whose relations are `atoms`."""

    sql: str
    atoms: tuple[str, ...]


class CompiledQuery(Model):
    """A conjunction as `nesyc.emit.sql.emit_query` gives it."""

    sql: str
    branches: tuple[BranchQuery, ...]
    columns: tuple[str, ...]
    types: tuple[str, ...]
    parameters: Mapping[str, Scalar]


def query(store: Store, compiled: object, *, limit: int = 1000) -> dict[str, Any]:
    """The `query` object of the contracts: distinct rows, by confidence, then values; `limit` 0 is all.

    `compiled` is the compiled query as JSON values. Raises `UserError` where the query computes what overflows.
    """
    plan = compiled if isinstance(compiled, CompiledQuery) else CompiledQuery.model_validate(compiled)
    try:
        with store.reading():
            if store.program.semantics == "top_proofs":
                rows, total = _proved(store, plan, limit)
            else:
                rows, total = _plain(store, plan, limit)
    except (sqlite3.OperationalError, sqlite3.IntegrityError) as error:
        if any(limit in str(error) for limit in TOO_MUCH):
            raise UserError(f"the query is too large: {error}", "ask in parts") from None
        overflow = overflow_of(error)
        if overflow is None:
            raise
        raise UserError(
            f"the query computes a value that is too large: {overflow}", "bound the arithmetic"
        ) from None
    return {
        "v": 1,
        "kb": store.kb.name,
        "columns": list(plan.columns),
        "rows": [
            {
                "values": [from_column(value, base) for value, base in zip(values, plan.types, strict=True)],
                "conf": conf,
            }
            for values, conf in rows
        ],
        "total": total,
        "truncated": len(rows) < total,
    }


Rows = list[tuple[tuple[Any, ...], float]]


def _plain(store: Store, plan: CompiledQuery, limit: int) -> tuple[Rows, int]:
    order = ", ".join(["conf DESC", *(f"c{index}" for index in range(len(plan.columns)))])
    sql = f"SELECT *, count(*) OVER () FROM (\n{plan.sql}\n) ORDER BY {order} LIMIT :most"
    found = store.execute(sql, {**plan.parameters, "most": limit or -1}).fetchall()
    return [(row[:-2], float(row[-2])) for row in found], found[0][-1] if found else 0


def _proved(store: Store, plan: CompiledQuery, limit: int) -> tuple[Rows, int]:
    """Answers as facts derived by one sure rule: the k best joins of their facts' leaf sets."""
    width = len(plan.columns)
    ways: dict[tuple[Any, ...], list[tuple[tuple[str, int], ...]]] = {}
    for branch in plan.branches:
        for row in store.execute(branch.sql, plan.parameters):
            facts = tuple(zip(branch.atoms, row[width:], strict=True))
            ways.setdefault(tuple(row[:width]), []).append(facts)
    sets = load_sets(store, {fact for found in ways.values() for facts in found for fact in facts})
    rows = [(values, together(sets, found, store.program.k)) for values, found in ways.items()]
    rows.sort(key=lambda row: (-round(row[1], 12), [_sortable(value) for value in row[0]]))
    return rows[: limit or None], len(rows)


def _sortable(value: Any) -> tuple[int, Any]:
    """SQLite's order: null, numbers, texts."""
    if value is None:
        return 0, 0
    return (1, value) if isinstance(value, (int, float)) else (2, value)
