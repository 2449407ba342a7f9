"""What a KB gives a question: search, filter, merge, cut to size, put in words.

What is searched lies in the store: words in FTS5 indexes, vectors in the rows. Opening a store reads none of it; what
a first question reads is kept until any process changes the store.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

from nesyc_runtime import config
from nesyc_runtime.errors import UserError
from nesyc_runtime.expressions import is_true
from nesyc_runtime.kb.search.bm25 import COMPARED, Hit, WordIndex
from nesyc_runtime.kb.search.choice import Retrieved, approximate_tokens, choose
from nesyc_runtime.kb.search.conditions import Conditions
from nesyc_runtime.kb.search.diversity import diversified
from nesyc_runtime.kb.search.fulltext import Words
from nesyc_runtime.kb.search.merging import Document, Scored, merge, once, tie_order
from nesyc_runtime.kb.search.retrieval_rows import KbRow, read_rows
from nesyc_runtime.kb.search.said import indexed_text, text_of
from nesyc_runtime.kb.storage.store import Store
from nesyc_runtime.kb.storage.values import shown

if TYPE_CHECKING:
    from nesyc_runtime.kb.search.near import NearIndex
    from nesyc_runtime.kb.search.vectors import Embedder, VectorIndex
    from nesyc_runtime.kb.storage.store import Stamp

__all__ = ["Retrieved", "Retriever", "approximate_tokens"]

DEEP = 64  # hits of each target that merging looks at, at least
ROWS = 16  # rows that are read at once to be filtered


class Retriever:
    """One `retrieve` block over an open, evaluated store.

    `embedder` gives the embedder of a name; it is asked only where a search is by meaning. `count_tokens` measures a
    text for `budget`.
    """

    def __init__(
        self,
        store: Store,
        retrieve: config.Retrieve,
        *,
        embedder: Callable[[str], Embedder] | None = None,
        count_tokens: Callable[[str], int] | None = None,
    ) -> None:
        self._store = store
        self._retrieve = retrieve
        self._embedder = embedder
        self._count_tokens = count_tokens or approximate_tokens
        self._rankings: list[Ranking] = []
        self._conditions = Conditions(store, retrieve.where)
        self._stamp: Stamp | None = None

    def retrieve_many(
        self,
        questions: Sequence[str],
        exclude: Sequence[Collection[str]] | None = None,
        hide: Sequence[Collection[tuple[str, tuple[Any, ...]]]] | None = None,
    ) -> list[Retrieved]:
        """What each question gets. `exclude[i]` are input keys (`words.input_key`): question i never sees what only
        these gave; `hide[i]` are rows, by relation and key, that it never sees.

        Raises `UserError` where a search by meaning has no embedder.
        """
        self._refresh()
        depth = max(DEEP, 4 * self._retrieve.take)
        with self._store.reading():
            searches = [ranking.search_many(questions, depth) for ranking in self._rankings]
            results = []
            for number in range(len(questions)):
                held_out = frozenset(exclude[number]) if exclude is not None else frozenset()
                lists = [
                    once(self._allowed(ranking, search[number], questions[number], held_out))
                    for ranking, search in zip(self._rankings, searches, strict=True)
                ]
                ranked = merge(self._retrieve.search, lists, depth)
                if hide is not None:
                    hidden = hide[number]
                    ranked = iter([one for one in islice(ranked, depth) if one[0].place not in hidden])
                ranked = diversified(ranked, self._retrieve.diversity, depth)
                results.append(choose(self._retrieve, ranked, self._count_tokens))
        return results

    def _refresh(self) -> None:
        """Read anew what is searched where nothing was read yet, or any process has changed the store since."""
        if self._store.stamp != self._stamp:
            self._rankings = list(self._made())
            self._conditions = Conditions(self._store, self._retrieve.where)
            self._stamp = self._store.stamp

    def _made(self) -> Iterator[Ranking]:
        """A ranking for each target; plain full-text search over several targets is one ranking.

        So its scores compare: how rare a word is counts over all that is searched.
        """
        search = self._retrieve.search
        texts = [target for target in search.targets if isinstance(target, config.FullTextTarget)]
        if len(texts) == len(search.targets) and search.merge == "reciprocal_rank":
            yield self._by_words(texts)
            return
        for target in search.targets:
            yield (
                self._by_words([target])
                if isinstance(target, config.FullTextTarget)
                else self._by_meaning(target)
            )

    def _by_words(self, targets: Sequence[config.FullTextTarget]) -> Ranking:
        indexed = [indexed_text(self._store, target) for target in targets]
        return Ranking(targets, WordIndex([Words(self._store, one) for one in indexed]), None)

    def _by_meaning(self, target: config.NearestTarget) -> Ranking:
        from nesyc_runtime.kb.search.near import vector_search
        from nesyc_runtime.kb.search.vectors import embedded_by

        if self._embedder is None:
            raise UserError(
                f"retrieve {self._retrieve.name} searches {target.relation}.{target.column} by meaning, "
                "and no embedder is available here",
                f"search by words:  search = fulltext({target.relation}.COLUMN)",
            )
        name, _ = embedded_by(self._store, target)
        return Ranking([target], None, vector_search(self._store, target, self._embedder(name)))

    def _allowed(
        self, ranking: Ranking, blocks: Iterator[list[Hit]], question: str, held_out: frozenset[str]
    ) -> Iterator[Scored]:
        """The documents found that the question may see, the best first, ties by relation and key."""
        for block in blocks:
            for part in _parts(block):
                rows = self._rows(ranking, part)
                tied: list[Scored] = []
                for number, row, score in part:
                    if tied and score != tied[0][1]:
                        yield from sorted(tied, key=tie_order)
                        tied = []
                    found = rows.get((number, row))
                    if found is not None and self._may_see(found, question, held_out):
                        tied.append((ranking.document(number, found), score))
                yield from sorted(tied, key=tie_order)

    def _rows(self, ranking: Ranking, hits: Sequence[Hit]) -> dict[tuple[int, int], KbRow]:
        found: dict[tuple[int, int], KbRow] = {}
        for number, target in enumerate(ranking.targets):
            rows = {row for of, row, _ in hits if of == number}
            if rows:
                read = read_rows(self._store, target.relation, numbers=rows)
                found |= {(number, row.number): row for row in read}
        return found

    def _may_see(self, row: KbRow, question: str, held_out: frozenset[str]) -> bool:
        # as if the question's own item were not there: what another item gives too would stand all the same
        if row.sources and row.sources <= held_out:
            return False
        where = self._retrieve.where
        scopes = {
            "hit": {**row.values, **row.implicit},
            "question": {"query": question},
            "holds": self._conditions,
        }
        return where is None or is_true(where, scopes)


class Ranking:
    """One ranked list: by the words of all `targets`, or by the meaning of the only one."""

    def __init__(
        self,
        targets: Sequence[config.FullTextTarget | config.NearestTarget],
        words: WordIndex | None,
        vectors: VectorIndex | NearIndex | None,
    ) -> None:
        self.targets = targets
        self._words = words
        self._vectors = vectors

    def search_many(self, questions: Sequence[str], depth: int) -> list[Iterator[list[Hit]]]:
        if self._vectors is not None:
            return self._vectors.search_many(questions, depth)
        assert self._words is not None
        return [self._words.search(question, max(depth, COMPARED)) for question in questions]

    def document(self, number: int, row: KbRow) -> Document:
        target = self.targets[number]
        if isinstance(target, config.FullTextTarget):
            return Document(row, text_of(target, row) or "")
        assert self._vectors is not None
        return Document(row, shown(row.values.get(self._vectors.source)))


def _parts(block: Sequence[Hit]) -> Iterator[Sequence[Hit]]:
    """A block in parts of about `ROWS` hits; what is tied stays together."""
    start = 0
    while start < len(block):
        end = min(start + ROWS, len(block))
        while end < len(block) and block[end][2] == block[end - 1][2]:
            end += 1
        yield block[start:end]
        start = end
