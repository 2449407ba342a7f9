"""Stored rows and who holds them: a row stands once, and stays while one of its owners holds it.

The row itself carries the strongest claim (highest capped confidence; then human, teacher, unreviewed; then the
owner's name), the table `nesyc.claim` the others.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from nesyc_runtime.errors import UserError
from nesyc_runtime.files import printable
from nesyc_runtime.kb.storage.program import RelationPlan
from nesyc_runtime.kb.storage.store import Store, quote

__all__ = [
    "Claim",
    "column_list",
    "find_row",
    "hold",
    "interned",
    "owned_rows",
    "quote",
    "release",
    "same_row",
]

ORIGINS = ("human", "teacher", "unreviewed")
PROPOSED, ACCEPTED, STALE = "proposed", "accepted", "stale"
FIELDS = "written, origin, status, owner, line, provenance"


@dataclass(frozen=True, slots=True)
class Claim:
    """That an owner holds a row, how sure, and from where. `written` is the confidence before any ceiling."""

    owner: str
    written: float
    origin: str
    status: str = "accepted"
    line: int | None = None
    provenance: str | None = None

    @property
    def decided(self) -> bool:
        """Whether a person accepted it: a source that changed since makes it stale, and takes nothing back."""
        return self.status == ACCEPTED or (self.status == STALE and self.origin != "unreviewed")


def column_list(relation: RelationPlan) -> str:
    return ", ".join(quote(column.column) for column in relation.columns)


def interned(store: Store, relation: RelationPlan, values: Sequence[Any]) -> tuple[Any, ...]:
    """Values as the table holds them, texts given ids."""
    return tuple(
        store.symbol(value) if column.interned and value is not None else value
        for column, value in zip(relation.columns, values, strict=True)
    )


def same_row(relation: RelationPlan, *, left: str = "") -> str:
    """The condition that a row equals `:v0, :v1, ...`, nulls alike; columns that are computed take no part."""
    return " AND ".join(
        f"{left}{quote(column.column)} IS :v{index}"
        for index, column in enumerate(relation.columns)
        if not column.computed
    )


def find_row(store: Store, relation: RelationPlan, stored: Sequence[Any]) -> int | None:
    """The number of the row with these values as the table holds them."""
    sql = f"SELECT _row FROM {quote(relation.rows)} WHERE {same_row(relation)}"
    found = store.execute(sql, {f"v{i}": value for i, value in enumerate(stored)}).fetchone()
    return None if found is None else int(found[0])


def row_values(store: Store, relation: RelationPlan, row: int) -> tuple[Any, ...]:
    """The values of a row in column order, texts looked up, vectors as bytes."""
    sql = f"SELECT {column_list(relation)} FROM {quote(relation.rows)} WHERE _row = ?"
    return tuple(
        store.text(value) if column.interned and value is not None else value
        for column, value in zip(relation.columns, store.execute(sql, (row,)).fetchone(), strict=True)
    )


def find_key(store: Store, relation: RelationPlan, stored: Sequence[Any]) -> int | None:
    """The number of the row with the key of these values, None where there is none or the relation has no key."""
    keys = [(c.column, value) for c, value in zip(relation.columns, stored, strict=True) if c.key]
    if not keys:
        return None
    same = " AND ".join(f"{quote(column)} IS ?" for column, _ in keys)
    sql = f"SELECT _row FROM {quote(relation.rows)} WHERE {same}"
    found = store.execute(sql, [value for _, value in keys]).fetchone()
    return None if found is None else int(found[0])


def hold(store: Store, relation: RelationPlan, stored: Sequence[Any], claim: Claim) -> bool:
    """Let `claim.owner` hold a row; gives whether anything changed.

    A proposal never takes the place of what the owner holds and a person accepted; what it was drawn from is added there.
    Raises `UserError` (E0503) where another row has its key.
    """
    row = find_row(store, relation, stored)
    if row is None:
        _insert(store, relation, stored, claim)
        return True
    claims = claims_of(store, relation, row)
    before = claims.get(claim.owner)
    if before is not None and before.decided and claim.status != ACCEPTED:
        claim = replace(before, provenance=united(before.provenance, claim.provenance))
    if before == claim:
        return False
    claims[claim.owner] = claim
    elect(store, relation, row, claims)
    return True


def united(first: str | None, second: str | None) -> str | None:
    """A provenance with what another adds to its lists and tables: sources, inputs, hashes. What it says itself stays."""
    own, other = provenance_of(first), provenance_of(second)
    added = dict(own)
    for name, value in other.items():
        if isinstance(value, list) and isinstance(own.get(name), list):
            added[name] = [*own[name], *(one for one in value if one not in own[name])]
        elif isinstance(value, dict) and isinstance(own.get(name), dict):
            added[name] = {**value, **own[name]}
    return first if added == own else json.dumps(added, ensure_ascii=False, sort_keys=True)


def provenance_of(text: str | None) -> dict[str, Any]:
    """What a row's provenance says; empty where it is no object (another program may have written it)."""
    try:
        about = json.loads(text or "{}")
    except (ValueError, RecursionError):
        return {}
    return about if isinstance(about, dict) else {}


