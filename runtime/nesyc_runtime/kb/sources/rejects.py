"""Rows of fact files that do not fit: one CSV file a relation, `.nesy/rejects/KB/RELATION.csv`, written whole or not at all.

A file that may have bad rows (`bad_rows = .reject`) loads without them; of any other the load stops, once the whole file
has been read, so that the reject file shows all of them.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections import Counter
from collections.abc import Callable
from glob import escape
from pathlib import Path
from typing import IO, Any

from nesyc_runtime.errors import UserError
from nesyc_runtime.files import write_csv_line
from nesyc_runtime.kb.sources.source import Bad, Source
from nesyc_runtime.kb.storage.program import RelationPlan
from nesyc_runtime.kb.storage.store import Store

HEADER = ("file", "row", "reason", "cells")
STATE = "rejects"


class Rejects:
    """The bad rows of one relation while it is loaded; `folder` None keeps no file. Leave it by `finish` or `discard`."""

    def __init__(self, folder: Path | None, relation: RelationPlan) -> None:
        self.relation = relation
        self.counts: Counter[str] = Counter()
        self._file = None if folder is None else folder / f"{relation.view}.csv"
        self._written: IO[str] | None = None
        self._first: str | None = None  # of a file that has to be sound
        self._stopping = 0
        self._sources: dict[str, Source] = {}
        for left in folder.glob(f".{escape(relation.view)}.csv.*") if folder else ():
            left.unlink(missing_ok=True)  # by a load that was killed: loads of one KB wait for each other

    def add(self, source: Source, row: Bad) -> None:
        """Take note of a bad row."""
        self.counts[source.shown] += 1
        if source.file.bad_rows == "stop":
            self._stopping += 1
            self._first = self._first or f"{source.place(row.number)}: {row.reason}"
        if self._file is not None:
            self._write((source.shown, row.number, row.reason, _cells(row.raw)))

    def again(self, owner: str, line: int, reason: str, cells: Callable[[], Any]) -> bool:
        """Take a row of a file that may have bad ones, whose key an earlier row has; gives whether it is one."""
        source = self._sources.get(owner)
        if source is None or source.file.bad_rows == "stop":
            return False
        self.add(source, Bad(line, reason, cells()))
        return True

    def reading(self, source: Source) -> Source:
        """Say which file is read next."""
        self._sources[source.owner] = source
        return source

    def all_read(self) -> None:
        """Every file is read; raises `UserError` as `finish` does."""
        if self._first is not None:
            self.finish()

    def finish(self) -> None:
        """Put the reject file in its place, or remove an earlier one where every row fits.

        Raises `UserError` with the place of the first bad row of a file that has to be sound.
        """
        if self._file is not None and self._written is not None:
            self._written.flush()
            os.fsync(self._written.fileno())
            self._written.close()
            Path(self._written.name).replace(self._file)
            self._written = None
        elif self._file is not None:
            self._file.unlink(missing_ok=True)
        if self._first is not None:
            raise self._refused(self._first)

    def discard(self) -> None:
        """Leave nothing behind."""
        if self._written is not None:
            self._written.close()
            Path(self._written.name).unlink(missing_ok=True)
            self._written = None

    def note(self) -> dict[str, Any]:
        """What the store remembers of them."""
        return {"rows": self.counts.total(), "file": self._shown}

    @property
    def _shown(self) -> str | None:
        return None if self._file is None else "/".join((*self._file.parts[-4:-1], self._file.name))

    def _refused(self, first: str) -> UserError:
        more = self._stopping - 1
        if not more:
            return UserError(first, "mend the row, or leave bad rows out:  bad_rows = .reject")
        where = f"; they stand in {self._shown}" if self._file is not None else ""
        return UserError(
            f"{first} (and {more} more bad row{'s' * (more > 1)}{where})",
            "mend the rows, or leave them out:  bad_rows = .reject",
        )

    def _write(self, cells: tuple[Any, ...]) -> None:
        if self._written is None:
            assert self._file is not None
            self._file.parent.mkdir(parents=True, exist_ok=True)
            self._written = tempfile.NamedTemporaryFile(  # noqa: SIM115 - closed by `finish` and `discard`
                "w",
                dir=self._file.parent,
                prefix=f".{self._file.name}.",
                delete=False,
                encoding="utf-8",
                errors="replace",
                newline="",
            )
            write_csv_line(self._written, HEADER)
        write_csv_line(self._written, cells)


def _cells(raw: Any) -> str:
    return json.dumps(raw, ensure_ascii=False, default=str)


def rejected(store: Store) -> list[str]:
    """A sentence for each relation of which the last load left rows out."""
    notes: dict[str, dict[str, Any]] = json.loads(store.state(STATE) or "{}")
    return [
        f"{note['rows']} row{'s' * (note['rows'] != 1)} of `{name}` did not fit and {'was' if note['rows'] == 1 else 'were'} left out"
        + (f": see {note['file']}" if note["file"] else "")
        for name, note in notes.items()
    ]
