"""Search by meaning over more vectors than are scanned for each question: an HNSW graph in a file beside the store.

The graph (Malkov and Yashunin 2016, as usearch has it) says which rows are near; how near they are is worked out from the
vectors in the rows. A second file names the graph that is valid, the state of the KB it is of, and a checksum of each
vector, so that after a change only what differs is put in or taken out. Both can be made again at any time.
"""

from __future__ import annotations

import json
import os
import secrets
import zlib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from glob import escape
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from nesyc_runtime import config
from nesyc_runtime.files import write_atomic_bytes
from nesyc_runtime.hashing import digest
from nesyc_runtime.kb.search.bm25 import Hit
from nesyc_runtime.kb.search.said import revision
from nesyc_runtime.kb.search.vectors import (
    Embedder,
    VectorIndex,
    asked_for,
    embed_missing,
    embedded_by,
    exact_hits,
    normalize,
    vector_column,
)
from nesyc_runtime.kb.storage.store import Store, quote

if TYPE_CHECKING:
    import numpy as np

SCANNED = 100_000  # vectors that are compared one by one for each question; the graph is for more
PUT = 10_000  # vectors that are put in at once
LINKS = 16  # of a vector in the graph
PUT_AMONG, LOOKED_AT = 64, 256  # candidates kept at hand when a vector is put in, and when one is searched
MANY = 4  # times as many rows each time a filter wants more; all are read where that would be every row


def vector_search(store: Store, target: config.NearestTarget, embedder: Embedder) -> VectorIndex | NearIndex:
    """What searches a column: a scan, or where it has more than `SCANNED` vectors, usearch is installed and the store
    is a file, a graph.
    """
    embed_missing(store, target, embedder)
    plan, vector = store.relation(target.relation), quote(vector_column(store, target).column)
    many = f"SELECT count({vector}) FROM {quote(plan.reads)}"
    if store.path is None or find_spec("usearch") is None or store.execute(many).fetchone()[0] <= SCANNED:
        return VectorIndex(store, target, embedder)
    return NearIndex(store, target, embedder)


