"""Bringing the tables of a store up to date with the compiled schema, without losing a row that was written."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterable

from nesyc_runtime.errors import UserError
from nesyc_runtime.kb import history
from nesyc_runtime.kb.program import Program, SchemaObject

DROP_ORDER = ("trigger", "view", "index", "table")


def apply_schema(connection: sqlite3.Connection, program: Program, at: str) -> None:
    """Create what is missing and rebuild what can be computed again and looks otherwise, in one transaction.

    A table of facts whose columns changed is rebuilt where its rows all come from the source (the next
    synchronisation fills it) or fit the new columns. `at` is the time as the history writes it. Raises `UserError`
    (E0506) where written rows would be lost.
    """
    wanted = _digest(program.tables)
    if _state(connection, "schema") == wanted:
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        if _state(connection, "schema") != wanted:
            _forget_derived(connection, program, _record_and_migrate(connection, program, at))
            _set_state(connection, "schema", wanted)
            _set_state(connection, "objects", json.dumps([[o.kind, o.name] for o in program.tables]))
            connection.execute("DELETE FROM \"nesyc.state\" WHERE key IN ('evaluated', 'source')")
        connection.execute("COMMIT")
    except BaseException:
        connection.rollback()
        raise


def _forget_derived(connection: sqlite3.Connection, program: Program, made: set[str]) -> None:
    """Take as not derived yet what lay in, or came from, a relation with a new table: `made` names them."""
    digests = json.loads(_state(connection, "strata") or "{}")
    for stratum in program.strata:
        if made & {*stratum.relations, *stratum.reads}:
            digests.pop(stratum.key, None)
    _set_state(connection, "strata", json.dumps(digests))


def _record_and_migrate(connection: sqlite3.Connection, program: Program, at: str) -> set[str]:
    """`_migrate`; rows that go with their table are in the history, where the store has one already."""
    known = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'nesyc.change'").fetchone()
    change = history.begin(connection, at, "nesyc", "the schema changed") if known else None
    made = _migrate(connection, program)
    history.install(connection, program)
    if change is not None:
        history.finish(connection, change)
    return made


def _migrate(connection: sqlite3.Connection, program: Program) -> set[str]:
    """Gives the relations of which a table was made."""
    tables = dict(
        connection.execute("SELECT name, tbl_name FROM sqlite_master WHERE type = 'index' AND sql NOTNULL")
    )
    present = dict(
        connection.execute("SELECT name, sql FROM sqlite_master WHERE name NOT LIKE 'sqlite%'").fetchall()
    )
    owned = json.loads(_state(connection, "objects") or "[]")
    wanted = {item.name: item for item in program.tables}
    same = {name for name, item in wanted.items() if present.get(name) == item.sql}
    kept = {
        name
        for name in same
        if wanted[name].kind == "table" and not wanted[name].sql.startswith("CREATE VIRTUAL TABLE")
    }
    kept |= {name for name in same if wanted[name].kind == "index" and tables.get(name) in kept}
    changed: list[tuple[SchemaObject, str]] = []
    for kind in DROP_ORDER:
        for own_kind, name in owned:
            if own_kind != kind or name not in present or name in kept:
                continue
            item = wanted.get(name)
            if kind == "table" and name.endswith(".rows") and _has_owner(connection, name):
                _refuse_loss(connection, name, item)
                if item is not None and _rows_to_keep(connection, name):
                    aside = f"temp.{_quote(name + '.before')}"
                    connection.execute(f"CREATE TABLE {aside} AS SELECT * FROM {_quote(name)}")
                    changed.append((item, aside))
                else:
                    connection.execute(f"DELETE FROM {_quote(name)}")
            connection.execute(f"DROP {kind.upper()} IF EXISTS {_quote(name)}")
    for item in program.tables:
        if item.kind == "insert":
            connection.execute(item.sql)
        elif item.name not in kept:
            connection.execute(item.sql)
            for new, aside in changed:
                if new.name == item.name:
                    _copy(connection, aside, item.name)
    for item in program.tables:
        if item.kind == "table" and item.sql.startswith("CREATE VIRTUAL TABLE"):
            table = _quote(item.name)
            connection.execute(f"INSERT INTO {table} ({table}) VALUES ('rebuild')")
    return {
        item.relation
        for item in program.tables
        if item.kind == "table" and item.relation is not None and item.name not in kept
    }


def _has_owner(connection: sqlite3.Connection, table: str) -> bool:
    return "owner" in _columns(connection, table)


def _rows_to_keep(connection: sqlite3.Connection, table: str) -> int:
    """How many rows others than the source wrote."""
    count = connection.execute(
        f'SELECT count(*) FROM {_quote(table)} AS r JOIN "nesyc.symbol" AS s ON s.id = r.owner '
        "WHERE s.text NOT LIKE 'source:%'"
    ).fetchone()
    return int(count[0])


def _refuse_loss(connection: sqlite3.Connection, table: str, item: SchemaObject | None) -> None:
    rows = _rows_to_keep(connection, table)
    if not rows:
        return
    relation = table.removesuffix(".rows")
    help = "keep the old columns, or give the new ones a nullable type (`T?`)"
    if item is None:
        raise UserError(f"E0506: relation `{relation}` is gone and holds {rows} written rows", help)
    old = _columns(connection, table)
    connection.execute("SAVEPOINT shape")
    connection.execute(item.sql.replace(_quote(table), '"nesyc.shape"', 1))
    new = _columns(connection, "nesyc.shape")
    required = {
        row[1] for row in connection.execute('PRAGMA table_info("nesyc.shape")') if row[3] and not row[5]
    }
    connection.execute("ROLLBACK TO shape")
    connection.execute("RELEASE shape")
    lost = [name for name in old if new.get(name) != old[name]]
    if lost or required - set(old):
        what = (
            f"columns {', '.join(lost)} changed"
            if lost
            else f"columns {', '.join(sorted(required - set(old)))} are new"
        )
        raise UserError(f"E0506: relation `{relation}` holds {rows} written rows, and its {what}", help)


def _copy(connection: sqlite3.Connection, old: str, new: str) -> None:
    found = connection.execute(f"SELECT * FROM {old} LIMIT 0")
    shared = ", ".join(_quote(column[0]) for column in found.description)
    connection.execute(f"INSERT INTO {_quote(new)} ({shared}) SELECT {shared} FROM {old}")
    connection.execute(f"DROP TABLE {old}")


def _columns(connection: sqlite3.Connection, table: str) -> dict[str, str]:
    return {row[1]: row[2] for row in connection.execute(f"PRAGMA table_info({_quote(table)})")}


def _digest(tables: Iterable[SchemaObject]) -> str:
    text = json.dumps([history.VERSION, *([item.kind, item.name, item.sql] for item in tables)])
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _state(connection: sqlite3.Connection, key: str) -> str | None:
    if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'nesyc.state'").fetchone():
        return None
    row = connection.execute('SELECT value FROM "nesyc.state" WHERE key = ?', (key,)).fetchone()
    return None if row is None else str(row[0])


def _set_state(connection: sqlite3.Connection, key: str, value: str) -> None:
    connection.execute('INSERT OR REPLACE INTO "nesyc.state" (key, value) VALUES (?, ?)', (key, value))


def _quote(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
