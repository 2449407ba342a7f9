"""Two rankings of documents for a question: by its words (BM25) and by its meaning (cosine of vectors)."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from nesyc_runtime.errors import UserError
from nesyc_runtime.kb.words import query_words, words

if TYPE_CHECKING:
    import numpy as np

    Numbers = np.ndarray[tuple[int], np.dtype[Any]]
    # texts -> float32 [len(texts), dim]
    Embed = Callable[[Sequence[str]], "np.ndarray[tuple[int, int], np.dtype[np.float32]]"]

DIGITS = 6  # scores equal to so many decimals count as tied
FEW = 10  # documents: so small a number is never "very frequent"
SATURATION, LENGTH = 1.2, 0.75  # BM25's k1 and b, as FTS5 and Lucene have them
AT_ONCE = 256  # documents put in order at first; the rest only where a filter asks for more


class WordIndex:
    """Full-text search (BM25) over texts in memory; a document is its place in `texts`.

    Scores are Robertson's BM25 with Lucene's inverse document frequency, log(1 + (N - n + 0.5) / (n + 0.5)), which
    stays above 0 in a KB of a few rows. A question is only ever looked up word by word: nothing in it is syntax.
    """

    def __init__(self, texts: Sequence[str]) -> None:
        import numpy as np

        self._size = len(texts)
        self._postings: dict[str, tuple[array[int], array[int]]] = {}
        self._weights: dict[str, tuple[Numbers, Numbers]] = {}
        lengths = np.zeros(self._size)
        for place, text in enumerate(texts):
            counts = Counter(words(text))
            lengths[place] = counts.total()
            for word, count in counts.items():
                documents, times = self._postings.setdefault(word, (array("i"), array("i")))
                documents.append(place)
                times.append(count)
        mean = lengths.mean() if self._size else 0.0
        self._damping = SATURATION * (1 - LENGTH + LENGTH * lengths / (mean or 1.0))

    def search(self, text: str) -> Iterator[tuple[int, float]]:
        """(document, score) of those that share a word with `text`, the best first; scores are positive.

        Words that stand in more than half of the documents are left out where the text has others.
        """
        import numpy as np

        found = query_words(text)
        rare = [word for word in found if self._count(word) <= max(FEW, self._size // 2)]
        chosen = [word for word in rare or found if self._count(word)]
        if not chosen:
            return
        scores = np.zeros(self._size)
        for word in chosen:
            documents, weights = self._weighted(word)
            scores[documents] += weights
        matched = np.flatnonzero(scores)
        yield from _best_first(matched, np.round(scores[matched], DIGITS))

    def _count(self, word: str) -> int:
        """How many documents a word stands in."""
        return len(self._postings[word][0]) if word in self._postings else 0

    def _weighted(self, word: str) -> tuple[Numbers, Numbers]:
        """The documents a word stands in, and what it adds to the score of each."""
        import numpy as np

        if word not in self._weights:
            documents, times = (np.array(numbers, dtype=np.int64) for numbers in self._postings[word])
            rarity = np.log1p((self._size - len(documents) + 0.5) / (len(documents) + 0.5))
            weights = rarity * times * (SATURATION + 1) / (times + self._damping[documents])
            self._weights[word] = documents, weights
        return self._weights[word]


def _best_first(documents: Numbers, scores: Numbers) -> Iterator[tuple[int, float]]:
    """Documents by falling score, ties by place; what is far down is put in order only when reached."""
    import numpy as np

    if len(scores) > AT_ONCE:
        near = scores >= np.partition(scores, -AT_ONCE)[-AT_ONCE]
        parts = [(documents[near], scores[near]), (documents[~near], scores[~near])]
    else:
        parts = [(documents, scores)]
    for part, values in parts:
        for place in np.argsort(-values, kind="stable"):
            yield int(part[place]), float(values[place])


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
        rounded = np.round(scores.astype(np.float64), DIGITS)
        return [_best_first(np.arange(len(row)), row) for row in rounded]


def _units(
    vectors: np.ndarray[tuple[int, int], np.dtype[np.float32]],
) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    import numpy as np

    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    units = np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > 0)
    return np.asarray(units, dtype=np.float32)
