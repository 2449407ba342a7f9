"""What a changed schema means for the rows that stand: which are carried over, and how, and what would be lost."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from nesyc_runtime.errors import UserError
from nesyc_runtime.kb.storage.program import Program, RelationPlan, SchemaObject

IMPLICIT = ("_row", "conf", "origin", "status", "owner", "written", "line", "provenance")


@dataclass(frozen=True, slots=True)
class TableChange:
    """A stored relation whose table changes.

    `written` counts the rows that stages and people hold (the source's are read again from the text). `columns` are
    the new columns and the SQL that fills each from the old row `r`; `lost` old columns with values that nothing takes over; `missing`
    new columns that may not be null and have no value. `new` and `gone`: there was, or is, no such relation.
    """

    relation: str
    table: str
    written: int
    columns: Mapping[str, str]
    added: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    new: bool = False
    gone: bool = False

    @property
    def keeps_rows(self) -> bool:
        return not (self.new or self.gone or self.missing)

    @property
    def loses(self) -> str | None:
        """What written rows would lose, in words; None where nothing."""
        if not self.written:
            return None
        if self.gone:
            return f"relation `{self.relation}` is gone and holds {self.written} written rows"
        holds = f"relation `{self.relation}` holds {self.written} written rows, and its"
        if self.lost:
            return f"{holds} columns {', '.join(self.lost)} changed"
        return f"{holds} columns {', '.join(self.missing)} are new" if self.missing else None


def plan_changes(connection: sqlite3.Connection, program: Program) -> list[TableChange]:
    """The changes of stored relations, in order of declaration, those that are gone last; inside a transaction."""
    stored = {plan.rows: plan for plan in program.relations if not plan.derived}
    present = dict(connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'table'").fetchall())
    changes = [
        _change(connection, item, stored[item.name], present)
        for item in program.tables
        if item.kind == "table" and item.name in stored and present.get(item.name) != item.sql
    ]
    gone = [
        name
        for name in present
        if name.endswith(".rows") and name not in stored and "owner" in columns_of(connection, name)
    ]
    return changes + [
        TableChange(name.removesuffix(".rows"), name, _written(connection, name), {}, gone=True)
        for name in gone
    ]


def _change(
    connection: sqlite3.Connection, item: SchemaObject, plan: RelationPlan, present: Mapping[str, str]
) -> TableChange:
    if item.name not in present:
        return TableChange(plan.name, item.name, 0, {}, new=True)
    old, texts = columns_of(connection, item.name), _texts(connection, item.name)
    new, required = _shape(connection, item)
    filled: dict[str, str] = {}
    for name in new:
        interned = name in IMPLICIT[2:5] or any(c.column == name and c.interned for c in plan.columns)
        value = _filling(name, new[name], interned, old, texts)
        if value is not None:
            filled[name] = value
    lost = tuple(name for name in old if name not in filled and _is_used(connection, item.name, name))
    missing = tuple(sorted(required - set(filled)))
    added = tuple(name for name in new if name not in old)
    return TableChange(plan.name, item.name, _written(connection, item.name), filled, added, lost, missing)


def _filling(name: str, kind: str, interned: bool, old: Mapping[str, str], texts: set[str]) -> str | None:
    """The SQL of a new column's value; None where the old row has none that fits."""
    if name not in old:
        return None
    column = f"r.{_quote(name)}"
    if name in IMPLICIT or (kind == old[name] and interned == (name in texts)):
        return column
    if name in texts and not interned and kind == "TEXT":
        return f'(SELECT text FROM "nesyc.symbol" WHERE id = {column})'
    if interned and name not in texts and old[name] == "TEXT":
        return f'(SELECT id FROM "nesyc.symbol" WHERE text = {column})'
    return column if (old[name], kind) == ("INTEGER", "REAL") and name not in texts else None


def _texts(connection: sqlite3.Connection, table: str, seen: frozenset[str] = frozenset()) -> set[str]:
    """The columns of an old table that hold ids of texts: they refer to the texts, to an enum, or to such a column."""
    found: set[str] = set()
    for row in connection.execute(f"PRAGMA foreign_key_list({_quote(table)})").fetchall():
        target, source, column = row[2], row[3], row[4]
        if (
            target == "nesyc.symbol"
            or target.endswith(".enum")
            or (target not in seen | {table} and column in _texts(connection, target, seen | {table}))
        ):
            found.add(source)
    return found


def _shape(connection: sqlite3.Connection, item: SchemaObject) -> tuple[dict[str, str], set[str]]:
    """The columns of a table that is to be, and those that need a value."""
    connection.execute("SAVEPOINT shape")
    connection.execute(item.sql.replace(_quote(item.name), '"nesyc.shape"', 1))
    columns = columns_of(connection, "nesyc.shape")
    required = {
        row[1]
        for row in connection.execute('PRAGMA table_info("nesyc.shape")').fetchall()
        if row[3] and not row[5]
    }
    connection.execute("ROLLBACK TO shape")
    connection.execute("RELEASE shape")
    return columns, required


def _written(connection: sqlite3.Connection, table: str) -> int:
    """How many rows others than the source hold, alone or beside it."""
    condition, bound = _held(table)
    count = connection.execute(
        f"SELECT count(*) FROM {_quote(table)} AS r WHERE {condition}", bound
    ).fetchone()
    return int(count[0])


def _is_used(connection: sqlite3.Connection, table: str, column: str) -> bool:
    """Whether a written row has a value there."""
    condition, bound = _held(table)
    sql = f"SELECT 1 FROM {_quote(table)} AS r WHERE r.{_quote(column)} IS NOT NULL AND {condition} LIMIT 1"
    return connection.execute(sql, bound).fetchone() is not None


def _held(table: str) -> tuple[str, tuple[str]]:
    others = "owner IN (SELECT id FROM \"nesyc.symbol\" WHERE text NOT LIKE 'source:%')"
    claim = f'SELECT 1 FROM "nesyc.claim" AS c WHERE c.relation = ? AND c.row = r._row AND c.{others}'
    return f"(r.{others} OR EXISTS ({claim}))", (table.removesuffix(".rows"),)


def set_aside(connection: sqlite3.Connection, change: TableChange) -> None:
    """Copy the written rows, as the new table takes them, to a temporary table; the source's are read again later."""
    for name, value in change.columns.items():
        if value.startswith("(SELECT id"):
            connection.execute(
                f'INSERT OR IGNORE INTO "nesyc.symbol" (text) SELECT {_quote(name)} FROM {_quote(change.table)} '
                f"WHERE {_quote(name)} IS NOT NULL"
            )
    values = ", ".join(f"{value} AS {_quote(name)}" for name, value in change.columns.items())
    condition, bound = _held(change.table)
    connection.execute(
        f"CREATE TABLE {_aside(change)} AS SELECT {values} FROM {_quote(change.table)} AS r WHERE {condition} "
        "ORDER BY r._row",
        bound,
    )
    kept = f"NOT IN (SELECT _row FROM {_aside(change)})"
    connection.execute(f"DELETE FROM {_quote(change.table)} WHERE _row {kept}")
    connection.execute(f'DELETE FROM "nesyc.claim" WHERE relation = ? AND row {kept}', (change.relation,))


def bring_back(connection: sqlite3.Connection, change: TableChange) -> None:
    """Fill the new table from the temporary one; raises `UserError` (E0506) where two rows now have one key."""
    names = ", ".join(_quote(name) for name in change.columns)
    try:
        connection.execute(
            f"INSERT INTO {_quote(change.table)} ({names}) SELECT {names} FROM {_aside(change)}"
        )
    except sqlite3.IntegrityError as error:
        raise UserError(
            f"written rows of `{change.relation}` do not fit its new columns or key: {error}",
            "reject or edit those rows under the old schema first",
            code="E0506",
        ) from None
    connection.execute(f"DROP TABLE {_aside(change)}")


def drop_rows(connection: sqlite3.Connection, change: TableChange) -> None:
    """Take the rows out one by one, so that the history has them, and who held them."""
    connection.execute(f"DELETE FROM {_quote(change.table)}")
    connection.execute('DELETE FROM "nesyc.claim" WHERE relation = ?', (change.relation,))


def drop_source_rows(connection: sqlite3.Connection, relation: str, table: str) -> None:
    """Take out the rows that only the source holds."""
    condition, bound = _held(table)
    gone = f"SELECT r._row FROM {_quote(table)} AS r WHERE NOT {condition}"
    connection.execute(
        f'DELETE FROM "nesyc.claim" WHERE relation = ? AND row IN ({gone})', (relation, *bound)
    )
    connection.execute(f"DELETE FROM {_quote(table)} WHERE _row IN ({gone})", bound)


def describe(changes: Sequence[TableChange]) -> Iterator[str]:
    """Each change as a line."""
    for change in changes:
        if change.new:
            yield f"+ relation {change.relation}"
        elif change.gone:
            yield f"- relation {change.relation} ({change.written} written rows)"
        else:
            parts = [f"+ {name}" for name in change.added]
            parts += [f"~ {n}" for n, v in change.columns.items() if v != f"r.{_quote(n)}"]
            parts += [f"- {name}" for name in change.lost if name not in change.added]
            kept = (
                "rows kept"
                if change.keeps_rows
                else f"{change.written} written rows go: no value for {', '.join(change.missing)}"
            )
            yield f"~ relation {change.relation}: {', '.join(parts) or 'constraints'}; {kept}"


def columns_of(connection: sqlite3.Connection, table: str) -> dict[str, str]:
    """The columns of a table and their types."""
    return {row[1]: row[2] for row in connection.execute(f"PRAGMA table_info({_quote(table)})").fetchall()}


def _aside(change: TableChange) -> str:
    return f"temp.{_quote(change.table + '.before')}"


def _quote(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
