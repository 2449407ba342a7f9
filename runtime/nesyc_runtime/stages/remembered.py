"""What retrieval gave, kept by content: the same question over the same knowledge is searched for once.

A key hashes the question, what is held out, the settings of the search, the models that take part and the state of the
knowledge base, so nothing kept is ever out of date. The file is a cache: it may be deleted, and where it cannot be read
or written, searching goes on without it.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from nesyc_runtime.stages.ports import Found

BUSY_SECONDS = 2.0
AT_ONCE = 500


class Remembered:
    """Results by key in `file`, those of each `retrieve` block for one state of its knowledge base only."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._connection: sqlite3.Connection | None = None

    def get(self, keys: Sequence[str]) -> dict[str, Found]:
        """What is kept of these."""
        found: dict[str, Found] = {}
        with suppress(sqlite3.Error, OSError, ValueError, KeyError, TypeError):
            for start in range(0, len(keys), AT_ONCE):
                some = keys[start : start + AT_ONCE]
                marks = ", ".join("?" * len(some))
                sql = f"SELECT key, value FROM retrieved WHERE key IN ({marks})"  # noqa: S608 (marks only)
                for key, value in self._open().execute(sql, some):
                    found[key] = _found(json.loads(value))
        return found

    def put(self, retrieve: str, revision: str, results: Iterable[tuple[str, Found]]) -> None:
        """Keep results of a block for one state of its knowledge base; those for earlier states go."""
        rows = [(key, retrieve, revision, json.dumps(_values(one))) for key, one in results]
        with suppress(sqlite3.Error, OSError):
            connection = self._open()
            with connection:
                connection.execute(
                    "DELETE FROM retrieved WHERE retrieve = ? AND revision <> ?", (retrieve, revision)
                )
                connection.executemany("INSERT OR REPLACE INTO retrieved VALUES (?, ?, ?, ?)", rows)

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _open(self) -> sqlite3.Connection:
        if self._connection is None:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            connection = sqlite3.connect(self._file, timeout=BUSY_SECONDS)
            try:
                connection.execute("PRAGMA journal_mode = WAL")
                connection.execute(
                    "CREATE TABLE IF NOT EXISTS retrieved (\n  key TEXT PRIMARY KEY,\n  retrieve TEXT NOT NULL,\n"
                    "  revision TEXT NOT NULL,\n  value TEXT NOT NULL\n) STRICT"
                )
            except BaseException:
                connection.close()
                raise
            self._connection = connection
        return self._connection


def _values(found: Found) -> Mapping[str, object]:
    return {"text": found.text, "hits": found.hits, "facts": found.facts}


def _found(value: Mapping[str, object]) -> Found:
    hits, facts, text = value["hits"], value["facts"], value["text"]
    if not (isinstance(hits, list) and isinstance(facts, list) and isinstance(text, str | None)):
        raise ValueError("no result of a search")
    return Found(text, tuple(hits), tuple(facts))
