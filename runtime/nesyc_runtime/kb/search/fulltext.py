"""The words of one column of texts, read from its FTS5 index: where a word stands, and how long each text is.

SQLite's own ranking visits every text that holds any word of a question. Here the index is asked word by word, so that
a caller decides which words are worth it; what was asked is kept until the store changes.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nesyc_runtime.kb.storage.store import Store, quote

if TYPE_CHECKING:
    import numpy as np

    Numbers = np.ndarray[tuple[int], np.dtype[Any]]

KEPT = 1_000_000  # places of words kept at hand for each column: 16 MB


@dataclass(frozen=True, slots=True)
class IndexedText:
    """`column` of table `content`, by `_row`, which the FTS5 table `index` holds the words of."""

    index: str
    content: str
    column: str


class Words:
    """The index as it is now; make another after a change."""

    def __init__(self, store: Store, indexed: IndexedText) -> None:
        self._connection = store.connection
        self._indexed = indexed
        self._kept: OrderedDict[str, tuple[Numbers, Numbers]] = OrderedDict()
        self._size = 0
        self._counts: dict[str, int] = {}
        for kind in ("instance", "col"):
            # a virtual table over the index: it holds nothing, and is gone with the connection
            self._connection.execute(
                f"CREATE VIRTUAL TABLE IF NOT EXISTS temp.{quote(self._vocabulary(kind))} "
                f"USING fts5vocab(main, {quote(indexed.index)}, {kind})"
            )
        self.rows, self.lengths = self._read_lengths()

    def _vocabulary(self, kind: str) -> str:
        return f"{self._indexed.index}.{kind}"

    def count(self, word: str) -> int:
        """How many texts a word stands in."""
        if word not in self._counts:
            found = self._connection.execute(
                f"SELECT doc FROM temp.{quote(self._vocabulary('col'))} WHERE term = ? AND col = ?",
                (word, self._indexed.column),
            ).fetchone()
            self._counts[word] = int(found[0]) if found is not None else 0
        return self._counts[word]

    def places(self, word: str, most: int) -> tuple[Numbers, Numbers]:
        """Where a word stands, as places in `rows`, and how often in each; its first `most` occurrences at most."""
        import numpy as np

        if word in self._kept:
            self._kept.move_to_end(word)
            return self._kept[word]
        cursor = self._connection.execute(
            f"SELECT doc FROM temp.{quote(self._vocabulary('instance'))} WHERE term = ? AND col = ? LIMIT ?",
            (word, self._indexed.column, most),
        )
        # a row once for each time the word stands in it, in order
        read = np.array(cursor.fetchall(), dtype=np.int64).reshape(-1)
        starts = np.flatnonzero(np.diff(read, prepend=-(2**63)))
        found = np.searchsorted(self.rows, read[starts]), np.diff(starts, append=len(read))
        self._kept[word] = found
        self._size += len(starts)
        while self._size > KEPT:
            self._size -= len(self._kept.popitem(last=False)[1][0])
        return found

    def texts(self, rows: Sequence[int]) -> dict[int, str]:
        listed = ", ".join(str(int(row)) for row in rows)
        return dict(
            self._connection.execute(
                f"SELECT _row, {quote(self._indexed.column)} FROM {quote(self._indexed.content)} "
                f"WHERE _row IN ({listed})"
            )
        )

    def _read_lengths(self) -> tuple[Numbers, Numbers]:
        """The rows that have words, in order, and how many: FTS5 keeps them beside the index, a varint a column."""
        import numpy as np

        names = [
            row[1] for row in self._connection.execute(f"PRAGMA table_info({quote(self._indexed.index)})")
        ]
        found = self._connection.execute(
            f"SELECT id, sz FROM {quote(self._indexed.index + '_docsize')} ORDER BY id"
        ).fetchall()
        rows = np.array([row for row, _ in found], dtype=np.int64)
        sizes = _varints(b"".join(sizes for _, sizes in found)).reshape(len(found), len(names))
        lengths = sizes[:, names.index(self._indexed.column)]
        return rows[lengths > 0], lengths[lengths > 0]


def _varints(encoded: bytes) -> Numbers:
    """Numbers of SQLite's variable-length form below 2**56: seven bits a byte, the last one without its high bit."""
    import numpy as np

    data = np.frombuffer(encoded, dtype=np.uint8)
    ends = np.flatnonzero(data < 128)
    starts = np.concatenate(([0], ends[:-1] + 1)) if len(ends) else ends
    values = np.zeros(len(ends), dtype=np.int64)
    for step in range(int((ends - starts).max(initial=-1)) + 1):
        places = starts + step
        inside = places <= ends
        values[inside] = (values[inside] << 7) | (data[places[inside]] & 127)
    return values
