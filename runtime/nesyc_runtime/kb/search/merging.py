"""Ranked lists of rows, made one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from nesyc_runtime import config
from nesyc_runtime.kb.search.bm25 import DIGITS
from nesyc_runtime.kb.search.retrieval_rows import KbRow

RANK_OFFSET = 60  # of reciprocal rank fusion (Cormack, Clarke, Buettcher 2009)

Place = tuple[str, tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class Document:
    """A row as one target shows it: `text` is searched and, where the relation says nothing, shown."""

    row: KbRow
    text: str

    @property
    def line(self) -> str:
        return (self.row.sentence if self.row.sentence is not None else self.text).strip()

    @property
    def place(self) -> Place:
        return self.row.relation, self.row.key


Scored = tuple[Document, float]


def merge(search: config.Search, lists: Sequence[Iterator[Scored]], depth: int) -> Iterator[Scored]:
    """One list of rows, each once, the best first; of several lists `depth` rows each are looked at."""
    if len(lists) == 1:
        return lists[0]
    found = [list(islice(ranked, depth)) for ranked in lists]
    if search.merge == "weights":
        shares = [_by_weight(ranked, weight) for ranked, weight in zip(found, search.weights, strict=True)]
    else:
        shares = [_by_rank(ranked) for ranked in found]
    totals: dict[Place, float] = {}
    documents: dict[Place, Document] = {}
    for share in shares:
        for document, score in share:
            totals[document.place] = totals.get(document.place, 0.0) + score
            documents.setdefault(document.place, document)
    merged = [(documents[place], round(total, DIGITS)) for place, total in totals.items()]
    return iter(sorted(merged, key=lambda scored: (-scored[1], tie_order(scored))))


def once(ranked: Iterator[Scored]) -> Iterator[Scored]:
    """Each row at its best place only: a row may be found by several of its columns."""
    seen: set[Place] = set()
    for document, score in ranked:
        if document.place not in seen:
            seen.add(document.place)
            yield document, score


def tie_order(scored: Scored) -> tuple[str, tuple[tuple[str, Any], ...]]:
    row = scored[0].row
    return row.relation, tuple(_sortable(value) for value in row.key)


def _sortable(value: Any) -> tuple[str, Any]:
    """Values of any type in one order: null, numbers, texts."""
    if value is None:
        return "", 0
    return ("number", value) if isinstance(value, (bool, int, float)) else ("text", str(value))


def _by_weight(ranked: Sequence[Scored], weight: float) -> list[Scored]:
    """Scores stretched to 0 .. 1 over what was found, times the weight; where all are equal each counts whole."""
    if not ranked:
        return []
    low, high = ranked[-1][1], ranked[0][1]
    spread = high - low
    return [(document, weight * ((score - low) / spread if spread else 1.0)) for document, score in ranked]


def _by_rank(ranked: Sequence[Scored]) -> list[Scored]:
    return [(document, 1.0 / (RANK_OFFSET + rank)) for rank, (document, _) in enumerate(ranked, 1)]
