"""The knowledge base as it was, and changes taken back: both read the history backwards."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time
from typing import Any

from nesyc_runtime.errors import UserError
from nesyc_runtime.files import printable
from nesyc_runtime.kb.rules.evaluate import evaluate
from nesyc_runtime.kb.storage.history import (
    CLAIM,
    SCHEMA,
    as_json,
    columns_of,
    moment,
    stored_value,
    tables_of,
    uninstall,
)
from nesyc_runtime.kb.storage.rows import quote
from nesyc_runtime.kb.storage.store import Store, add_functions

SOURCE = "source"


@dataclass(frozen=True, slots=True)
class Version:
    """What a change did to the row `row` of `table`; `last` is greater where it wrote many rows at once."""

    id: int
    table: str
    row: int
    last: int
    before: str | None
    after: str | None


def change_at(store: Store, when: str) -> int:
    """The last change before the end of a moment (`2026-01-31`, `2026-01-31T12:00`; UTC unless it says) or `#N`.

    0 where nothing had been written yet. Raises `UserError` for what is neither, and for a change that is not there.
    """
    if when.startswith("#") and when[1:].isascii() and when[1:].isdigit():
        last = int(store.execute('SELECT ifnull(max(id), 0) FROM "nesyc.change"').fetchone()[0])
        if int(when[1:]) > last:
            raise UserError(f"there is no change {int(when[1:])}", f"the last is #{last}: nesyc kb log")
        return int(when[1:])
    try:
        if len(when) <= 10:
            until = datetime.combine(date.fromisoformat(when), time.max, UTC)
        else:
            until = datetime.fromisoformat(when)
            until = until if until.tzinfo else until.replace(tzinfo=UTC)
    except ValueError:
        raise UserError(
            f"`{printable(when, 60)}` is no date", "write 2026-01-31, 2026-01-31T12:00, or #7 for change 7"
        ) from None
    sql = 'SELECT ifnull(max(id), 0) FROM "nesyc.change" WHERE at <= ?'
    return int(store.execute(sql, (moment(until),)).fetchone()[0])


@contextmanager
def store_at(store: Store, change: int, *, rules: bool = True) -> Iterator[Store]:
    """A private copy of the store as it was after `change`; with `rules` evaluated by the rules as they are now."""
    connection = sqlite3.connect("", isolation_level=None)
    with Store(connection, store.kb, store.program, None) as past:
        store.connection.backup(connection)
        add_functions(connection)
        with past.writing():
            uninstall(connection, store.program)
            after = "change IS NULL OR change > ?"
            for version in _versions(past, after, (change,)):
                _reverse(past, version, {})
            past.facts_changed()
        if rules:
            evaluate(past)
        yield past


def undo(store: Store, count: int = 1, *, who: str) -> list[int]:
    """Take back the last `count` changes of people and stages that are not taken back yet; gives their numbers.

    What follows the text (facts of the source, the schema) is changed there.

    Each is a change of its own, so that nothing is lost by it. Raises `UserError`, nothing taken back, where a later
    change touched the same rows.
    """
    found = store.execute(
        'SELECT id FROM "nesyc.change" AS c WHERE who NOT IN (?, ?) AND undoes IS NULL '
        'AND NOT EXISTS (SELECT 1 FROM "nesyc.change" AS u WHERE u.undoes = c.id) ORDER BY id DESC LIMIT ?',
        (SOURCE, SCHEMA, count),
    ).fetchall()
    changes = [int(row[0]) for row in found]
    with store.writing():
        for change in changes:
            with store.changing(who, f"take back change {change}", undoes=change):
                _undo(store, change)
        if changes:
            store.facts_changed()
    return changes


def after_undo(store: Store, undone: Sequence[int]) -> list[str]:
    """What a person who took back these changes may not expect: what comes again, and what was passed over."""
    marks = ", ".join("?" * len(undone))
    found = store.execute(
        f"SELECT id, who FROM \"nesyc.change\" WHERE id IN ({marks}) AND who LIKE 'stage:%' ORDER BY id",
        undone,
    ).fetchall()
    said = [
        f"change {id_} was written by stage {printable(who[6:], 60)}: the next plan or run writes it again, unless you reject the rows "
        "(nesyc review --reject)"
        for id_, who in found
    ]
    later = store.execute(
        'SELECT max(id) FROM "nesyc.change" WHERE who = ? AND id > ? AND id < ?',
        (SOURCE, min(undone, default=0), min(_undoing(store, undone), default=2**62)),
    ).fetchone()[0]
    if later is not None:
        said.append(f"change {later} stays: it follows the source's facts, which are changed in their file")
    return said


def _undoing(store: Store, undone: Sequence[int]) -> list[int]:
    marks = ", ".join("?" * len(undone))
    found = store.execute(f'SELECT id FROM "nesyc.change" WHERE undoes IN ({marks})', undone)
    return [int(id_) for (id_,) in found]


def _undo(store: Store, change: int) -> None:
    moved: dict[tuple[str, int], int] = {}
    for found in list(_versions(store, "change = ?", (change,))):
        version = _moved(found, moved)
        if not _is_untouched(store, version):
            raise UserError(
                f"change {change} cannot be taken back: a later change touched the same rows of `{_relation(version)}`",
                "`nesyc kb log` shows which; take that back first",
            )
        try:
            _reverse(store, version, moved)
        except sqlite3.IntegrityError:
            raise UserError(
                f"change {change} cannot be taken back: another row of `{_relation(version)}` has the key by now",
                "reject that row first",
            ) from None


def _moved(version: Version, moved: dict[tuple[str, int], int]) -> Version:
    row = moved.get((version.table, version.row))
    return version if row is None else replace(version, row=row, last=row)


def _relation(version: Version) -> str:
    return version.table.removesuffix(".rows")


def _versions(store: Store, condition: str, values: tuple[int, ...]) -> Iterator[Version]:
    """The versions a condition names, the last first; read from a list of ids, as undoing writes new ones."""
    ids = store.execute(
        f'SELECT id FROM "nesyc.version" WHERE {condition} ORDER BY id DESC', values
    ).fetchall()
    for (id_,) in ids:
        sql = 'SELECT id, tbl, row, last, before, after FROM "nesyc.version" WHERE id = ?'
        version = Version(*store.execute(sql, (id_,)).fetchone())
        if version.table in tables_of(store.program):
            yield version


def _is_untouched(store: Store, version: Version) -> bool:
    """Whether the rows stand as the change left them, whatever was done and taken back since."""
    if version.before or version.after:
        return version.after is None or _same(_current(store, version.table, version.row), version.after)
    later = store.execute(
        'SELECT row, before, min(id) FROM "nesyc.version" WHERE tbl = ? AND row BETWEEN ? AND ? AND id > ? GROUP BY row',
        (version.table, version.row, version.last, version.id),
    ).fetchall()
    return all(_same(_current(store, version.table, row), before) for row, before, _ in later)


def _same(now: str | None, then: str | None) -> bool:
    """Whether a row stands as it was, by the columns of now: a schema that changed since took out, brought or typed some."""
    if now == then or now is None or then is None:
        return now == then
    left, right = json.loads(now), json.loads(then)
    return all(_equal(value, right.get(column)) for column, value in left.items())


def _equal(now: Any, then: Any) -> bool:
    """Equal as well where a column of whole numbers became one of any, which are written as texts."""
    if now == then or type(now) is type(then):
        return bool(now == then)
    try:
        return now is not None and then is not None and float(now) == float(then)
    except (TypeError, ValueError):
        return False


def _current(store: Store, table: str, row: int) -> str | None:
    sql = f"SELECT {as_json(store.program, table, 't')} FROM {quote(table)} AS t WHERE t.rowid = ?"
    found = store.execute(sql, (row,)).fetchone()
    return None if found is None else str(found[0])


def _reverse(store: Store, version: Version, moved: dict[tuple[str, int], int]) -> None:
    """Put a row back as it was before; `moved` are the new numbers of rows whose own number is taken."""
    table = quote(version.table)
    if version.before is None:
        sql = f"DELETE FROM {table} WHERE rowid BETWEEN ? AND ?"
        store.execute(sql, (version.row, version.last))
        return
    values = _values(store, version, moved)
    if version.after is not None:
        listed = ", ".join(f"{quote(column)} = ?" for column in values)
        store.execute(f"UPDATE {table} SET {listed} WHERE rowid = ?", (*values.values(), version.row))
        return
    row = version.row
    if store.execute(f"SELECT 1 FROM {table} WHERE rowid = ?", (row,)).fetchone():
        row = store.execute(f"SELECT max(rowid) + 1 FROM {table}").fetchone()[0]
        moved[version.table, version.row] = row
    listed, marks = ", ".join(map(quote, values)), ", ".join("?" * (len(values) + 1))
    store.execute(f"INSERT INTO {table} (rowid, {listed}) VALUES ({marks})", (row, *values.values()))


def _values(store: Store, version: Version, moved: dict[tuple[str, int], int]) -> dict[str, Any]:
    """The row before as the table holds it; columns that are gone since are left out."""
    before = json.loads(version.before or "{}")
    values: dict[str, Any] = {}
    for column, kind in columns_of(store.program, version.table):
        value = stored_value(before.get(column), kind)
        values[column] = store.symbol(value) if kind == "text" and value is not None else value
    if version.table == CLAIM:
        rows = f"{before['relation']}.rows"
        plan = store.program.by_name.get(before["relation"])
        values["row"] = moved.get((plan.rows if plan else rows, before["row"]), before["row"])
    return values
