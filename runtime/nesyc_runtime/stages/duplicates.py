"""Texts that say the same in almost the same words.

Two texts are near duplicates where they share at least `ALIKE` of their words (Jaccard) and name the same numbers:
a formula with another number is another formula. Candidates are found by prefix filtering (Chaudhuri, Ganti and
Kaushik, ICDE 2006; Bayardo, Ma and Srikant, WWW 2007): exact, and far from comparing every pair.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from math import ceil
from typing import Any

from nesyc_runtime.hashing import canonical_json

ALIKE = 0.9
ROUNDING = 1e-9
_WORD = re.compile(r"[^\W_]+")


def alike(entries: Sequence[Mapping[str, Any]], texts: Sequence[str]) -> list[int]:
    """For each entry the place of the first one like it: `texts` nearly alike, everything else equal."""
    groups: dict[str, list[int]] = defaultdict(list)
    for place, values in enumerate(entries):
        rest = {name: value for name, value in values.items() if name not in texts}
        groups[canonical_json([rest, [values.get(name) is None for name in texts]])].append(place)
    firsts = list(range(len(entries)))
    for places in groups.values():
        words = ["\n".join(str(entries[place].get(name)) for name in texts) for place in places]
        for place, first in zip(places, near_duplicates(words), strict=True):
            firsts[place] = places[first]
    return firsts


def near_duplicates(texts: Sequence[str]) -> list[int]:
    """For each text the place of the first one that says the same: its own where it is the first."""
    words = [frozenset(_WORD.findall(text.casefold())) for text in texts]
    often = Counter(word for one in words for word in one)
    index: dict[str, list[int]] = defaultdict(list)
    firsts: list[int] = []
    for place, own in enumerate(words):
        prefix = _prefix(own, often)
        candidates = sorted({other for word in prefix for other in index[word]})
        first = next((other for other in candidates if _alike(own, words[other])), place)
        firsts.append(first)
        if first == place:
            for word in prefix:
                index[word].append(place)
    return firsts


def _prefix(words: frozenset[str], often: Counter[str]) -> list[str]:
    """The rarest words, so many that two texts as alike as asked for share one of them."""
    ordered = sorted(words, key=lambda word: (often[word], word))
    return ordered[: len(words) - ceil(ALIKE * len(words) - ROUNDING) + 1]


def _alike(one: frozenset[str], other: frozenset[str]) -> bool:
    if _numbers(one) != _numbers(other):
        return False
    shared = len(one & other)
    return shared >= ALIKE * (len(one) + len(other) - shared) - ROUNDING


def _numbers(words: frozenset[str]) -> frozenset[str]:
    return frozenset(word for word in words if any(sign.isdigit() for sign in word))
