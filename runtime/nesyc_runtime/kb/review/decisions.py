"""What people decide about a row that stands: accept it, edit it, reject it. No stage undoes a decision."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from nesyc_runtime.errors import UserError
from nesyc_runtime.files import printable
from nesyc_runtime.kb.review.stale import looked_at_again
from nesyc_runtime.kb.storage.edited import said_before
from nesyc_runtime.kb.storage.entries import content_of, key_of, write_entries
from nesyc_runtime.kb.storage.facts import typed
from nesyc_runtime.kb.storage.program import RelationPlan
from nesyc_runtime.kb.storage.rows import (
    ACCEPTED,
    Claim,
    claims_of,
    elect,
    find_key,
    find_row,
    interned,
    quote,
    row_values,
)
from nesyc_runtime.kb.storage.store import Store
from nesyc_runtime.kb.storage.values import BadValue, shown, to_column

PERSON = "person"


def accept(store: Store, relation: str, key: Sequence[Any], *, who: str = PERSON, note: str = "") -> bool:
    """Mark what stages wrote as accepted: from now on a teacher's, no longer unreviewed. False where it was already.

    Raises `UserError` where no row has this key.
    """
    with store.changing(who, why("accept", [(relation, key)], note)):
        plan, row = row_of(store, relation, key)
        claims = claims_of(store, plan, row)
        decided = {owner: _accepted(claim) for owner, claim in claims.items()}
        if decided == claims:
            return False
        elect(store, plan, row, decided)
        store.facts_changed()
    return True


def _accepted(claim: Claim) -> Claim:
    origin = "teacher" if claim.origin == "unreviewed" else claim.origin
    return looked_at_again(replace(claim, origin=origin))


def edit(
    store: Store,
    relation: str,
    key: Sequence[Any],
    changes: Mapping[str, Any],
    *,
    conf: float | None = None,
    who: str = PERSON,
    note: str = "",
) -> tuple[Any, ...]:
    """Put other values into a row, which is a person's from then on; gives its key.

    What it said before counts as rejected, so no stage writes that again; where it was learnt from stays with it.
    Raises `UserError` for values that do not fit, a key that another row has, and rows of the source.
    """
    with store.changing(who, why("edit", [(relation, key)], note)):
        plan, row = row_of(store, relation, key)
        claims = claims_of(store, plan, row)
        _refuse_source(relation, key, claims)
        before = row_values(store, plan, row)
        given = dict(zip((c.name for c in plan.columns), before, strict=True)) | dict(changes)
        values = typed(_known(plan, given), plan.columns, store.enums, entry_name(relation, key))
        written = conf if conf is not None else max(claim.written for claim in claims.values())
        if values == before and conf in (None, *(claim.written for claim in claims.values())):
            return key_of(plan, values)
        stored = interned(store, plan, values)
        _refuse_taken(store, plan, row, stored)
        provenance = next((claim.provenance for claim in claims.values() if claim.provenance), None)
        was = content_of(plan, before)
        if content_of(plan, values) != was:
            provenance = said_before(provenance, was)
        _set_values(store, plan, row, stored)
        claim = looked_at_again(Claim(PERSON, written, "human", ACCEPTED, None, provenance))
        elect(store, plan, row, {PERSON: claim})
        if content_of(plan, values) != was:
            _reject_content(store, plan, before, who, note)
        store.execute(
            'DELETE FROM "nesyc.rejected" WHERE relation = ? AND fact = ?',
            (relation, content_of(plan, values)),
        )
        store.facts_changed()
    return key_of(plan, values)


def add(
    store: Store,
    relation: str,
    values: Mapping[str, Any],
    *,
    who: str = PERSON,
    conf: float | None = None,
    source: str = "",
) -> tuple[Any, ...]:
    """Let a person write a row, also one whose content was rejected before; gives its key.

    Raises `UserError` for values that do not fit, and a key that another row has.
    """
    with store.changing(who, f"add a row of {relation}"):
        provenance = {"by": who, **({"source": source} if source else {})}
        options: dict[str, Any] = {
            "owner": PERSON, "provenance": provenance, "origin": "human", "status": ACCEPTED, "conf": conf or 1.0,
        }  # fmt: skip
        (made,) = write_entries(store, relation, [values], **options)
        if made.outcome == "rejected":
            plan = store.relation(relation)
            row = typed({**_zero_key(plan), **values}, plan.columns, store.enums, relation)
            store.execute(
                'DELETE FROM "nesyc.rejected" WHERE relation = ? AND fact = ?',
                (relation, content_of(plan, row)),
            )
            (made,) = write_entries(store, relation, [values], **options)
        if made.outcome == "conflict":
            raise UserError(
                f"`{relation}` already has a row with this key", "give it another key", code="E0503"
            )
    return made.key


def _zero_key(plan: RelationPlan) -> dict[str, Any]:
    """A number for a key that may be left out; content is compared without it."""
    return {column.name: 0 for column in plan.columns if column.key and column.base == "int"}


def reject(store: Store, relation: str, key: Sequence[Any], *, who: str = PERSON, note: str = "") -> None:
    """Take a row out for good: no stage writes its content again.

    Raises `UserError` where no row has this key, and for rows of the source.
    """
    with store.changing(who, why("reject", [(relation, key)], note)):
        plan, row = row_of(store, relation, key)
        _refuse_source(relation, key, claims_of(store, plan, row))
        _reject_content(store, plan, row_values(store, plan, row), who, note)
        store.execute(f"DELETE FROM {quote(plan.rows)} WHERE _row = ?", (row,))
        store.execute('DELETE FROM "nesyc.claim" WHERE relation = ? AND row = ?', (relation, row))
        store.facts_changed()


def why(what: str, entries: Sequence[tuple[str, Sequence[Any]]], note: str) -> str:
    """The line of the history for a decision on entries (relation, key)."""
    (relation, key), more = entries[0], len(entries) - 1
    also = f" and {more} more" if more else ""
    return f"{what} {entry_name(relation, key)}{also}" + (f": {note}" if note else "")


def entry_name(relation: str, key: Sequence[Any]) -> str:
    """How messages name an entry: `lesson 3`."""
    return printable(f"{relation} {', '.join(shown(value) for value in key)}", 80)


def row_of(store: Store, relation: str, key: Sequence[Any]) -> tuple[RelationPlan, int]:
    """The stored relation and the number of the row with this key (all its values where there is no key).

    Values may be texts as typed on a command line. Raises `UserError` where there is no such row.
    """
    plan = store.relation(relation)
    keyed = [c for c in plan.columns if c.key] or [c for c in plan.columns if not c.computed]
    if plan.derived or len(key) != len(keyed):
        names = ", ".join(column.name for column in keyed)
        raise UserError(
            f"{entry_name(relation, key)}: `{relation}` is derived by rules"
            if plan.derived
            else f"{entry_name(relation, key)}: the key of `{relation}` is ({names})"
        )
    try:
        values = [to_column(v, c, store.enums) for c, v in zip(keyed, key, strict=True)]
    except BadValue as error:
        raise UserError(f"{entry_name(relation, key)}: the key {error}") from None
    wanted = [
        store.find_symbol(value) if column.interned and value is not None else value
        for column, value in zip(keyed, values, strict=True)
    ]
    unknown = any(w is None and v is not None for w, v in zip(wanted, values, strict=True))
    same = " AND ".join(f"{quote(column.column)} IS ?" for column in keyed)
    sql = f"SELECT _row FROM {quote(plan.rows)} WHERE {same}"
    found = None if unknown else store.execute(sql, wanted).fetchone()
    if found is None:
        raise UserError(
            f"there is no {entry_name(relation, key)}", "`nesyc review --list` shows what there is"
        )
    return plan, int(found[0])


def _refuse_source(relation: str, key: Sequence[Any], claims: Mapping[str, Claim]) -> None:
    for owner in sorted(claims):
        if owner.startswith("source:"):
            place = printable(owner.partition(":")[2], 80)
            line = claims[owner].line
            raise UserError(
                f"{entry_name(relation, key)} stands in {place}{f':{line}' if line else ''}",
                "change it there",
            )


def _refuse_taken(store: Store, plan: RelationPlan, row: int, stored: Sequence[Any]) -> None:
    other = find_key(store, plan, stored)
    if other is None:
        other = find_row(store, plan, stored)
    if other not in (None, row):
        raise UserError(
            f"`{plan.name}` already has a row with this key",
            "give it another key, or reject one of the two",
            code="E0503",
        )


def _known(plan: RelationPlan, given: Mapping[str, Any]) -> Mapping[str, Any]:
    unknown = [name for name in given if name not in {column.name for column in plan.columns}]
    if unknown:
        raise UserError(f"`{plan.name}` has no column `{printable(unknown[0], 60)}`")
    return {column.name: None if column.computed else given[column.name] for column in plan.columns}


def _set_values(store: Store, plan: RelationPlan, row: int, stored: Sequence[Any]) -> None:
    """What is computed from other columns goes, so that it is computed again."""
    columns = ", ".join(f"{quote(column.column)} = ?" for column in plan.columns)
    try:
        store.execute(f"UPDATE {quote(plan.rows)} SET {columns} WHERE _row = ?", (*stored, row))
    except sqlite3.IntegrityError as error:
        raise UserError(f"`{plan.name}` cannot hold this row: {error}") from None


def _reject_content(store: Store, plan: RelationPlan, values: Sequence[Any], who: str, note: str) -> None:
    store.execute(
        'INSERT INTO "nesyc.rejected" (relation, fact, owner, note) VALUES (?, ?, ?, ?) '
        "ON CONFLICT DO UPDATE SET owner = excluded.owner, note = excluded.note",
        (plan.name, content_of(plan, values), who, note),
    )
