"""The source's rows of one relation in a temporary table, streamed, so that memory stays flat."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice

from nesyc_runtime.errors import UserError
from nesyc_runtime.kb.facts import SourceRow
from nesyc_runtime.kb.program import RelationPlan
from nesyc_runtime.kb.rows import FIELDS, ORIGINS, column_list, quote
from nesyc_runtime.kb.store import Store

BATCH = 5000
NEW = 'temp."nesyc.new"'


def stage_rows(store: Store, relation: RelationPlan, rows: Iterator[SourceRow]) -> None:
    """All rows of the source in a temporary table, as the relation holds them, each once: by its strongest claim.

    Raises `UserError` (E0503) where two rows have one key.
    """
    store.execute(f"DROP TABLE IF EXISTS {NEW}")
    columns = column_list(relation)
    store.execute(
        f"CREATE TABLE {NEW} (number INTEGER PRIMARY KEY, {columns}, "
        "written REAL, origin INTEGER, status INTEGER, owner INTEGER, line INTEGER, provenance TEXT)"
    )
    marks = ", ".join("?" * (len(relation.columns) + 6))
    sql = f"INSERT INTO {NEW} ({columns}, {FIELDS}) VALUES ({marks})"
    accepted = store.symbol("accepted")
    while batch := list(islice(rows, BATCH)):
        _intern(store, (t for row in batch for t in _texts(relation, row)))
        ids = store.find_symbol
        store.connection.executemany(
            sql,
            (
                (
                    *(ids(v) if c.interned and v is not None else v for c, v in zip(relation.columns, row.values, strict=True)),
                    row.conf, ids(row.origin), accepted, ids(row.owner), row.line, None,
                )
                for row in batch
            ),
        )  # fmt: skip
    values = ", ".join(quote(c.column) for c in relation.columns if not c.computed)
    store.execute(
        f"DELETE FROM {NEW} WHERE number NOT IN (SELECT number FROM ("
        f"SELECT number, row_number() OVER (PARTITION BY {values} ORDER BY {_strongest(store)}, number) AS n FROM {NEW}"
        ") WHERE n = 1)"
    )
    _check_keys(store, relation)
    store.execute(
        f'CREATE INDEX temp."nesyc.new.key" ON "nesyc.new" ({", ".join(key_columns(relation) or [values])})'
    )


def _strongest(store: Store) -> str:
    """Which of several equal rows stands: that of the highest confidence as capped, then by origin (see `rows`)."""
    caps = store.program.ceiling
    capped = " ".join(f"WHEN {store.symbol(origin)} THEN {float(caps[origin])!r}" for origin in ORIGINS)
    place = " ".join(f"WHEN {store.symbol(origin)} THEN {rank}" for rank, origin in enumerate(ORIGINS))
    return f"min(written, CASE origin {capped} END) DESC, CASE origin {place} END"


def _texts(relation: RelationPlan, row: SourceRow) -> Iterator[str]:
    for column, value in zip(relation.columns, row.values, strict=True):
        if column.interned and value is not None:
            yield value
    yield row.origin
    yield row.owner


def _intern(store: Store, texts: Iterable[str]) -> None:
    """Give ids to texts in one go; what is known already is not asked for again."""
    fresh = [text for text in dict.fromkeys(texts) if text not in store.known_symbols]
    store.connection.executemany(
        'INSERT OR IGNORE INTO "nesyc.symbol" (text) VALUES (?)', ((text,) for text in fresh)
    )


def key_columns(relation: RelationPlan) -> list[str]:
    return [quote(column.column) for column in relation.columns if column.key]


def _check_keys(store: Store, relation: RelationPlan) -> None:
    key = ", ".join(key_columns(relation))
    if not key:
        return
    twice = store.execute(
        f"SELECT min(number), {key} FROM {NEW} GROUP BY {key} HAVING count(*) > 1 ORDER BY 1 LIMIT 1"
    ).fetchone()
    if twice is None:
        return
    same = " AND ".join(f"{column} = ?" for column in key_columns(relation))
    rows = store.execute(
        f"SELECT owner, line FROM {NEW} WHERE {same} ORDER BY number LIMIT 2", twice[1:]
    ).fetchall()
    earlier, later = (place_of(store, owner, line) for owner, line in rows)
    names = ", ".join(column.name for column in relation.columns if column.key)
    raise UserError(
        f"{later}: E0503: a second row of `{relation.name}` with the key ({names}) of {earlier}",
        "remove one of the two",
    )


def equal_keys(left: str, right: str, relation: RelationPlan) -> str:
    return " AND ".join(f"{left}.{column} = {right}.{column}" for column in key_columns(relation))


def place_of(store: Store, owner: int, line: int | None) -> str:
    return f"{store.text(owner).partition(':')[2]}:{line}"