def texts_of(about: Mapping[str, Any], name: str) -> list[str]:
    """The list of texts that a provenance has under a name; empty where another program wrote something else there."""
    found = about.get(name)
    return found if isinstance(found, list) and all(isinstance(one, str) for one in found) else []


def release(store: Store, relation: RelationPlan, row: int, owner: str) -> None:
    """Let `owner` no longer hold a row; it goes when it was the last."""
    claims = claims_of(store, relation, row)
    claims.pop(owner, None)
    if claims:
        elect(store, relation, row, claims)
        return
    store.execute(f"DELETE FROM {quote(relation.rows)} WHERE _row = ?", (row,))
    store.execute('DELETE FROM "nesyc.claim" WHERE relation = ? AND row = ?', (relation.name, row))


def owned_rows(store: Store, relation: RelationPlan, owner: str) -> list[int]:
    symbol = store.find_symbol(owner)
    rows = store.execute(f"SELECT _row FROM {quote(relation.rows)} WHERE owner = ?", (symbol,))
    more = store.execute(
        'SELECT row FROM "nesyc.claim" WHERE relation = ? AND owner = ?', (relation.name, symbol)
    )
    return sorted({row[0] for row in rows} | {row[0] for row in more})


def cap(store: Store, origin: str) -> float:
    return float(store.program.ceiling[origin])


def claims_of(store: Store, relation: RelationPlan, row: int) -> dict[str, Claim]:
    """Who holds a row, by owner."""
    own = store.execute(f"SELECT {FIELDS} FROM {quote(relation.rows)} WHERE _row = ?", (row,)).fetchone()
    others = store.execute(
        f'SELECT {FIELDS} FROM "nesyc.claim" WHERE relation = ? AND row = ?',
        (relation.name, row),
    ).fetchall()
    claims = [
        Claim(store.text(owner), written, store.text(origin), store.text(status), line, provenance)
        for written, origin, status, owner, line, provenance in (own, *others)
    ]
    return {claim.owner: claim for claim in claims}


def elect(store: Store, relation: RelationPlan, row: int, claims: Mapping[str, Claim]) -> None:
    """Write the strongest claim into the row and the others beside it."""

    def rank(claim: Claim) -> tuple[float, int, str]:
        return -min(claim.written, cap(store, claim.origin)), ORIGINS.index(claim.origin), claim.owner

    first, *others = sorted(claims.values(), key=rank)
    values = _claim_values(store, first)
    store.execute(
        f"UPDATE {quote(relation.rows)} SET conf = ?, written = ?, origin = ?, status = ?, owner = ?, line = ?, "
        "provenance = ? WHERE _row = ?",
        (min(first.written, cap(store, first.origin)), *values, row),
    )
    store.execute('DELETE FROM "nesyc.claim" WHERE relation = ? AND row = ?', (relation.name, row))
    for claim in others:
        store.execute(
            f'INSERT INTO "nesyc.claim" (relation, row, {FIELDS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)',
            (relation.name, row, *_claim_values(store, claim)),
        )


def _claim_values(store: Store, claim: Claim) -> tuple[Any, ...]:
    texts = (store.symbol(claim.origin), store.symbol(claim.status), store.symbol(claim.owner))
    return (claim.written, *texts, claim.line, claim.provenance)


def _insert(store: Store, relation: RelationPlan, stored: Sequence[Any], claim: Claim) -> None:
    marks = ", ".join("?" * (len(stored) + 7))
    sql = f"INSERT INTO {quote(relation.rows)} ({column_list(relation)}, conf, {FIELDS}) VALUES ({marks})"
    conf = min(claim.written, cap(store, claim.origin))
    try:
        store.execute(sql, (*stored, conf, *_claim_values(store, claim)))
    except sqlite3.IntegrityError as error:
        if "UNIQUE" not in str(error):
            raise
        key = [column.name for column in relation.columns if column.key]
        given = [
            store.text(value) if column.interned and value is not None else value
            for column, value in zip(relation.columns, stored, strict=True)
            if column.key
        ]
        shown = ", ".join(
            f"{name} = {printable(str(value), 60)}" for name, value in zip(key, given, strict=True)
        )
        raise UserError(
            f"`{relation.name}` already has a row with {shown}",
            "change one of the two, or remove it",
            code="E0503",
        ) from None
