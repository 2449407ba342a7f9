"""A store copied into memory, for what must not touch the file: measuring, and trying other rules."""

from __future__ import annotations

from nesyc_runtime import config
from nesyc_runtime.kb.storage.program import Program
from nesyc_runtime.kb.storage.store import Store, open_store

KEPT = ("schema", "objects", "facts", "source")  # what a store says of itself besides what it derived


def copied(store: Store, kb: config.Kb | None = None, program: Program | None = None) -> Store:
    """The stored rows of `store` in memory, nothing taken for derived; SQLite runs the rules.

    `kb` and `program` replace the store's own; they must have the same relations.
    """
    declared = (kb or store.kb).model_copy(update={"engine": "sqlite"})
    copy = open_store(None, declared, program or store.program)
    store.connection.backup(copy.connection)
    marks = ", ".join("?" * len(KEPT))
    copy.execute(f'DELETE FROM "nesyc.state" WHERE key NOT IN ({marks})', KEPT)
    return copy
