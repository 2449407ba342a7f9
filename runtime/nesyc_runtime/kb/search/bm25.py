"""Full-text search: texts ranked for a question by BM25, over the FTS5 indexes of one or several columns."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

from nesyc_runtime.kb.search.words import LONGEST_QUERY, telling_words, word_forms, words

if TYPE_CHECKING:
    import numpy as np

    from nesyc_runtime.kb.search.fulltext import Words

    Numbers = np.ndarray[tuple[int], np.dtype[Any]]

Hit = tuple[int, int, float]  # number of the column, row, score

DIGITS = 6  # scores equal to so many decimals count as tied
FEW = 10  # texts: so small a number is never "very frequent"
SATURATION, LENGTH = 1.2, 0.75  # BM25's k1 and b, as FTS5 and Lucene have them
READ = 16_384  # places of words that are read for a question: some 10 ms where none is at hand
COMPARED = 128  # texts that are compared by all words of the question, at least


class WordIndex:
    """BM25 over the texts of several columns as if they were one, so that their scores compare.

    Scores are Robertson's BM25 with Lucene's inverse document frequency, log(1 + (N - n + 0.5) / (n + 0.5)), which
    stays above 0 in a KB of a few rows. A question is only ever looked up word by word: nothing in it is syntax.

    Texts are found by the rarer words of a question: stop words, words that stand in more than half of the texts, and
    the most frequent ones once `READ` places are read find nothing, where it has others. The best of what is found are
    then compared by all words.
    """

    def __init__(self, columns: Sequence[Words]) -> None:
        self._columns = columns
        self._size = sum(len(column.rows) for column in columns)
        total = sum(int(column.lengths.sum()) for column in columns)
        self._mean = total / self._size if self._size else 1.0
        self._damping = [_damping(column.lengths, self._mean) for column in columns]

    def search(self, question: str, depth: int = COMPARED) -> Iterator[list[Hit]]:
        """The texts found, in blocks from the best on; within a block scores fall, and are positive.

        The first block holds `depth` texts or more; all of it is ordered by the whole question.
        """
        forms = dict(islice(word_forms(question).items(), LONGEST_QUERY))
        counts = {word: self._count(forms[word]) for word in forms}
        chosen = self._chosen(counts)
        if not chosen:
            return
        rarity = {word: self._rarity(count) for word, count in counts.items() if count}
        found = [
            self._scored(number, [(forms[word], rarity[word]) for word in chosen])
            for number in range(len(self._columns))
        ]
        numbers, rows, scores = _joined(found)
        for block in _best_first(scores, max(depth, COMPARED)):
            yield self._compared(numbers[block], rows[block], rarity)

    def _count(self, forms: Sequence[str]) -> int:
        """How many texts a word stands in."""
        return sum(column.count(form) for column in self._columns for form in forms)

    def _rarity(self, count: int) -> float:
        return math.log1p((max(0, self._size - count) + 0.5) / (count + 0.5))

    def _chosen(self, counts: Mapping[str, int]) -> list[str]:
        """The words that texts are found by, the rarest first."""
        telling = sorted(telling_words(counts), key=lambda word: counts[word])
        half = max(FEW, self._size // 2)
        chosen: list[str] = []
        left = READ
        for word in [word for word in telling if counts[word] <= half] or telling:
            if counts[word] and (not chosen or counts[word] <= left):
                chosen.append(word)
                left -= counts[word]
        return chosen

    def _scored(self, number: int, chosen: Sequence[tuple[Sequence[str], float]]) -> tuple[Numbers, Numbers]:
        """Rows of a column that hold a chosen word, in order, and what these words add up to."""
        import numpy as np

        column, damping = self._columns[number], self._damping[number]
        scores = np.zeros(len(column.rows))
        for forms, rarity in chosen:
            for form in forms:
                places, times = column.places(form, READ)
                scores[places] += rarity * times * (SATURATION + 1) / (times + damping[places])
        found = np.flatnonzero(scores)
        return column.rows[found], scores[found]

    def _compared(self, numbers: Numbers, rows: Numbers, weights: dict[str, float]) -> list[Hit]:
        hits: list[Hit] = []
        for number, column in enumerate(self._columns):
            for row, text in column.texts(rows[numbers == number]).items():
                score = self._score(text, weights)
                if score > 0:
                    hits.append((number, row, score))
        return sorted(hits, key=lambda hit: (-hit[2], hit[0], hit[1]))

    def _score(self, text: str, weights: dict[str, float]) -> float:
        found = words(text)
        damping = SATURATION * (1 - LENGTH + LENGTH * len(found) / self._mean)
        times = dict.fromkeys(weights, 0)  # in the question's order, so that sums round the same way
        for word in found:
            if word in times:
                times[word] += 1
        return round(
            sum(weights[word] * n * (SATURATION + 1) / (n + damping) for word, n in times.items() if n),
            DIGITS,
        )


def _damping(lengths: Numbers, mean: float) -> Numbers:
    damped: Numbers = SATURATION * (1 - LENGTH + LENGTH * lengths / mean)
    return damped


def _joined(found: Sequence[tuple[Numbers, Numbers]]) -> tuple[Numbers, Numbers, Numbers]:
    import numpy as np

    numbers = np.repeat(np.arange(len(found)), [len(rows) for rows, _ in found])
    rows = np.concatenate([rows for rows, _ in found])
    return numbers, rows, np.round(np.concatenate([scores for _, scores in found]), DIGITS)


def _best_first(scores: Numbers, size: int) -> Iterator[Numbers]:
    """Places of `scores` in blocks from the best on; what is tied stays in one block, unless it is very much.

    The first block is of about `size` places, and all others are put in order only where they are asked for.
    """
    import numpy as np

    least = np.partition(scores, -size)[-size] if size < len(scores) else 0.0
    first = np.flatnonzero(scores >= least)
    first = first[np.argsort(-scores[first], kind="stable")][: 8 * size]
    yield first
    if len(first) < len(scores):
        rest = np.setdiff1d(np.arange(len(scores)), first)
        rest = rest[np.argsort(-scores[rest], kind="stable")]
        for start in range(0, len(rest), 8 * size):
            yield rest[start : start + 8 * size]
