"""Rows that say something else than those before them: maximal marginal relevance (Carbonell and Goldstein 1998)."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from nesyc_runtime.kb.search.merging import Scored
from nesyc_runtime.kb.search.words import telling_words, words


def diversified(ranked: Iterator[Scored], share: float, depth: int) -> Iterator[Scored]:
    """The first `depth` rows, in the order in which each is next best by (1 - share) * score - share * likeness.

    Scores are stretched to 0 .. 1 over these rows; a row's likeness is the greatest share of words it has in common
    with one that was given before. At equal value the better ranked row comes first; `share` 0 changes nothing.
    """
    if share == 0:
        yield from ranked
        return
    left = list(islice(ranked, depth))
    if not left:
        return
    low, spread = left[-1][1], left[0][1] - left[-1][1]
    said = [frozenset(telling_words(dict.fromkeys(words(document.line)))) for document, _ in left]
    worth = [(1 - share) * ((score - low) / spread if spread else 1.0) for _, score in left]
    likeness = [0.0] * len(left)
    open_ = list(range(len(left)))
    while open_:
        best = max(open_, key=lambda place: (worth[place] - share * likeness[place], -place))
        open_.remove(best)
        yield left[best]
        for place in open_:
            likeness[place] = max(likeness[place], _in_common(said[best], said[place]))


def _in_common(one: frozenset[str], other: frozenset[str]) -> float:
    return len(one & other) / len(one | other) if one | other else 0.0
