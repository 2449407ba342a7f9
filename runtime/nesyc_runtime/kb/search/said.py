"""Texts that rules or `say` make, kept in the store with an index of their words.

Columns with `fulltext` have an index that triggers keep. What a relation says is made by the runtime, and derived rows
may come by thousands without a trigger; so their texts are compared with the rows when they are next searched, and only
what differs is written.
"""

from __future__ import annotations

from collections.abc import Iterator

from nesyc_runtime import config
from nesyc_runtime.hashing import digest
from nesyc_runtime.kb.search.fulltext import IndexedText
from nesyc_runtime.kb.search.retrieval_rows import KbRow, read_rows
from nesyc_runtime.kb.storage.store import Store, quote
from nesyc_runtime.kb.storage.values import shown

TEXT = "text"


def revision(store: Store) -> str:
    """Names the stored and derived rows as they are: another wherever a row, a rule or a sentence has changed."""
    last = store.connection.execute('SELECT ifnull(max(id), 0) FROM "nesyc.version"').fetchone()[0]
    sentences = [(relation.name, relation.say) for relation in store.kb.relations if relation.say is not None]
    return digest(
        [last, store.state("evaluated"), store.state("schema"), store.elsewhere.file, str(sentences)]
    )


def indexed_text(store: Store, target: config.FullTextTarget) -> IndexedText:
    """Where the words of a target are indexed, brought in step with its rows."""
    plan = store.relation(target.relation)
    away = plan.name in store.elsewhere.relations
    if target.column is not None and plan.fulltext is not None and not plan.resolved and not away:
        column = next(column for column in plan.columns if column.name == target.column)
        return IndexedText(plan.fulltext, plan.rows, column.column)
    name = f"nesyc.said.{target.relation}" + (f".{target.column}" if target.column is not None else "")
    wanted = revision(store)
    if store.state(name) != wanted:
        with store.writing():
            _create(store, name)
            _update(store, name, target)
            store.set_state(name, revision(store))
    return IndexedText(f"{name}.fulltext", name, TEXT)


def text_of(target: config.FullTextTarget, row: KbRow) -> str | None:
    """What is searched of a row, None where there is nothing."""
    text = row.sentence if target.column is None else row.values.get(target.column)
    return None if text is None else shown(text)


def _create(store: Store, name: str) -> None:
    table, index = quote(name), quote(f"{name}.fulltext")
    literal = "'" + name.replace("'", "''") + "'"
    execute = store.connection.execute
    execute(
        f"CREATE TABLE IF NOT EXISTS {table} (\n  _row INTEGER PRIMARY KEY,\n  {TEXT} TEXT NOT NULL\n) STRICT"
    )
    execute(
        f"CREATE VIRTUAL TABLE IF NOT EXISTS {index} USING fts5({TEXT}, content={literal}, content_rowid='_row', "
        "tokenize='unicode61')"
    )


def _update(store: Store, name: str, target: config.FullTextTarget) -> None:
    """Make texts and index those of the rows; both are read in the order of their rows."""
    execute = store.connection.execute
    table, index = quote(name), quote(f"{name}.fulltext")
    forget = f"INSERT INTO {index} ({index}, rowid, {TEXT}) VALUES ('delete', ?, ?)"
    for row, old, new in list(_differences(store, table, target)):
        if old is not None:
            execute(forget, (row, old))
            execute(f"DELETE FROM {table} WHERE _row = ?", (row,))
        if new is not None:
            execute(f"INSERT INTO {table} (_row, {TEXT}) VALUES (?, ?)", (row, new))
            execute(f"INSERT INTO {index} (rowid, {TEXT}) VALUES (?, ?)", (row, new))


def _differences(
    store: Store, table: str, target: config.FullTextTarget
) -> Iterator[tuple[int, str | None, str | None]]:
    """(row, text as kept, text as it is now) where they differ."""
    kept = iter(store.connection.execute(f"SELECT _row, {TEXT} FROM {table} ORDER BY _row"))
    wanted = (
        (row.number, text)
        for row in read_rows(store, target.relation)
        if (text := text_of(target, row)) is not None
    )
    old, new = next(kept, None), next(wanted, None)
    while old is not None or new is not None:
        if new is None or (old is not None and old[0] < new[0]):
            assert old is not None
            yield old[0], old[1], None
            old = next(kept, None)
        elif old is None or new[0] < old[0]:
            yield new[0], None, new[1]
            new = next(wanted, None)
        else:
            if old[1] != new[1]:
                yield old[0], old[1], new[1]
            old, new = next(kept, None), next(wanted, None)
