"""An edited export brought back: three ways, between the export, the file and the knowledge base as it is now.

What only the file changed is done, what only the knowledge base changed stays. Where both changed one row differently
nothing is done, and both sides are shown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from nesyc_runtime.errors import UserError
from nesyc_runtime.kb.exchange.exchange import Edited, EditedRow, ExportedRow, export_rows, key_names
from nesyc_runtime.kb.review import decisions
from nesyc_runtime.kb.review.past import store_at
from nesyc_runtime.kb.storage.facts import typed
from nesyc_runtime.kb.storage.rows import ACCEPTED, PROPOSED, STALE
from nesyc_runtime.kb.storage.store import Store
from nesyc_runtime.kb.storage.values import from_column

Key = tuple[str, tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class Conflict:
    """A row that stays as the knowledge base has it. `base`, `file` and `kb` are values, None where there is no row."""

    relation: str
    key: tuple[Any, ...]
    why: str
    place: str | None
    base: Mapping[str, Any] | None
    file: Mapping[str, Any] | None
    kb: Mapping[str, Any] | None


@dataclass
class Merged:
    """Counts by what was done, and the conflicts."""

    counts: dict[str, int] = field(
        default_factory=lambda: dict.fromkeys(("added", "changed", "removed", "accepted"), 0)
    )
    conflicts: list[Conflict] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Prepared:
    """A file whose rows fit, beside the rows as they were exported."""

    edited: Edited
    file: str
    rows: Mapping[Key, EditedRow]
    base: Mapping[Key, ExportedRow]


def merge(store: Store, files: Mapping[str, Edited], *, who: str) -> dict[str, Merged]:
    """Do in the store what a person did in exported files, by name; all of them in one transaction.

    Raises `UserError` where a file is of another KB or a row does not fit its relation; then nothing is done.
    """
    # before anything is written: an earlier state is a copy, and a store that is being written cannot be copied
    prepared = [_prepared(store, edited, file) for file, edited in files.items()]
    with store.writing():
        return {one.file: _merge(store, one, who) for one in prepared}


def _prepared(store: Store, edited: Edited, file: str) -> Prepared:
    if edited.kb != store.kb.name:
        raise UserError(
            f"{file} was exported from kb `{edited.kb}`, this is `{store.kb.name}`", "choose it with --kb"
        )
    rows = _file_rows(store, edited)
    with store_at(store, edited.change, rules=False) as past:
        base = _stored(past, export_rows(past, edited.relations, everything=edited.everything).rows)
    return Prepared(edited, file, rows, base)


def _merge(store: Store, one: Prepared, who: str) -> Merged:
    merged = Merged()
    with store.changing(who, f"import {one.file}"):
        now = _stored(store, export_rows(store, one.edited.relations, everything=True).rows)
        for key in dict.fromkeys([*one.base, *one.rows]):
            _one(store, key, one.base.get(key), one.rows.get(key), now.get(key), merged, who)
        for row in one.edited.rows:
            if _key(store, row) is None:
                _add(store, row, _typed(store, row, numbered=True), None, merged, who)
    return merged


def _one(store: Store, key: Key, base: ExportedRow | None, mine: EditedRow | None, kb: ExportedRow | None,
         merged: Merged, who: str) -> None:  # fmt: skip
    relation, values = key
    if mine is None:
        if kb is None:
            return
        if base is not None and not _same(base, kb):
            _conflict(merged, key, "removed in the file, changed in the knowledge base", base, mine, kb)
        else:
            _decide(merged, "removed", key, base, mine, kb,
                    lambda: decisions.reject(store, relation, values, who=who, note="removed in a file"))  # fmt: skip
        return
    changed = base is None or not _equal(mine, base)
    if kb is None:
        if base is None:
            _add(store, mine, mine.values, key, merged, who)
        elif changed:
            _conflict(merged, key, "changed in the file, removed from the knowledge base", base, mine, kb)
        return
    if changed and not _equal(mine, kb):
        if base is None or not _same(base, kb):
            _conflict(merged, key, "changed in the file and in the knowledge base", base, mine, kb)
            return
        _decide(merged, "changed", key, base, mine, kb,
                lambda: decisions.edit(store, relation, values, mine.values, conf=mine.conf, who=who))  # fmt: skip
        return
    if mine.status == "rejected":
        _decide(
            merged, "removed", key, base, mine, kb, lambda: decisions.reject(store, relation, values, who=who)
        )
    elif mine.status == ACCEPTED and kb.status != ACCEPTED and (base is None or base.status != ACCEPTED):
        _decide(
            merged,
            "accepted",
            key,
            base,
            mine,
            kb,
            lambda: decisions.accept(store, relation, values, who=who),
        )


def _decide(merged: Merged, what: str, key: Key, base: ExportedRow | None, mine: EditedRow | None,
            kb: ExportedRow | None, decide: Any) -> None:  # fmt: skip
    try:
        decide()
    except UserError as error:
        _conflict(merged, key, error.message, base, mine, kb)
    else:
        merged.counts[what] += 1


def _add(
    store: Store, row: EditedRow, values: Mapping[str, Any], key: Key | None, merged: Merged, who: str
) -> None:
    if row.status == "rejected":
        return
    try:
        decisions.add(store, row.relation, values, who=who, conf=row.conf, source=row.place)
    except UserError as error:
        _conflict(merged, key or (row.relation, ()), error.message, None, row, None)
    else:
        merged.counts["added"] += 1


def _conflict(merged: Merged, key: Key, why: str, base: ExportedRow | None, mine: EditedRow | None,
              kb: ExportedRow | None) -> None:  # fmt: skip
    place = mine.place if mine is not None else None
    sides = [row.values if row is not None else None for row in (base, mine, kb)]
    merged.conflicts.append(Conflict(key[0], key[1], why, place, *sides))


def _same(left: ExportedRow, right: ExportedRow) -> bool:
    return left.values == right.values and left.conf == right.conf


def _equal(mine: EditedRow, row: ExportedRow) -> bool:
    return mine.values == row.values and mine.conf in (None, row.conf)


def _stored(store: Store, rows: Sequence[ExportedRow]) -> dict[Key, ExportedRow]:
    return {
        (row.relation, tuple(_hashable(row.values[name]) for name in key_names(store, row.relation))): row
        for row in rows
    }


def _file_rows(store: Store, edited: Edited) -> dict[Key, EditedRow]:
    """The rows of the file that have a key, typed; each key once."""
    found: dict[Key, EditedRow] = {}
    for row in edited.rows:
        if row.relation not in edited.relations:
            raise UserError(
                f"{row.place}: this file holds no rows of `{row.relation}`", "export that relation too"
            )
        if row.status not in (None, PROPOSED, ACCEPTED, STALE, "rejected"):
            raise UserError(f"{row.place}: status is proposed, accepted, stale or rejected")
        key = _key(store, row)
        if key is None:
            _typed(store, row, numbered=True)
            continue
        if key in found:
            raise UserError(
                f"{row.place}: E0503: a second row with the key of {found[key].place}",
                "remove one of the two",
            )
        found[key] = EditedRow(row.relation, _typed(store, row), _conf(row), row.status, row.place)
    return found


def _conf(row: EditedRow) -> float | None:
    if row.conf is None:
        return None
    if isinstance(row.conf, bool) or not isinstance(row.conf, (int, float)) or not 0 < row.conf <= 1:
        raise UserError(f"{row.place}: E0307: conf is a number in (0, 1]")
    return float(row.conf)


def _typed(store: Store, row: EditedRow, *, numbered: bool = False) -> dict[str, Any]:
    plan = store.relation(row.relation)
    columns = [c for c in plan.columns if not c.computed and not (numbered and c.key)]
    unknown = [name for name in row.values if name not in {column.name for column in plan.columns}]
    if unknown:
        raise UserError(f"{row.place}: `{plan.name}` has no column `{unknown[0]}`")
    values = typed(row.values, columns, store.enums, row.place)
    return {c.name: from_column(value, c.base) for c, value in zip(columns, values, strict=True)}


def _key(store: Store, row: EditedRow) -> Key | None:
    """None for a new row whose number is left out."""
    names = key_names(store, row.relation)
    columns = {column.name: column for column in store.relation(row.relation).columns}
    if (
        len(names) == 1
        and columns[names[0]].key
        and columns[names[0]].base == "int"
        and row.values.get(names[0]) is None
    ):
        return None
    values = _typed(store, row)
    return row.relation, tuple(_hashable(values[name]) for name in names)


def _hashable(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
