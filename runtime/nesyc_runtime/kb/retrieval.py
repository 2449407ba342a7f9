"""What a KB gives a question: search, filter, merge, cut to size, put in words.

The index lives in memory. It is built at the first question and again whenever rows have changed since, so it is
always in step with the rows; opening a store costs nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from nesyc_runtime import config
from nesyc_runtime.errors import UserError
from nesyc_runtime.expressions import is_true, relation_tests
from nesyc_runtime.kb.retrieval_index import DIGITS, VectorIndex, WordIndex
from nesyc_runtime.kb.retrieval_rows import KbRow, read_rows
from nesyc_runtime.kb.store import Store
from nesyc_runtime.kb.values import shown

if TYPE_CHECKING:
    from nesyc_runtime.kb.retrieval_index import Embed

DEEP = 64  # hits of each target that merging looks at, at least
RANK_OFFSET = 60  # of reciprocal rank fusion (Cormack, Clarke, Buettcher 2009)


@dataclass(frozen=True, slots=True)
class Retrieved:
    """`hits` and `facts` are the objects of the `retrieve` contract; `text` what stands in the prompt, or None."""

    text: str | None
    hits: tuple[dict[str, Any], ...] = ()
    facts: tuple[dict[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class Document:
    """A row as one target shows it: `text` is searched and, where the relation says nothing, shown."""

    row: KbRow
    text: str

    @property
    def line(self) -> str:
        return (self.row.sentence if self.row.sentence is not None else self.text).strip()

    @property
    def place(self) -> tuple[str, tuple[Any, ...]]:
        return self.row.relation, self.row.key


@dataclass(frozen=True, slots=True)
class Ranking:
    """One ranked list; `documents` by their number in `words` or `vectors`."""

    documents: Sequence[Document]
    words: WordIndex | None
    vectors: VectorIndex | None

    def search_many(self, questions: Sequence[str]) -> list[Iterator[tuple[int, float]]]:
        if self.vectors is not None:
            return self.vectors.search_many(questions)
        assert self.words is not None
        return [self.words.search(question) for question in questions]


Scored = tuple[Document, float]


class Retriever:
    """One `retrieve` block over an open, evaluated store.

    `embed` turns texts into float32 vectors [n, dim], `count_tokens` measures a text for `budget`.
    """

    def __init__(
        self,
        store: Store,
        retrieve: config.Retrieve,
        *,
        embed: Embed | None = None,
        count_tokens: Callable[[str], int] | None = None,
    ) -> None:
        self._store = store
        self._retrieve = retrieve
        self._embed = embed
        self._count_tokens = count_tokens or approximate_tokens
        self._rankings: list[Ranking] = []
        self._holds: dict[str, frozenset[tuple[Any, ...]]] = {}
        self._stamp: tuple[int, int] | None = None

    def retrieve_many(
        self, questions: Sequence[str], exclude: Sequence[Collection[str]] | None = None
    ) -> list[Retrieved]:
        """What each question gets. `exclude[i]` are input keys (`words.input_key`) whose entries question i never sees.

        Raises `UserError` where a search by meaning has no embedder.
        """
        self._refresh()
        searches = [ranking.search_many(questions) for ranking in self._rankings]
        results = []
        for number in range(len(questions)):
            held_out = frozenset(exclude[number]) if exclude is not None else frozenset()
            lists = [
                self._allowed(ranking, search[number], held_out)
                for ranking, search in zip(self._rankings, searches, strict=True)
            ]
            results.append(self._result(self._merge(lists)))
        return results

    def _refresh(self) -> None:
        """Build the index where there is none, or where any process has changed the store since."""
        connection = self._store.connection
        stamp = (connection.total_changes, connection.execute("PRAGMA data_version").fetchone()[0])
        if stamp != self._stamp:
            self._rankings = self._build()
            self._stamp = stamp

    def _build(self) -> list[Ranking]:
        """A ranking for each target; plain full-text search over several targets is one ranking.

        So its scores compare: how rare a word is counts over all that is searched.
        """
        search = self._retrieve.search
        self._holds = dict(self._relations_of_the_filter())
        rows = {name: list(read_rows(self._store, name)) for name in {t.relation for t in search.targets}}
        texts = [list(_documents(target, rows[target.relation])) for target in search.targets]
        plain = all(isinstance(target, config.FullTextTarget) for target in search.targets)
        if plain and search.merge == "reciprocal_rank":
            return [_word_ranking([document for documents in texts for document in documents])]
        return [
            _word_ranking(documents)
            if isinstance(target, config.FullTextTarget)
            else self._vector_ranking(target, rows[target.relation])
            for target, documents in zip(search.targets, texts, strict=True)
        ]

    def _relations_of_the_filter(self) -> Iterator[tuple[str, frozenset[tuple[Any, ...]]]]:
        """The rows of each relation that `where` tests, cut to the columns it gives."""
        where = self._retrieve.where
        for test in relation_tests(where) if where is not None else ():
            rows = (tuple(row.values.values()) for row in read_rows(self._store, test.relation))
            yield test.lookup, frozenset(tuple(row[place] for place in test.places) for row in rows)

    def _vector_ranking(self, target: config.NearestTarget, rows: Sequence[KbRow]) -> Ranking:
        import numpy as np

        if self._embed is None:
            raise UserError(
                f"retrieve {self._retrieve.name} searches {target.relation}.{target.column} by meaning, "
                "and no embedder is available here",
                f"search by words:  search = fulltext({target.relation}.COLUMN)",
            )
        source = self._source_column(target)
        known = [row for row in rows if target.column in row.vectors]
        missing = [row for row in rows if target.column not in row.vectors and row.values.get(source or "")]
        parts = [np.frombuffer(b"".join(row.vectors[target.column] for row in known), dtype="<f4")]
        if missing:
            embedded = self._embed([shown(row.values[source or ""]) for row in missing])
            parts.append(np.asarray(embedded, dtype=np.float32).reshape(-1))
        documents = [Document(row, shown(row.values.get(source or ""))) for row in (*known, *missing)]
        vectors = (
            np.concatenate(parts).reshape(len(documents), -1) if documents else np.zeros((0, 1), np.float32)
        )
        return Ranking(documents, None, VectorIndex(vectors.astype(np.float32), self._embed))

    def _source_column(self, target: config.NearestTarget) -> str | None:
        """The column a vector is computed from, None for vectors that are given."""
        relation = self._store.declared[target.relation]
        column = next(column for column in relation.columns if column.name == target.column)
        return column.embed[1] if column.embed is not None else None

    def _allowed(
        self, ranking: Ranking, found: Iterator[tuple[int, float]], held_out: frozenset[str]
    ) -> Iterator[Scored]:
        """The documents found that the question may see, the best first, ties by relation and key."""
        tied: list[Scored] = []
        for number, score in found:
            if tied and score != tied[0][1]:
                yield from sorted(tied, key=_tie_order)
                tied = []
            document = ranking.documents[number]
            if self._may_see(document.row, held_out):
                tied.append((document, score))
        yield from sorted(tied, key=_tie_order)

    def _may_see(self, row: KbRow, held_out: frozenset[str]) -> bool:
        if row.sources and not row.sources.isdisjoint(held_out):
            return False
        where = self._retrieve.where
        return where is None or is_true(where, {"hit": {**row.values, **row.implicit}, "holds": self._holds})

    def _merge(self, lists: Sequence[Iterator[Scored]]) -> Iterator[Scored]:
        """One list of rows, each once, the best first."""
        if len(lists) == 1:
            return _once(lists[0])
        depth = max(DEEP, 4 * self._retrieve.take)
        found = [list(islice(_once(ranked), depth)) for ranked in lists]
        search = self._retrieve.search
        if search.merge == "weights":
            shares = [
                _by_weight(ranked, weight) for ranked, weight in zip(found, search.weights, strict=True)
            ]
        else:
            shares = [_by_rank(ranked) for ranked in found]
        totals: dict[tuple[str, tuple[Any, ...]], float] = {}
        documents: dict[tuple[str, tuple[Any, ...]], Document] = {}
        for share in shares:
            for document, score in share:
                totals[document.place] = totals.get(document.place, 0.0) + score
                documents.setdefault(document.place, document)
        merged = [(documents[place], round(total, DIGITS)) for place, total in totals.items()]
        return iter(sorted(merged, key=lambda scored: (-scored[1], _tie_order(scored))))

    def _result(self, ranked: Iterator[Scored]) -> Retrieved:
        """The first `take` that fit the budget; of rows that say the same, the first."""
        retrieve = self._retrieve
        left = retrieve.budget
        lines: dict[str, tuple[str, Scored]] = {}
        for document, score in ranked:
            if len(lines) == retrieve.take:
                break
            text = document.line
            if not text or text in lines:
                continue
            line = f"[{citation(document.row)}] {text}" if retrieve.cite else text
            if left is not None:
                cost = self._count_tokens(line)
                if cost > left:
                    continue
                left -= cost
            lines[text] = (line, (document, score))
        hits = tuple(_hit(scored) for _, scored in lines.values())
        facts = tuple(
            document.row.fact() for _, (document, _) in lines.values() if document.row.sentence is not None
        )
        return Retrieved("\n".join(line for line, _ in lines.values()) or None, hits, facts)


def approximate_tokens(text: str) -> int:
    """How many tokens a text is about: four bytes each, as usual for English, rounded up."""
    return -(-len(text.encode("utf-8", "surrogatepass")) // 4)


def citation(row: KbRow) -> str:
    """How a prompt names an entry: its relation and key, `lesson 3`."""
    return " ".join([row.relation, ", ".join(shown(value) for value in row.key)])


def _documents(
    target: config.FullTextTarget | config.NearestTarget, rows: Sequence[KbRow]
) -> Iterator[Document]:
    for row in rows:
        text = row.sentence if target.column is None else row.values.get(target.column)
        if text is not None and isinstance(target, config.FullTextTarget):
            yield Document(row, shown(text))


def _word_ranking(documents: Sequence[Document]) -> Ranking:
    return Ranking(documents, WordIndex([document.text for document in documents]), None)


def _tie_order(scored: Scored) -> tuple[str, tuple[tuple[str, Any], ...]]:
    row = scored[0].row
    return row.relation, tuple(_sortable(value) for value in row.key)


def _sortable(value: Any) -> tuple[str, Any]:
    """Values of any type in one order: null, numbers, texts."""
    if value is None:
        return "", 0
    return ("number", value) if isinstance(value, (bool, int, float)) else ("text", str(value))


def _once(ranked: Iterator[Scored]) -> Iterator[Scored]:
    """Each row at its best place only: a row may be found by several of its columns."""
    seen: set[tuple[str, tuple[Any, ...]]] = set()
    for document, score in ranked:
        if document.place not in seen:
            seen.add(document.place)
            yield document, score


def _by_weight(ranked: Sequence[Scored], weight: float) -> list[Scored]:
    """Scores stretched to 0 .. 1 over what was found, times the weight; where all are equal each counts whole."""
    if not ranked:
        return []
    low, high = ranked[-1][1], ranked[0][1]
    spread = high - low
    return [(document, weight * ((score - low) / spread if spread else 1.0)) for document, score in ranked]


def _by_rank(ranked: Sequence[Scored]) -> list[Scored]:
    return [(document, 1.0 / (RANK_OFFSET + rank)) for rank, (document, _) in enumerate(ranked, 1)]


def _hit(scored: Scored) -> dict[str, Any]:
    document, score = scored
    return {
        "relation": document.row.relation,
        "key": list(document.row.key),
        "score": score,
        "text": document.line,
    }
