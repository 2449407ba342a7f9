"""Rows that stages and people write: idempotent, with provenance, beside the source's."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from nesyc_runtime.errors import UserError
from nesyc_runtime.files import printable
from nesyc_runtime.hashing import canonical_json
from nesyc_runtime.kb.storage.edited import add_sources, edited_rows
from nesyc_runtime.kb.storage.facts import typed
from nesyc_runtime.kb.storage.program import RelationPlan
from nesyc_runtime.kb.storage.rows import (
    Claim,
    claims_of,
    find_key,
    find_row,
    hold,
    interned,
    owned_rows,
    quote,
    release,
    row_values,
)
from nesyc_runtime.kb.storage.store import Store
from nesyc_runtime.kb.storage.values import from_column

Provenance = Mapping[str, Any] | Sequence[Mapping[str, Any]] | None


@dataclass(frozen=True, slots=True)
class Written:
    """What became of one row: `key` is that of the row that stands, empty where none of this content does.

    `rejected`: a person took this content out before; `conflict`: another row has its key and stays.
    """

    outcome: Literal["written", "rejected", "conflict"]
    key: tuple[Any, ...]


def write_entries(
    store: Store,
    relation: str,
    rows: Sequence[Mapping[str, Any]],
    *,
    owner: str,
    provenance: Provenance = None,
    origin: str = "unreviewed",
    status: str | Sequence[str] = "proposed",
    conf: float = 1.0,
    replace: bool = False,
    why: str = "",
) -> list[Written]:
    """Let `owner` (`stage:RUN`, `person`) hold rows of a stored relation; gives what became of each.

    A row that stands already is not written twice. A whole-number key left out of a row is found (the same content
    has the same key) or given. `provenance` is one mapping for all rows or one a row; its `inputs` are the
    normalised inputs of the items a row was learnt from; `status` likewise. With `replace`, rows the owner held before and does not
    write now go, unless a person accepted them. Nothing here changes a row that a person accepted, edited or
    rejected. `why` stands in the history. Raises `UserError` for rows that do not fit the relation; then nothing is
    written.
    """
    plan = _stored(store, relation)
    statuses = [status] * len(rows) if isinstance(status, str) else status
    each = provenance if isinstance(provenance, Sequence) else [provenance] * len(rows)
    if store.declared[relation].provenance_required and not all(each):
        raise UserError(f"rows of `{relation}` need their provenance", code="E0802")
    written: list[Written] = []
    with store.changing(owner, why or f"write {relation}"):
        changed = False
        held: set[int] = set()
        edited = edited_rows(store, plan)
        for number, (row, source, word) in enumerate(zip(rows, each, statuses, strict=True), 1):
            values = _complete(store, plan, row, f"{printable(owner, 60)}: row {number}")
            note = None if source is None else json.dumps(source, ensure_ascii=False, sort_keys=True)
            if _rejected(store, plan, values):
                now = edited.get(content_of(plan, values))
                changed |= now is not None and add_sources(store, plan, now, note)
                written.append(Written("rejected", ()))
                continue
            stored = interned(store, plan, values)
            if not _make_room(store, plan, stored, owner, held if replace else None):
                written.append(Written("conflict", ()))
                continue
            changed |= hold(store, plan, stored, Claim(owner, conf, origin, word, None, note))
            found = find_row(store, plan, stored)
            assert found is not None
            held.add(found)
            written.append(Written("written", key_of(plan, values)))
        if replace:
            changed |= _release_others(store, plan, owner, held)
        if changed:
            store.facts_changed()
    return written


def _make_room(
    store: Store, plan: RelationPlan, stored: Sequence[Any], owner: str, held: set[int] | None
) -> bool:
    """Whether a row's key is free for it.

    A row that only `owner` holds, as a proposal of an earlier time (it is not in `held`), gives way.
    """
    row = find_key(store, plan, stored)
    if row is None or row == find_row(store, plan, stored):
        return True
    claims = claims_of(store, plan, row)
    if held is None or row in held or set(claims) != {owner} or claims[owner].decided:
        return False
    release(store, plan, row, owner)
    return True


def _release_others(store: Store, plan: RelationPlan, owner: str, held: set[int]) -> bool:
    """Let `owner` go of its rows that are neither in `held` nor accepted."""
    gone = [
        row
        for row in owned_rows(store, plan, owner)
        if row not in held and not claims_of(store, plan, row)[owner].decided
    ]
    for row in gone:
        release(store, plan, row, owner)
    return bool(gone)


def accepted_entries(store: Store, relation: str) -> list[dict[str, Any]]:
    """What the rows say that people accepted, edited or wrote, in the order written; the source's are not among them."""
    plan = _stored(store, relation)
    found = store.execute(
        f'SELECT r._row FROM {quote(plan.rows)} AS r JOIN "nesyc.symbol" AS o ON o.id = r.owner '
        "WHERE o.text NOT LIKE 'source:%' ORDER BY r._row"
    ).fetchall()
    rows = [row for (row,) in found if any(one.decided for one in claims_of(store, plan, row).values())]
    return [
        {
            column.name: from_column(value, column.base)
            for column, value in zip(plan.columns, row_values(store, plan, row), strict=True)
            if not column.computed
        }
        for row in rows
    ]


def remove_entries(store: Store, relation: str, *, owner: str) -> int:
    """Let `owner` hold no row of a relation any more, accepted ones too; gives how many it held."""
    plan = store.relation(relation)
    with store.changing(owner, f"remove its rows of {relation}"):
        rows = owned_rows(store, plan, owner)
        for row in rows:
            release(store, plan, row, owner)
        if rows:
            store.facts_changed()
    return len(rows)


def _stored(store: Store, relation: str) -> RelationPlan:
    """The plan of a relation that may be written; raises `UserError` (E0407) for a derived one."""
    plan = store.relation(relation)
    if plan.derived:
        raise UserError(
            f"`{relation}` is derived: only rules fill it", "write into a `relation`", code="E0407"
        )
    return plan


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
        'SELECT 1 FROM "nesyc.rejected" WHERE relation = ? AND fact = ?',
        (plan.name, content_of(plan, values)),
    ).fetchone()
    return row is not None


def content_of(plan: RelationPlan, values: Sequence[Any]) -> str:
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
