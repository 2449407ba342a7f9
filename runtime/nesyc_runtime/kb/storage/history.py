"""Who changed which stored row, when and why: kept in the store itself, by triggers, so nothing goes past it.

`nesyc.change` holds one line a change, `nesyc.version` what it did to each row: the row before and after as JSON with
its texts written out, so that both read well outside. Many new rows at once are one line with the range of their
numbers: what they say stands in the rows. An edit made by another program has no change until the next one claims it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from nesyc_runtime.kb.storage.program import Program, RelationPlan

VERSION = 2  # of these tables and triggers; another number makes them anew
PREFIX = "nesyc.history."
OUTSIDE = "outside nesyc"
SCHEMA = "nesyc"  # who brings the rows in step with a changed schema
IMPLICIT_TEXTS = ("origin", "status", "owner")
CLAIM, REJECTED = "nesyc.claim", "nesyc.rejected"
SIDE_TABLES = {
    CLAIM: ("relation", "row", *IMPLICIT_TEXTS, "written", "line", "provenance"),
    REJECTED: ("relation", "fact", "owner", "note"),
}
REALS = {"conf", "written"}

_TABLES = (
    """CREATE TABLE IF NOT EXISTS "nesyc.change" (
  id INTEGER PRIMARY KEY,
  at TEXT NOT NULL,
  who TEXT NOT NULL,
  why TEXT NOT NULL,
  undoes INTEGER
) STRICT""",
    """CREATE TABLE IF NOT EXISTS "nesyc.version" (
  id INTEGER PRIMARY KEY,
  change INTEGER,
  tbl TEXT NOT NULL,
  row INTEGER NOT NULL,
  last INTEGER NOT NULL,
  before TEXT,
  after TEXT
) STRICT""",
    'CREATE INDEX IF NOT EXISTS "nesyc.version.change" ON "nesyc.version" (change)',
)


def utc_now() -> datetime:
    return datetime.now(UTC)


def moment(time: datetime) -> str:
    """A time as the history writes it: UTC, to the millisecond, so that texts sort as times do."""
    return time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def install(connection: sqlite3.Connection, program: Program) -> None:
    """Create the tables where they are missing, and every trigger anew."""
    for sql in _TABLES:
        connection.execute(sql)
    old = connection.execute(
        f"SELECT name FROM sqlite_master WHERE type = 'trigger' AND name LIKE '{PREFIX}%'"
    ).fetchall()
    for (name,) in old:
        connection.execute(f"DROP TRIGGER {_quote(name)}")
    for table in tables_of(program):
        for event in ("insert", "update", "delete"):
            connection.execute(_trigger(program, table, event))


def uninstall(connection: sqlite3.Connection, program: Program) -> None:
    """Record nothing any more: for a copy that is taken back to an earlier time."""
    for table in tables_of(program):
        for event in ("insert", "update", "delete"):
            connection.execute(f"DROP TRIGGER IF EXISTS {_quote(PREFIX + table + '.' + event)}")


def tables_of(program: Program) -> tuple[str, ...]:
    """The tables whose rows the history keeps: those that cannot be computed again."""
    return (*(r.rows for r in program.relations if not r.derived), *SIDE_TABLES)


def columns_of(program: Program, table: str) -> tuple[tuple[str, str], ...]:
    """Each column and how the history holds it: `text` (an id in the table), `real`, `blob` or `plain`.

    Computed columns are not in it: they can be computed again.
    """
    if table in SIDE_TABLES:
        ids = IMPLICIT_TEXTS if table == CLAIM else ()
        return tuple(
            (c, "text" if c in ids else "real" if c in REALS else "plain") for c in SIDE_TABLES[table]
        )
    relation = next(r for r in program.relations if r.rows == table)
    own = tuple((c.column, _kind(c.base, c.interned)) for c in relation.columns if not c.computed)
    implicit = [(name, "text") for name in IMPLICIT_TEXTS]
    return (
        *own,
        ("conf", "real"),
        ("written", "real"),
        *implicit,
        ("line", "plain"),
        ("provenance", "plain"),
    )


def _kind(base: str, interned: bool) -> str:
    if interned:
        return "text"
    return {"number": "real", "usd": "real", "vector": "blob"}.get(base, "plain")


def as_json(program: Program, table: str, alias: str) -> str:
    """The SQL of a row as JSON. Floats are texts of 17 digits, which give the same float again."""
    parts = []
    for column, kind in columns_of(program, table):
        value = f"{alias}.{_quote(column)}"
        if kind == "text":
            value = f'(SELECT text FROM "nesyc.symbol" WHERE id = {value})'
        elif kind == "real":
            value = f"CASE WHEN {value} IS NULL THEN NULL ELSE printf('%!.17g', {value}) END"
        elif kind == "blob":
            value = f"CASE WHEN {value} IS NULL THEN NULL ELSE hex({value}) END"
        parts.append(f"'{column.replace(chr(39), chr(39) * 2)}', {value}")
    return f"json_object({', '.join(parts)})"


def _trigger(program: Program, table: str, event: str) -> str:
    old = "NULL" if event == "insert" else as_json(program, table, "old")
    new = "NULL" if event == "delete" else as_json(program, table, "new")
    row = "old.rowid" if event == "delete" else "new.rowid"
    condition = f"\nWHEN {old} IS NOT {new}" if event == "update" else ""
    return (
        f"CREATE TRIGGER {_quote(PREFIX + table + '.' + event)} AFTER {event.upper()} ON {_quote(table)}{condition}\n"
        'BEGIN\n  INSERT INTO "nesyc.version" (change, tbl, row, last, before, after) VALUES (\n'
        f"    (SELECT CAST(value AS INTEGER) FROM \"nesyc.state\" WHERE key = 'change'), "
        f"'{table.replace(chr(39), chr(39) * 2)}', {row}, {row},\n    {old},\n    {new});\nEND"
    )


def begin(connection: sqlite3.Connection, at: str, who: str, why: str, undoes: int | None = None) -> int:
    """Open a change; what other programs did since the last one is written down first, as a change of its own."""
    claim_edits(connection, at)
    at = _after_all(connection, at)
    change = _new_change(connection, at, who, why, undoes)
    connection.execute(
        "INSERT OR REPLACE INTO \"nesyc.state\" (key, value) VALUES ('change', ?)", (str(change),)
    )
    return change


def edited_outside(connection: sqlite3.Connection) -> bool:
    """Whether another program changed rows since the last change."""
    found = connection.execute('SELECT 1 FROM "nesyc.version" WHERE change IS NULL LIMIT 1').fetchone()
    return found is not None


def claim_edits(connection: sqlite3.Connection, at: str) -> None:
    """Write down what other programs did as a change of its own; the source's rows are to be compared with the text again."""
    if not edited_outside(connection):
        return
    change = _new_change(connection, _after_all(connection, at), OUTSIDE, "edited by another program", None)
    connection.execute('UPDATE "nesyc.version" SET change = ? WHERE change IS NULL', (change,))
    connection.execute("DELETE FROM \"nesyc.state\" WHERE key = 'source'")


