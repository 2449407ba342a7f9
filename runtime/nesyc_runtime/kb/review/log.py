"""The history of a knowledge base, read: the last change first."""

from __future__ import annotations

import json
from typing import Any

from nesyc_runtime.kb.storage.history import columns_of, stored_value
from nesyc_runtime.kb.storage.program import RelationPlan
from nesyc_runtime.kb.storage.store import Store
from nesyc_runtime.kb.storage.values import from_column

ROWS = 20  # of each change


def read_log(store: Store, *, limit: int = 1000, relation: str | None = None) -> dict[str, Any]:
    """The `kb log` object: changes with up to 20 of their rows, before and after; `limit` 0 is all.

    `relation` keeps the changes of that relation's rows. Raises `UserError` for an unknown relation.
    """
    plans = [store.relation(relation)] if relation else [r for r in store.program.relations if not r.derived]
    tables = {plan.rows: plan for plan in plans}
    marks = ", ".join("?" * len(tables))
    of = f'EXISTS (SELECT 1 FROM "nesyc.version" AS v WHERE v.change = c.id AND v.tbl IN ({marks}))'
    condition, bound = (f"WHERE {of}", list(tables)) if relation else ("", [])
    with store.reading():
        total = store.execute(f'SELECT count(*) FROM "nesyc.change" AS c {condition}', bound).fetchone()[0]
        found = store.execute(
            'SELECT id, at, who, why, undoes, EXISTS (SELECT 1 FROM "nesyc.change" AS u WHERE u.undoes = c.id) '
            f'FROM "nesyc.change" AS c {condition} ORDER BY id DESC LIMIT ?',
            (*bound, limit or -1),
        ).fetchall()
        changes = [
            {"change": id_, "at": at, "who": who, "why": why, "undoes": undoes, "undone": bool(undone),
             **_rows(store, tables, id_)}
            for id_, at, who, why, undoes, undone in found
        ]  # fmt: skip
    return {
        "v": 1,
        "kb": store.kb.name,
        "changes": changes,
        "total": total,
        "truncated": len(changes) < total,
    }


def _rows(store: Store, tables: dict[str, RelationPlan], change: int) -> dict[str, Any]:
    marks = ", ".join("?" * len(tables))
    condition = f'FROM "nesyc.version" WHERE change = ? AND tbl IN ({marks})'
    total = store.execute(
        f"SELECT ifnull(sum(last - row), 0) + count(DISTINCT tbl || ' ' || row) {condition}",
        (change, *tables),
    ).fetchone()[0]
    # of a row written twice in one change, what it was before the first time and after the last
    found = store.execute(
        "SELECT tbl, row, last, first, "
        '(SELECT before FROM "nesyc.version" WHERE id = first), (SELECT after FROM "nesyc.version" WHERE id = final) '
        f"FROM (SELECT tbl, row, last, min(id) AS first, max(id) AS final {condition} GROUP BY tbl, row, coalesce(before, after) IS NULL) "
        "ORDER BY first LIMIT ?",
        (change, *tables, ROWS),
    ).fetchall()
    rows = []
    for table, row, last, _, before, after in found:
        name = tables[table].name
        if before is None and after is None:
            rows.append({"relation": name, "op": "load", "rows": last - row + 1})
            continue
        op = "insert" if before is None else "delete" if after is None else "update"
        sides = {"before": _side(store, tables[table], before), "after": _side(store, tables[table], after)}
        rows.append({"relation": name, "op": op, **sides})
    return {"rows": rows, "total": total}


def _side(store: Store, plan: RelationPlan, text: str | None) -> dict[str, Any] | None:
    """A row's values and its implicit columns, as the contracts write them."""
    if text is None:
        return None
    raw = json.loads(text)
    kinds = dict(columns_of(store.program, plan.rows))
    shown = {
        column.name: from_column(stored_value(raw.get(column.column), kinds[column.column]), column.base)
        for column in plan.columns
        if not column.computed
    }
    return {
        **shown,
        "conf": stored_value(raw["conf"], "real"),
        **{n: raw[n] for n in ("origin", "status", "owner")},
    }
