"""Bringing the tables of a store up to date with the compiled schema, without losing a row that was written."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from nesyc_runtime.errors import UserError
from nesyc_runtime.kb.storage import history
from nesyc_runtime.kb.storage.migration import (
    TableChange,
    bring_back,
    drop_rows,
    drop_source_rows,
    plan_changes,
    set_aside,
)
from nesyc_runtime.kb.storage.program import Program, SchemaObject

DROP_ORDER = ("trigger", "view", "index", "table")


def apply_schema(
    connection: sqlite3.Connection,
    program: Program,
    at: str,
    places: Mapping[str, Mapping[str, Any]],
    *,
    allow_loss: bool = False,
) -> list[TableChange]:
    """Create what is missing and rebuild what can be computed again, in one transaction; gives what changed.

    A table of facts whose columns changed is rebuilt with its rows. `at` is the time as the history writes it, `places` the
    SPAN that declares a relation, by its name. Raises `UserError` (E0506) where rows that stages or people wrote would
    lose something, unless `allow_loss`; what is lost then stands in the history.
    """
    wanted = _digest(program.tables)
    if _state(connection, "schema") == wanted:
        return []
    connection.execute("BEGIN IMMEDIATE")
    try:
        changes: list[TableChange] = []
        if _state(connection, "schema") != wanted:
            changes = plan_changes(connection, program)
            if not allow_loss:
                _refuse_loss(changes, places)
            _forget_derived(connection, program, _record_and_migrate(connection, program, changes, at))
            _set_state(connection, "schema", wanted)
            _set_state(connection, "objects", json.dumps([[o.kind, o.name] for o in program.tables]))
            connection.execute("DELETE FROM \"nesyc.state\" WHERE key IN ('evaluated', 'source')")
        connection.execute("COMMIT")
    except BaseException:
        connection.rollback()
        raise
    return changes


def planned_changes(connection: sqlite3.Connection, program: Program) -> list[TableChange]:
    """What `apply_schema` would change; nothing is changed."""
    if _state(connection, "schema") == _digest(program.tables):
        return []
    connection.execute("BEGIN")
    try:
        return plan_changes(connection, program)
    finally:
        connection.rollback()


def _refuse_loss(changes: Iterable[TableChange], places: Mapping[str, Mapping[str, Any]]) -> None:
    for change in changes:
        if change.loses is not None:
            raise UserError(
                change.loses,
                "keep the old columns, or give the new ones a nullable type (`T?`); "
                "`nesyc kb migrate --allow-loss` goes on all the same",
                code="E0506",
                span=places.get(change.relation),
            )


def _forget_derived(connection: sqlite3.Connection, program: Program, made: set[str]) -> None:
    """Take as not derived yet what lay in, or came from, a relation with a new table: `made` names them."""
    digests = json.loads(_state(connection, "strata") or "{}")
    for stratum in program.strata:
        if made & {*stratum.relations, *stratum.reads}:
            digests.pop(stratum.key, None)
    _set_state(connection, "strata", json.dumps(digests))


def _record_and_migrate(
    connection: sqlite3.Connection, program: Program, changes: Sequence[TableChange], at: str
) -> set[str]:
    """`_migrate`; rows that go with their table are in the history, where the store has one already."""
    known = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'nesyc.change'").fetchone()
    change = history.begin(connection, at, history.SCHEMA, "the schema changed") if known else None
    made = _migrate(connection, program, {change.table: change for change in changes})
    history.install(connection, program)
    if change is not None:
        history.finish(connection, change)
    return made


def _migrate(
    connection: sqlite3.Connection, program: Program, changes: Mapping[str, TableChange]
) -> set[str]:
    """Gives the relations of which a table was made, or that lost rows."""
    present = dict(
        connection.execute("SELECT name, sql FROM sqlite_master WHERE name NOT LIKE 'sqlite%'").fetchall()
    )
    kept = _kept(connection, program, present)
    made: set[str] = set()
    for kind in DROP_ORDER:
        for own_kind, name in json.loads(_state(connection, "objects") or "[]"):
            if own_kind != kind or name not in present or name in kept:
                continue
            if name in changes and changes[name].keeps_rows:
                set_aside(connection, changes[name])
            elif name in changes:
                drop_rows(connection, changes[name])
            connection.execute(f"DROP {kind.upper()} IF EXISTS {_quote(name)}")
    for item in program.tables:
        if item.kind == "insert":
            connection.execute(item.sql)
        elif item.name in kept:
            continue
        elif item.kind == "index":
            made |= _create_index(connection, item, program)
        else:
            connection.execute(item.sql)
            if item.name in changes and changes[item.name].keeps_rows:
                bring_back(connection, changes[item.name])
    for item in program.tables:
        if item.kind == "table" and item.sql.startswith("CREATE VIRTUAL TABLE"):
            table = _quote(item.name)
            connection.execute(f"INSERT INTO {table} ({table}) VALUES ('rebuild')")
    return made | {
        item.relation
        for item in program.tables
        if item.kind == "table" and item.relation is not None and item.name not in kept
    }


def _kept(connection: sqlite3.Connection, program: Program, present: Mapping[str, str]) -> set[str]:
    """The tables that look as before, and their indexes that do."""
    tables = dict(
        connection.execute("SELECT name, tbl_name FROM sqlite_master WHERE type = 'index' AND sql NOTNULL")
    )
    wanted = {item.name: item for item in program.tables}
    same = {name for name, item in wanted.items() if present.get(name) == item.sql}
    kept = {
        name
        for name in same
        if wanted[name].kind == "table" and not wanted[name].sql.startswith("CREATE VIRTUAL TABLE")
    }
    return kept | {name for name in same if wanted[name].kind == "index" and tables.get(name) in kept}


def _create_index(connection: sqlite3.Connection, item: SchemaObject, program: Program) -> set[str]:
    """Where rows of the source do not fit a new key they go: the text, which is read next, says what they are now.

    Gives the relation that lost rows so.
    """
    try:
        connection.execute(item.sql)
        return set()
    except sqlite3.IntegrityError:
        relation = program.by_name[item.relation or ""]
        drop_source_rows(connection, relation.name, relation.rows)
    try:
        connection.execute(item.sql)
    except sqlite3.IntegrityError as error:
        raise UserError(
            f"written rows of `{relation.name}` have the same key under the new schema: {error}",
            "reject or edit one of them under the old schema first",
            code="E0506",
        ) from None
    return {relation.name}


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