def _after_all(connection: sqlite3.Connection, at: str) -> str:
    """A clock set back does not reorder what happened."""
    last = connection.execute('SELECT max(at) FROM "nesyc.change"').fetchone()[0]
    return max(at, last or at)


def finish(connection: sqlite3.Connection, change: int) -> None:
    """Close a change; one that did nothing leaves no line."""
    connection.execute("DELETE FROM \"nesyc.state\" WHERE key = 'change'")
    if not connection.execute('SELECT 1 FROM "nesyc.version" WHERE change = ?', (change,)).fetchone():
        connection.execute('DELETE FROM "nesyc.change" WHERE id = ?', (change,))


def _new_change(connection: sqlite3.Connection, at: str, who: str, why: str, undoes: int | None) -> int:
    cursor = connection.execute(
        'INSERT INTO "nesyc.change" (at, who, why, undoes) VALUES (?, ?, ?, ?)', (at, who, why, undoes)
    )
    assert cursor.lastrowid is not None
    return cursor.lastrowid


@contextmanager
def many_rows(connection: sqlite3.Connection, program: Program, relation: RelationPlan) -> Iterator[None]:
    """Rows inserted meanwhile are recorded as one range; inside a change, and with no other statement on the table."""
    table = relation.rows
    count = f"SELECT ifnull(max(_row), 0) FROM {_quote(table)}"
    connection.execute(f"DROP TRIGGER {_quote(PREFIX + table + '.insert')}")
    before: int = connection.execute(count).fetchone()[0]
    yield
    after: int = connection.execute(count).fetchone()[0]
    connection.execute(_trigger(program, table, "insert"))
    if after > before:
        connection.execute(
            'INSERT INTO "nesyc.version" (change, tbl, row, last) VALUES ('
            "(SELECT CAST(value AS INTEGER) FROM \"nesyc.state\" WHERE key = 'change'), ?, ?, ?)",
            (table, before + 1, after),
        )


def stored_value(value: Any, kind: str) -> Any:
    """A value of a version as the table holds it, texts not yet given ids."""
    if value is None:
        return None
    if kind == "real":
        return float(value)
    return bytes.fromhex(value) if kind == "blob" else value


def _quote(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
