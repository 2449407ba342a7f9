"""Search by meaning: vectors that an embedder makes of a column, kept in the rows and compared by their cosine."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from nesyc_runtime import config
from nesyc_runtime.errors import UserError
from nesyc_runtime.kb.search.bm25 import DIGITS, Hit
from nesyc_runtime.kb.storage.program import ColumnPlan, RelationPlan
from nesyc_runtime.kb.storage.store import Store, quote

if TYPE_CHECKING:
    import numpy as np

    Matrix = np.ndarray[tuple[int, int], np.dtype[np.float32]]

EMBEDDED = 256  # texts between two commits: a killed process loses no more
ASKED = 32  # questions compared at once: their scores over all rows are held meanwhile


class Embedder(Protocol):
    """`identity` is another wherever the same text would give another vector."""

    @property
    def identity(self) -> str: ...

    def __call__(self, texts: Sequence[str], *, question: bool = False) -> Matrix:
        """A vector for each text: float32 [len(texts), dim]; a question may be embedded otherwise than what is searched."""


def embedded_by(store: Store, target: config.NearestTarget) -> tuple[str, str]:
    """The embedder of a vector column, by name, and the column whose texts it turns into vectors."""
    relation = store.declared[target.relation]
    column = next(column for column in relation.columns if column.name == target.column)
    assert column.embed is not None  # E0606
    return column.embed


def embed_missing(store: Store, target: config.NearestTarget, embedder: Embedder) -> int:
    """Compute the vectors that are missing, each batch in a transaction of its own; gives how many.

    Vectors of another embedder are made anew. A row whose text changes meanwhile, or later, loses its vector (a
    trigger sees to it), so none is ever of another text. Raises `UserError` for vectors of another size than declared.
    """
    plan = store.relation(target.relation)
    table, vector = quote(plan.rows), quote(_column(plan, target.column).column)
    of = _column(plan, embedded_by(store, target)[1])
    _forget_others(store, target, embedder, f"UPDATE {table} SET {vector} = NULL WHERE {vector} IS NOT NULL")
    text = f"r.{quote(of.column)}" if not of.interned else "s.text"
    join = "" if not of.interned else f' JOIN "nesyc.symbol" AS s ON s.id = r.{quote(of.column)}'
    missing = (
        f"SELECT r._row, {text} FROM {table} AS r{join} WHERE r.{vector} IS NULL AND {text} <> '' AND r._row > ? "
        f"ORDER BY r._row LIMIT {EMBEDDED}"
    )
    unchanged = f"(SELECT {text} FROM {table} AS r{join} WHERE r._row = ?2) IS ?3"
    done, last = 0, -(2**63)
    while batch := store.connection.execute(missing, (last,)).fetchall():
        vectors = _vectors(store, target, embedder, [str(one) for _, one in batch])
        with store.writing():
            store.connection.executemany(
                f"UPDATE {table} SET {vector} = ?1 WHERE _row = ?2 AND {unchanged}",
                [(made.tobytes(), row, one) for (row, one), made in zip(batch, vectors, strict=True)],
            )
        done, last = done + len(batch), batch[-1][0]
    return done


def _vectors(
    store: Store,
    target: config.NearestTarget,
    embedder: Embedder,
    texts: Sequence[str],
    *,
    question: bool = False,
) -> Matrix:
    """Equal texts are embedded once."""
    import numpy as np

    distinct = list(dict.fromkeys(texts))
    made = np.asarray(embedder(distinct, question=question), dtype="<f4")
    size = _column(store.relation(target.relation), target.column).size
    if made.shape != (len(distinct), size):
        raise UserError(
            f"the embedder gives vectors of shape {made.shape[1:]}, {target.relation}.{target.column} holds {size} numbers",
            f"declare the column as vector({made.shape[-1]}), or `dim` as the model has it",
        )
    place = {text: number for number, text in enumerate(distinct)}
    return made[[place[text] for text in texts]]


def _forget_others(store: Store, target: config.NearestTarget, embedder: Embedder, forget: str) -> None:
    name = f"embedder of {target.relation}.{target.column}"
    if store.state(name) == embedder.identity:
        return
    with store.writing():
        if store.state(name) is not None:
            store.execute(forget)
        store.set_state(name, embedder.identity)


def _column(plan: RelationPlan, name: str) -> ColumnPlan:
    return next(column for column in plan.columns if column.name == name)


class VectorIndex:
    """Exact cosine search over the vectors of one column, read into memory; a zero vector is like nothing."""

    def __init__(self, store: Store, target: config.NearestTarget, embedder: Embedder) -> None:
        import numpy as np

        embed_missing(store, target, embedder)
        self.source = embedded_by(store, target)[1]
        self._store, self._target, self._embedder = store, target, embedder
        plan = store.relation(target.relation)
        column = _column(plan, target.column)
        vector = quote(column.column)
        where = f"FROM {quote(plan.reads)} WHERE {vector} IS NOT NULL"
        count = store.execute(f"SELECT count(*) {where}").fetchone()[0]
        self._rows = np.zeros(count, dtype=np.int64)
        self._units = np.zeros((count, column.size or 0), dtype=np.float32)
        found = store.execute(f"SELECT _row, {vector} {where} ORDER BY _row LIMIT {count}")
        for number, (row, blob) in enumerate(found):
            self._rows[number] = row
            self._units[number] = np.frombuffer(blob, dtype="<f4")
        normalize(self._units)

    def search_many(self, questions: Sequence[str], depth: int) -> list[Iterator[list[Hit]]]:
        """For each question blocks of (0, row, cosine), the best first; the first of at least `depth` rows."""
        if not len(self._rows) or not questions:
            return [iter(()) for _ in questions]
        asked = asked_for(self._store, self._target, self._embedder, questions)
        found: list[Iterator[list[Hit]]] = []
        for start in range(0, len(asked), ASKED):
            part = asked[start : start + ASKED]
            scores = part @ self._units.T  # [questions, rows]
            found += [self._first(one, unit, depth) for one, unit in zip(scores, part, strict=True)]
        return found

    def _first(self, scores: Any, unit: Any, depth: int) -> Iterator[list[Hit]]:
        """The near ones at once, the rest only where a filter asks for more."""
        import numpy as np

        near = np.argpartition(-scores, depth)[:depth] if depth < len(scores) else np.arange(len(scores))
        return self._blocks(near, unit)

    def _blocks(self, near: Any, unit: Any) -> Iterator[list[Hit]]:
        import numpy as np

        yield self._exact(near, unit)
        if len(near) < len(self._rows):
            rest = np.setdiff1d(np.arange(len(self._rows)), near)
            yield self._exact(rest, unit)

    def _exact(self, places: Any, unit: Any) -> list[Hit]:
        return exact_hits(self._rows[places], self._units[places], unit)


def asked_for(
    store: Store, target: config.NearestTarget, embedder: Embedder, questions: Sequence[str]
) -> Matrix:
    """The questions as vectors of length 1, one by one: in a batch a vector's last digits depend on what else is in it."""
    import numpy as np

    made = [_vectors(store, target, embedder, [one], question=True) for one in questions]
    asked = np.concatenate(made).astype(np.float32)
    normalize(asked)
    return asked


def exact_hits(rows: Any, units: Any, unit: Any) -> list[Hit]:
    """(0, row, cosine), the best first, ties by row.

    In double precision: the scores of a batch of questions depend on its size in their last digits.
    """
    import numpy as np

    scores = np.round((units.astype(np.float64) * unit.astype(np.float64)).sum(axis=1), DIGITS)
    hits = [(0, int(row), float(score)) for row, score in zip(rows, scores, strict=True)]
    return sorted(hits, key=lambda hit: (-hit[2], hit[1]))


def vector_column(store: Store, target: config.NearestTarget) -> ColumnPlan:
    """The column that a search by meaning compares."""
    return _column(store.relation(target.relation), target.column)


def normalize(vectors: Matrix) -> None:
    """Give every vector the length 1 in place; the zero vector stays."""
    import numpy as np

    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    np.divide(vectors, lengths, out=vectors, where=lengths > 0)
