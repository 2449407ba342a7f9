"""The answer store: every teacher answer, kept the moment it comes, asked for once.

One SQLite file in WAL mode, one committed row per answer: a killed process loses at most the calls in
flight. (A power failure may lose the last few commits: WAL with synchronous = NORMAL.) A call that
failed or gave no text leaves no row.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

from nesyc_runtime.errors import UserError
from nesyc_runtime.files import printable
from nesyc_runtime.teachers.base import Answer
from nesyc_runtime.teachers.likely import Likely

VERSION = 1
SCHEMA = """
CREATE TABLE IF NOT EXISTS answers (
  key               TEXT PRIMARY KEY,
  teacher           TEXT NOT NULL,
  text              TEXT NOT NULL,
  prompt_tokens     INTEGER NOT NULL,
  completion_tokens INTEGER NOT NULL,
  usd               REAL NOT NULL
) STRICT, WITHOUT ROWID
"""
LIKELY = "CREATE TABLE IF NOT EXISTS likely (key TEXT PRIMARY KEY, data BLOB NOT NULL) STRICT, WITHOUT ROWID"
CHUNK = 500


class AnswerStore:
    """Answers by request key.

    Raises `UserError` where the file is no answer store, or one of another version.
    """

    def __init__(self, file: Path) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        self._file = file
        self._db = sqlite3.connect(file, timeout=60, isolation_level=None)
        try:
            self._open()
        except sqlite3.DatabaseError as error:
            self._db.close()
            raise UserError(
                f"the answer store {file.name} cannot be read: {printable(str(error))}",
                f"move {file.name} out of {file.parent.name}/ (answers in it are asked for again)",
            ) from None

    def _open(self) -> None:
        version = self._db.execute("PRAGMA user_version").fetchone()[0]
        if version not in (0, VERSION):
            raise sqlite3.DatabaseError(f"it has version {version}, this nesyc reads {VERSION}")
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = NORMAL")
        self._db.execute(SCHEMA)
        self._db.execute(LIKELY)
        self._db.execute(f"PRAGMA user_version = {VERSION}")

    def get_many(self, keys: Sequence[str]) -> dict[str, Answer]:
        """The stored answers among `keys`."""
        found: dict[str, Answer] = {}
        for start in range(0, len(keys), CHUNK):
            rows = self._db.execute(
                "SELECT a.key, a.text, a.prompt_tokens, a.completion_tokens, a.usd"
                " FROM json_each(?) k JOIN answers a ON a.key = k.value",
                (json.dumps(list(keys[start : start + CHUNK])),),
            )
            for key, text, sent, received, usd in rows:
                found[key] = Answer(text, (sent, received), usd)
        return found

    def put(self, key: str, teacher: str, answer: Answer) -> None:
        """Keep an answer, committed when this returns; one already there is left as it is."""
        text = answer.text.encode("utf-8", "replace").decode("utf-8")  # SQLite takes no lone surrogates
        with self._whole():
            added = self._db.execute(
                "INSERT OR IGNORE INTO answers VALUES (?, ?, ?, ?, ?, ?)",
                (key, teacher, text, *answer.tokens, answer.usd),
            ).rowcount
            if added and answer.likely is not None:
                self._db.execute("INSERT INTO likely VALUES (?, ?)", (key, answer.likely.pack()))

    @contextmanager
    def _whole(self) -> Iterator[None]:
        """A transaction: all that is written in it, or nothing."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    def likely(self, keys: Sequence[str]) -> dict[str, Likely]:
        """The likeliest tokens of those answers among `keys` whose teacher gave them."""
        found: dict[str, Likely] = {}
        for start in range(0, len(keys), CHUNK):
            rows = self._db.execute(
                "SELECT l.key, l.data FROM json_each(?) k JOIN likely l ON l.key = k.value",
                (json.dumps(list(keys[start : start + CHUNK])),),
            )
            found |= {key: Likely.unpack(data) for key, data in rows}
        return found

    def lengths(self, teacher: str) -> list[tuple[int, int]]:
        """(characters, completion tokens) of a teacher's answers, where its server counted tokens."""
        rows = self._db.execute(
            "SELECT length(text), completion_tokens FROM answers WHERE teacher = ? AND completion_tokens > 0",
            (teacher,),
        )
        return [(characters, tokens) for characters, tokens in rows]

    def count(self) -> int:
        return int(self._db.execute("SELECT count(*) FROM answers").fetchone()[0])

    def close(self) -> None:
        self._db.close()

    def __enter__(self) -> AnswerStore:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
