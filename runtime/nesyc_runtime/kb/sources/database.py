"""A table or view of another SQLite file, read only and as it lies: nothing is written beside it, nothing in it runs."""

from __future__ import annotations

import sqlite3
from contextlib import closing

from nesyc_runtime.errors import UserError
from nesyc_runtime.files import printable
from nesyc_runtime.kb.sources.source import Found, Source
from nesyc_runtime.kb.storage.store import quote


def read_sqlite(source: Source) -> Found:
    """Rows by number, from 1, in the order SQLite gives them.

    Raises `UserError` where the file is no database or is being written, or has no such table; E0505 for a column.
    """
    log = source.path.with_name(source.path.name + "-wal")
    if log.exists() and log.stat().st_size:
        raise UserError(
            f"{source.shown}: another program has it open and may be writing",
            "end that program, or copy the database with `VACUUM INTO`",
        )
    try:
        uri = f"{source.path.resolve().as_uri()}?mode=ro&immutable=1"
        with closing(sqlite3.connect(uri, uri=True)) as connection:
            connection.execute("PRAGMA trusted_schema = OFF")
            connection.execute("PRAGMA query_only = ON")
            names = _columns(connection, source)
            source.require(names, 1)
            listed = ", ".join(quote(name) if name in names else "NULL" for name in source.wanted)
            truths = [i for i, column in enumerate(source.columns) if column.base == "bool"]
            rows = connection.execute(f"SELECT {listed} FROM main.{quote(source.file.options['table'])}")
            for number, row in enumerate(rows, 1):
                yield number, _with_truths(row, truths) if truths else row
    except sqlite3.DatabaseError as error:
        raise UserError(f"{source.shown}: cannot be read: {printable(str(error), 100)}") from None


def _columns(connection: sqlite3.Connection, source: Source) -> list[str]:
    """The table's columns, by its exact name: what SQLite does not list is never asked for."""
    table = source.file.options["table"]
    found = connection.execute("SELECT name FROM sqlite_master WHERE type IN ('table', 'view') ORDER BY name")
    tables = [str(name) for (name,) in found]
    if table not in tables:
        shown = printable(", ".join(tables[:12]), 200)
        raise UserError(
            f"{source.shown}: there is no table `{printable(table, 60)}`",
            f"it has {shown}" if tables else "it has no tables",
        )
    return [str(row[0]) for row in connection.execute("SELECT name FROM pragma_table_xinfo(?)", (table,))]


def _with_truths(row: tuple[object, ...], places: list[int]) -> list[object]:
    """SQLite has no truth values: 0 and 1 stand for them."""
    cells = list(row)
    for place in places:
        if cells[place] in (0, 1):
            cells[place] = bool(cells[place])
    return cells