class NearIndex:
    """Rows near a question by the graph, the nearest first; where a filter wants more, ever more of them, all in the end."""

    def __init__(self, store: Store, target: config.NearestTarget, embedder: Embedder) -> None:
        self.source = embedded_by(store, target)[1]
        self._store, self._target, self._embedder = store, target, embedder
        self._plan, self._column = store.relation(target.relation), vector_column(store, target)
        assert store.path is not None
        self._kept = store.path.with_name(f"{store.path.name}.{target.relation}.{target.column}.usearch")
        state = digest([revision(store), embedder.identity])
        self._graph, self._count = self._valid(state) or self._brought_up(state)

    def search_many(self, questions: Sequence[str], depth: int) -> list[Iterator[list[Hit]]]:
        """For each question blocks of (0, row, cosine), the best first; the first of at least `depth` rows."""
        if not questions:
            return []
        units = asked_for(self._store, self._target, self._embedder, questions)
        return [self._blocks(unit, depth) for unit in units]

    def _blocks(self, unit: Any, depth: int) -> Iterator[list[Hit]]:
        seen: set[int] = set()
        wanted = depth
        while wanted * MANY < self._count:
            self._graph.expansion_search = max(LOOKED_AT, 2 * wanted)
            found = [int(row) for row in self._graph.search(unit, wanted, threads=1).keys]
            rows = [row for row in found if row not in seen]
            seen.update(rows)
            yield exact_hits(rows, self._units(rows), unit)
            wanted *= MANY
        yield self._scanned(unit, seen)

    def _units(self, rows: Sequence[int]) -> Any:
        """The vectors of some rows: float32 [rows, dim], of length 1."""
        import numpy as np

        made = np.zeros((len(rows), self._column.size or 0), dtype=np.float32)
        sql = f"SELECT {quote(self._column.column)} FROM {quote(self._plan.reads)} WHERE _row = ?"
        for place, row in enumerate(rows):
            (blob,) = self._store.execute(sql, (row,)).fetchone() or (None,)
            if blob is not None:
                made[place] = np.frombuffer(blob, dtype="<f4")
        normalize(made)
        return made

    def _scanned(self, unit: Any, seen: set[int]) -> list[Hit]:
        """The rows not seen yet, read one after another: quicker than the graph where they are many."""
        hits: list[Hit] = []
        for rows, units in self._stored():
            left = [place for place, row in enumerate(rows) if row not in seen]
            hits += exact_hits([rows[place] for place in left], units[left], unit)
        return sorted(hits, key=lambda hit: (-hit[2], hit[1]))

    def _stored(self) -> Iterator[tuple[list[int], Any]]:
        """All rows with a vector in batches, in order: numbers and unit vectors."""
        import numpy as np

        vector = quote(self._column.column)
        sql = (
            f"SELECT _row, {vector} FROM {quote(self._plan.reads)} WHERE {vector} IS NOT NULL AND _row > ? "
            f"ORDER BY _row LIMIT {PUT}"
        )
        last = -(2**63)
        while batch := self._store.execute(sql, (last,)).fetchall():
            last = batch[-1][0]
            units = (
                np.frombuffer(b"".join(blob for _, blob in batch), dtype="<f4").reshape(len(batch), -1).copy()
            )
            normalize(units)
            yield [row for row, _ in batch], units

    def _valid(self, state: str) -> tuple[Any, int] | None:
        """The graph on disk where it is of this state, as a view into its file, and how many vectors there are."""
        kept = self._read()
        if kept is None or kept[0].get("state") != state:
            return None
        graph = self._open(kept[0], view=True)
        return None if graph is None else (graph, len(kept[1]))

    def _open(self, named: dict[str, Any], *, view: bool) -> Any:
        """The graph that is named; None where its file is not the one that was written, or of vectors of another size."""
        from usearch.index import Index

        file = self._kept.with_name(named["file"])
        if not file.is_file() or file.stat().st_size != named.get("size"):
            return None
        graph = self._empty()
        try:
            graph.view(str(file)) if view else graph.load(str(file))
        except (RuntimeError, ValueError, OSError):
            return None
        assert isinstance(graph, Index)
        return graph if graph.ndim == self._column.size else None

    def _empty(self) -> Any:
        from usearch.index import Index

        return Index(
            ndim=self._column.size or 0,
            metric="cos",
            dtype="f16",
            connectivity=LINKS,
            expansion_add=PUT_AMONG,
            expansion_search=LOOKED_AT,
        )

    def _read(self) -> tuple[dict[str, Any], np.ndarray[Any, Any]] | None:
        """What the second file says: what is valid, and row and checksum of each vector in it."""
        import numpy as np

        try:
            with self._kept.open("rb") as file:
                named = json.loads(file.readline())
                sums = np.frombuffer(file.read(), dtype="<i8").reshape(-1, 2)
        except (OSError, ValueError):
            return None
        name = named.get("file") if isinstance(named, dict) else None
        stem = f"{self._kept.name}."
        if not isinstance(name, str) or not name.startswith(stem) or not name.removeprefix(stem).isalnum():
            return None
        return named, sums

    def _brought_up(self, state: str) -> tuple[Any, int]:
        """The graph with the vectors of now, and how many there are.

        One thread puts them in, so that the same ones in the same order give the same. A zero vector is near nothing.
        """
        import numpy as np

        kept = self._read()
        graph = self._open(kept[0], view=False) if kept is not None else None
        before = dict(map(tuple, kept[1].tolist())) if kept is not None and graph is not None else {}
        graph = graph if graph is not None else self._empty()
        now = [np.zeros((0, 2), dtype="<i8")]
        for rows, units in self._stored():
            sums = [zlib.crc32(unit.tobytes()) for unit in units]
            now.append(np.array([rows, sums], dtype="<i8").T)
            new = [place for place, row in enumerate(rows) if before.pop(row, None) != sums[place]]
            self._remove(graph, [rows[place] for place in new])
            put = [place for place in new if units[place].any()]
            if put:
                graph.add(np.array([rows[place] for place in put], dtype=np.uint64), units[put], threads=1)
        self._remove(graph, sorted(before))
        known = np.concatenate(now)
        self._keep(graph, state, known)
        return graph, len(known)

    @staticmethod
    def _remove(graph: Any, rows: Sequence[int]) -> None:
        import numpy as np

        keys = np.array(rows, dtype=np.uint64)
        known = keys[graph.contains(keys)] if len(graph) and len(keys) else keys[:0]
        if len(known):
            graph.remove(known, threads=1)

    def _keep(self, graph: Any, state: str, sums: Any) -> None:
        """Write the graph under a name of its own, then what names it; others go.

        One process at a time does, so that none takes away what another is about to name.
        """
        file = self._kept.with_name(f"{self._kept.name}.{secrets.token_hex(4)}")
        with self._store.writing():
            graph.save(str(file))
            with file.open("rb+") as written:
                os.fsync(written.fileno())  # before anything names it
            head = json.dumps({"state": state, "file": file.name, "size": file.stat().st_size})
            write_atomic_bytes(self._kept, head.encode() + b"\n" + sums.tobytes())
            for other in self._kept.parent.glob(f"{escape(self._kept.name)}.*"):
                if other.name != file.name:
                    with suppress(OSError):
                        other.unlink()
