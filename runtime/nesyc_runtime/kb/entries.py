"""Rows that stages and people write: idempotent, with provenance, beside the source's."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from nesyc_runtime.errors import UserError
from nesyc_runtime.files import printable
from nesyc_runtime.hashing import canonical_json
from nesyc_runtime.kb.facts import typed
from nesyc_runtime.kb.program import RelationPlan
from nesyc_runtime.kb.rows import Claim, find_row, hold, interned, owned_rows, quote, release
from nesyc_runtime.kb.store import Store

Provenance = Mapping[str, Any] | Sequence[Mapping[str, Any]] | None


def write_entries(
    store: Store,
    relation: str,
    rows: Sequence[Mapping[str, Any]],
    *,
    owner: str,
    provenance: Provenance = None,
    origin: str = "unreviewed",
    status: str = "proposed",
    conf: float = 1.0,
    replace: bool = False,
) -> list[tuple[Any, ...]]:
    """Let `owner` (`stage:RUN`, `person`) hold rows of a stored relation; gives the key of each.

    A row that stands already is not written twice. A whole-number key left out of a row is found (the same content
    has the same key) or given. `provenance` is one mapping for all rows or one a row; its `inputs` are the
    normalised inputs of the items a row was learnt from. With `replace`, rows the owner held before and does not
    write now go. Rows a person rejected are left out, their key is then empty.
    Raises `UserError` for rows that do not fit the relation; then nothing is written.
    """
    plan = store.relation(relation)
    if plan.derived:
        raise UserError(f"E0407: `{relation}` is derived: only rules fill it", "write into a `relation`")
    each = provenance if isinstance(provenance, Sequence) else [provenance] * len(rows)
    if store.declared[relation].provenance_required and not all(each):
        raise UserError(f"E0802: rows of `{relation}` need their provenance")
    keys: list[tuple[Any, ...]] = []
    with store.writing():
        changed = False
        held: set[int] = set()
        for number, (row, source) in enumerate(zip(rows, each, strict=True), 1):
            values = _complete(store, plan, row, f"{printable(owner, 60)}: row {number}")
            if _rejected(store, plan, values):
                keys.append(())
                continue
            note = None if source is None else json.dumps(source, ensure_ascii=False, sort_keys=True)
            stored = interned(store, plan, values)
            changed |= hold(store, plan, stored, Claim(owner, conf, origin, status, None, note))
            found = find_row(store, plan, stored)
            assert found is not None
            held.add(found)
            keys.append(key_of(plan, values))
        if replace:
            gone = [row for row in owned_rows(store, plan, owner) if row not in held]
            for row_number in gone:
                release(store, plan, row_number, owner)
            changed |= bool(gone)
        if changed:
            store.facts_changed()
    return keys


def remove_entries(store: Store, relation: str, *, owner: str) -> int:
    """Let `owner` hold no row of a relation any more; gives how many it held."""
    plan = store.relation(relation)
    with store.writing():
        rows = owned_rows(store, plan, owner)
        for row in rows:
            release(store, plan, row, owner)
        if rows:
            store.facts_changed()
    return len(rows)


def reject_entry(
    store: Store, relation: str, key: Sequence[Any], *, owner: str = "person", note: str = ""
) -> bool:
    """Take a row out for good: no stage writes it again. False where no row has this key."""
    plan = store.relation(relation)
    columns = [column for column in plan.columns if column.key] or list(plan.columns)
    with store.writing():
        listed = ", ".join(f"r.{quote(column.column)}" for column in plan.columns)
        wanted = [
            store.find_symbol(str(value)) if column.interned and value is not None else value
            for column, value in zip(columns, key, strict=True)
        ]
        condition = " AND ".join(f"r.{quote(column.column)} IS ?" for column in columns)
        found = store.execute(
            f"SELECT r._row, {listed} FROM {quote(plan.rows)} AS r WHERE {condition}",
            wanted,
        ).fetchone()
        if found is None:
            return False
        values = [
            store.text(value) if column.interned and value is not None else value
            for column, value in zip(plan.columns, found[1:], strict=True)
        ]
        store.execute(
            'INSERT OR REPLACE INTO "nesyc.rejected" (relation, fact, owner, note) VALUES (?, ?, ?, ?)',
            (relation, _content(plan, values), owner, note),
        )
        store.execute(f"DELETE FROM {quote(plan.rows)} WHERE _row = ?", (found[0],))
        store.execute('DELETE FROM "nesyc.claim" WHERE relation = ? AND row = ?', (relation, found[0]))
        store.facts_changed()
    return True


def accept_entry(store: Store, relation: str, row: int) -> None:
    """Mark a stage's row as accepted by a person: its confidence is capped as a teacher's from now on."""
    plan = store.relation(relation)
    with store.writing():
        cap = store.program.ceiling["teacher"]
        cursor = store.execute(
            f"UPDATE {quote(plan.rows)} SET status = ?, origin = CASE origin WHEN ? THEN ? ELSE origin END, "
            "conf = CASE origin WHEN ? THEN min(written, ?) ELSE conf END WHERE _row = ?",
            (
                store.symbol("accepted"), store.symbol("unreviewed"), store.symbol("teacher"),
                store.symbol("unreviewed"), cap, row,
            ),
        )  # fmt: skip
        if cursor.rowcount:
            store.facts_changed()


def key_of(plan: RelationPlan, values: Sequence[Any]) -> tuple[Any, ...]:
    """The key of a row, all its values where the relation has none; computed columns and blobs left out."""
    keyed = any(column.key for column in plan.columns)
    return tuple(
        value
        for column, value in zip(plan.columns, values, strict=True)
        if (column.key or not keyed) and not column.computed
    )


def _complete(store: Store, plan: RelationPlan, row: Mapping[str, Any], place: str) -> tuple[Any, ...]:
    """The typed values of a row, its number filled in where it is left out."""
    unknown = [name for name in row if name not in {column.name for column in plan.columns}]
    if unknown:
        names = ", ".join(column.name for column in plan.columns)
        raise UserError(
            f"{place}: `{plan.name}` has no column `{printable(unknown[0], 60)}`", f"it has {names}"
        )
    keys = [column for column in plan.columns if column.key]
    numbered = len(keys) == 1 and keys[0].base == "int" and row.get(keys[0].name) is None
    if not numbered:
        return typed(row, plan.columns, store.enums, place)
    values = typed({**row, keys[0].name: 0}, plan.columns, store.enums, place)
    index = plan.columns.index(keys[0])
    number = _number_of(store, plan, values, index)
    return (*values[:index], number, *values[index + 1 :])


def _number_of(store: Store, plan: RelationPlan, values: Sequence[Any], index: int) -> int:
    """The key of the row with this content, else the next free one."""
    compared = [
        (column, value)
        for position, (column, value) in enumerate(zip(plan.columns, values, strict=True))
        if position != index and not column.computed
    ]
    condition = " AND ".join(f"{quote(column.column)} IS ?" for column, _ in compared) or "true"
    key = quote(plan.columns[index].column)
    wanted = [store.symbol(v) if column.interned and v is not None else v for column, v in compared]
    found = store.execute(
        f"SELECT min({key}) FROM {quote(plan.rows)} WHERE {condition}",
        wanted,
    ).fetchone()[0]
    if found is not None:
        return int(found)
    return int(store.execute(f"SELECT ifnull(max({key}), 0) + 1 FROM {quote(plan.rows)}").fetchone()[0])


def _rejected(store: Store, plan: RelationPlan, values: Sequence[Any]) -> bool:
    row = store.execute(
        'SELECT 1 FROM "nesyc.rejected" WHERE relation = ? AND fact = ?', (plan.name, _content(plan, values))
    ).fetchone()
    return row is not None


def _content(plan: RelationPlan, values: Sequence[Any]) -> str:
    """What a row says apart from its number: equal content stays rejected under another number."""
    columns = [c for c in plan.columns if not c.computed]
    numbers = [c for c in columns if c.key and c.base == "int"]
    left_out = numbers[0] if len(numbers) == 1 and sum(c.key for c in columns) == 1 else None
    return canonical_json(
        {
            column.name: value
            for column, value in zip(plan.columns, values, strict=True)
            if not column.computed and column is not left_out
        }
    )
