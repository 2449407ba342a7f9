"""Two rankings of documents for a question: by its words (BM25) and by its meaning (cosine of vectors)."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from nesyc_runtime.errors import UserError
from nesyc_runtime.kb.words import query_words, words

if TYPE_CHECKING:
    import numpy as np

    # texts -> float32 [len(texts), dim]
    Embed = Callable[[Sequence[str]], "np.ndarray[tuple[int, int], np.dtype[np.float32]]"]

DIGITS = 6  # scores equal to so many decimals count as tied
FEW = 10  # documents: so small a number is never "very frequent"


class WordIndex:
    """Full-text search (FTS5, BM25) over texts in memory; a document is its place in `texts`."""

    def __init__(self, texts: Sequence[str]) -> None:
        self._size = len(texts)
        self._db = sqlite3.connect(":memory:", check_same_thread=False)
        self._db.execute("CREATE VIRTUAL TABLE doc USING fts5(text, content='', tokenize='unicode61')")
        self._db.execute("CREATE VIRTUAL TABLE term USING fts5vocab(doc, 'row')")
        rows = ((place, " ".join(words(text))) for place, text in enumerate(texts, 1))
        self._db.executemany("INSERT INTO doc (rowid, text) VALUES (?, ?)", rows)
        self._frequency: dict[str, int] = {}

    def search(self, text: str) -> Iterator[tuple[int, float]]:
        """(document, score) of those that share a word with `text`, the best first; scores are positive.

        Words that stand in more than half of the documents are left out where the text has others.
        """
        found = query_words(text)
        rare = [word for word in found if self._count(word) <= max(FEW, self._size // 2)]
        chosen = [word for word in rare or found if self._count(word)]
        if not chosen:
            return
        # every word is a quoted string, so nothing in it is taken for syntax
        match = " OR ".join(f'"{word}"' for word in chosen)
        sql = "SELECT rowid, bm25(doc) FROM doc WHERE doc MATCH ? ORDER BY rank"
        for place, rank in self._db.execute(sql, (match,)):
            yield place - 1, round(-rank, DIGITS)

    def _count(self, word: str) -> int:
        """How many documents a word stands in."""
        if word not in self._frequency:
            record = self._db.execute("SELECT doc FROM term WHERE term = ?", (word,)).fetchone()
            self._frequency[word] = record[0] if record is not None else 0
        return self._frequency[word]

    def close(self) -> None:
        self._db.close()


class VectorIndex:
    """Exact cosine search; a zero vector is like nothing."""

    def __init__(self, vectors: np.ndarray[tuple[int, int], np.dtype[np.float32]], embed: Embed) -> None:
        self._units = _units(vectors)
        self._embed = embed

    def search_many(self, texts: Sequence[str]) -> list[Iterator[tuple[int, float]]]:
        """For each text (document, cosine), the best first."""
        import numpy as np

        if not len(self._units) or not texts:
            return [iter(()) for _ in texts]
        asked = np.asarray(self._embed(texts), dtype=np.float32)
        if asked.shape != (len(texts), self._units.shape[1]):
            raise UserError(
                f"the embedder gives vectors of shape {asked.shape[1:]}, the KB holds {self._units.shape[1]} numbers each",
                "compute the KB's vectors again with the embedder that is declared now",
            )
        scores = _units(asked) @ self._units.T  # [texts, documents]
        return [_ordered(row) for row in scores]


def _units(
    vectors: np.ndarray[tuple[int, int], np.dtype[np.float32]],
) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    import numpy as np

    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    units = np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > 0)
    return np.asarray(units, dtype=np.float32)


def _ordered(scores: np.ndarray[tuple[int], np.dtype[np.float32]]) -> Iterator[tuple[int, float]]:
    import numpy as np

    rounded = np.round(scores.astype(np.float64), DIGITS)
    for place in np.argsort(-rounded, kind="stable"):
        yield int(place), float(rounded[place])
