"""Many new rows at once: indexes and triggers are put aside, and made again from all rows at the end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from nesyc_runtime.kb.storage.history import many_rows
from nesyc_runtime.kb.storage.program import RelationPlan
from nesyc_runtime.kb.storage.rows import quote
from nesyc_runtime.kb.storage.store import Store


@contextmanager
def bulk(store: Store, relation: RelationPlan) -> Iterator[None]:
    """Only to insert rows that are known to fit, more of them than the relation has; within `store.writing()`."""
    table = relation.rows
    indexes = store.execute(
        "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND tbl_name = ? AND sql NOTNULL ORDER BY rowid",
        (table,),
    ).fetchall()
    log = store.execute(
        "SELECT sql FROM sqlite_master WHERE type = 'trigger' AND name = ?", (f"{relation.came}.insert",)
    ).fetchone()
    last = store.execute(f"SELECT ifnull(max(_row), 0) FROM {quote(table)}").fetchone()[0]
    for name, _ in indexes:
        store.execute(f"DROP INDEX {quote(name)}")
    if log is not None:
        store.execute(f"DROP TRIGGER {quote(f'{relation.came}.insert')}")
    with many_rows(store.connection, store.program, relation):
        yield
    if log is not None:
        store.execute(
            f"INSERT OR IGNORE INTO {quote(relation.came)} (_row) SELECT _row FROM {quote(table)} WHERE _row > ?",
            (last,),
        )
        store.execute(log[0])
    for _, sql in indexes:
        store.execute(sql)
