"""The source's rows of one relation in a temporary table: streamed as they are read, then looked at by SQL as a whole.

Python sees a row once, to type it. Giving ids to texts, finding rows that stand twice and comparing with what the store
has are a few statements each, whatever the number of rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from itertools import repeat
from typing import Any

from nesyc_runtime.errors import UserError
from nesyc_runtime.kb.sources.batches import Batch
from nesyc_runtime.kb.storage.program import RelationPlan
from nesyc_runtime.kb.storage.rows import FIELDS, ORIGINS, column_list, quote
from nesyc_runtime.kb.storage.store import Store
from nesyc_runtime.kb.storage.values import from_column

Again = Callable[[str, int, str, Callable[[], Any]], bool]
"""Takes a row whose key stands already, by owner, line, reason and what shows its cells; says whether it did."""

RAW = 'temp."nesyc.raw"'
NEW = 'temp."nesyc.new"'
MADE = "_row INTEGER PRIMARY KEY, {columns}, written REAL, origin INTEGER, status INTEGER, owner INTEGER, line INTEGER, provenance TEXT"


def stage_rows(store: Store, relation: RelationPlan, batches: Iterable[Batch], again: Again) -> int:
    """All rows of the source in `NEW`, as the relation holds them, each once: by its strongest claim; gives how many.

    A row with the key of an earlier one goes where `again` takes it. Raises `UserError` (E0503) where it does not.
    """
    for table in (RAW, NEW):
        store.execute(f"DROP TABLE IF EXISTS {table}")
        store.execute(f"CREATE TABLE {table} ({MADE.format(columns=column_list(relation))})")
    for batch in batches:
        _write(store, relation, batch)
    _intern(store, relation)
    store.execute(f"DROP TABLE {RAW}")
    _index(store, relation)
    _drop_doubles(store, relation)
    _check_keys(store, relation, again)
    return int(store.execute(f"SELECT count(*) FROM {NEW}").fetchone()[0])


def _write(store: Store, relation: RelationPlan, batch: Batch) -> None:
    marks = ", ".join("?" * (len(relation.columns) + 6))
    sql = f"INSERT INTO {RAW} ({column_list(relation)}, {FIELDS}) VALUES ({marks})"
    origin, accepted, owner = (store.symbol(text) for text in (batch.origin, "accepted", batch.owner))
    store.connection.executemany(
        sql,
        zip(
            *batch.columns,
            batch.confs,
            repeat(origin),
            repeat(accepted),
            repeat(owner),
            batch.lines,
            repeat(None),
        ),
    )


def _intern(store: Store, relation: RelationPlan) -> None:
    """Texts get ids in order, which is how an index takes them fastest; then each row has ids in their place."""
    picked = []
    for column in relation.columns:
        name = quote(column.column)
        if column.interned and column.enum not in store.enums:
            store.execute(
                'INSERT OR IGNORE INTO "nesyc.symbol" (text) '
                f"SELECT DISTINCT {name} FROM {RAW} WHERE {name} NOTNULL ORDER BY 1"
            )
        picked.append(
            f'(SELECT id FROM "nesyc.symbol" WHERE text = r.{name})' if column.interned else f"r.{name}"
        )
    store.execute(
        f"INSERT INTO {NEW} (_row, {column_list(relation)}, {FIELDS}) "
        f"SELECT _row, {', '.join(picked)}, {FIELDS} FROM {RAW} AS r ORDER BY _row"
    )


def _index(store: Store, relation: RelationPlan) -> None:
    """One index, led by the key: equal keys stand together, and so do equal rows."""
    rest = [quote(c.column) for c in relation.columns if not (c.key or c.computed)]
    store.execute(
        f'CREATE INDEX temp."nesyc.new.key" ON "nesyc.new" ({", ".join([*key_columns(relation), *rest])})'
    )


def _drop_doubles(store: Store, relation: RelationPlan) -> None:
    key = [c for c in relation.columns if c.key]
    values = ", ".join(
        quote(c.column) for c in (*key, *(c for c in relation.columns if not (c.key or c.computed)))
    )
    if not store.execute(f"SELECT 1 FROM {NEW} GROUP BY {values} HAVING count(*) > 1 LIMIT 1").fetchone():
        return
    store.execute(
        f"DELETE FROM {NEW} WHERE _row IN (SELECT _row FROM ("
        f"SELECT _row, row_number() OVER (PARTITION BY {values} ORDER BY {_strongest(store)}, _row) AS n FROM {NEW}"
        ") WHERE n > 1)"
    )


def _strongest(store: Store) -> str:
    """Which of several equal rows stands: that of the highest confidence as capped, then by origin (see `rows`)."""
    caps = store.program.ceiling
    capped = " ".join(f"WHEN {store.symbol(origin)} THEN {float(caps[origin])!r}" for origin in ORIGINS)
    place = " ".join(f"WHEN {store.symbol(origin)} THEN {rank}" for rank, origin in enumerate(ORIGINS))
    return f"min(written, CASE origin {capped} END) DESC, CASE origin {place} END"


def key_columns(relation: RelationPlan) -> list[str]:
    return [quote(column.column) for column in relation.columns if column.key]


def _check_keys(store: Store, relation: RelationPlan, again: Again) -> None:
    key = ", ".join(key_columns(relation))
    if (
        not key
        or not store.execute(f"SELECT 1 FROM {NEW} GROUP BY {key} HAVING count(*) > 1 LIMIT 1").fetchone()
    ):
        return
    names = ", ".join(column.name for column in relation.columns if column.key)
    later = (
        f"SELECT _row, owner, line, first FROM (SELECT _row, owner, line, min(_row) OVER (PARTITION BY {key}) AS first "
        f"FROM {NEW}) WHERE _row > first ORDER BY _row"
    )
    gone = []
    for row, owner, line, first in store.execute(later):
        earlier = place_of(
            store, *store.execute(f"SELECT owner, line FROM {NEW} WHERE _row = ?", (first,)).fetchone()
        )
        reason = f"E0503: a second row of `{relation.name}` with the key ({names}) of {earlier}"
        if not again(store.text(owner), line, reason, partial(_shown, store, relation, row)):
            raise UserError(f"{place_of(store, owner, line)}: {reason}", "remove one of the two")
        gone.append(row)
    store.connection.executemany(f"DELETE FROM {NEW} WHERE _row = ?", ((row,) for row in gone))


def _shown(store: Store, relation: RelationPlan, row: int) -> dict[str, Any]:
    """The values of a staged row by column."""
    found = store.execute(f"SELECT {column_list(relation)} FROM {NEW} WHERE _row = ?", (row,)).fetchone()
    return {
        column.name: store.text(value)
        if column.interned and value is not None
        else from_column(value, column.base)
        for column, value in zip(relation.columns, found, strict=True)
        if not column.computed
    }


def equal_keys(left: str, right: str, relation: RelationPlan) -> str:
    return " AND ".join(f"{left}.{column} = {right}.{column}" for column in key_columns(relation))


def place_of(store: Store, owner: int, line: int | None) -> str:
    return f"{store.text(owner).partition(':')[2]}:{line}"
