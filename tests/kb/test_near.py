"""Search by meaning through a graph: what a scan finds, kept beside the store and brought up to what changed."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nesyc.emit.sql import emit_program
from nesyc.ir import nodes
from nesyc.ir.encode import encode
from nesyc_runtime import config
from nesyc_runtime.kb.review.decisions import edit, reject
from nesyc_runtime.kb.rules.evaluate import evaluate
from nesyc_runtime.kb.search import near
from nesyc_runtime.kb.search.near import NearIndex, vector_search
from nesyc_runtime.kb.search.vectors import VectorIndex
from nesyc_runtime.kb.storage.entries import write_entries
from nesyc_runtime.kb.storage.store import Store, open_store
from tests.kb.samples import INT, TEXT, kb, relation

NEAREST = config.NearestTarget(relation="lesson", column="vec")
SIZE, ROWS, TOP = 24, 2500, 5


class Topics:
    """A text `TOPIC NUMBER` lies near its topic's place; "nothing" is the zero vector."""

    def __init__(self, size: int = SIZE) -> None:
        self.identity, self._size = f"topics {size}", size

    def __call__(self, texts: Sequence[str], *, question: bool = False) -> Any:
        return np.array([self._vector(text) for text in texts], dtype=np.float32)

    def _vector(self, text: str) -> Any:
        if text == "nothing":
            return np.zeros(self._size)
        topic, _, number = text.partition(" ")
        place = np.random.default_rng(int(topic)).standard_normal(self._size)
        return place + 0.5 * np.random.default_rng([int(topic), int(number)]).standard_normal(self._size)


@pytest.fixture(autouse=True)
def few_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(near, "SCANNED", 100)
    monkeypatch.setattr(near, "PUT", 300)


def opened(path: Path | None, size: int = SIZE) -> Store:
    plain = relation("lesson", ("id", INT), ("body", TEXT), key=("id",))
    vec = nodes.KbColumn("vec", nodes.Type("vector", size=size), embed=("mini", "body"))
    compiled = kb([replace(plain, columns=(*plain.columns, vec))], [], [], [])
    return open_store(path, config.Kb.model_validate(encode(compiled)), emit_program(compiled).to_json())


def put(store: Store, texts: Sequence[str]) -> None:
    rows = [{"id": number, "body": text} for number, text in enumerate(texts, 1)]
    write_entries(store, "lesson", rows, owner="stage:s")
    evaluate(store)


TEXTS = [f"{n % 80} {n}" for n in range(ROWS)]
QUESTIONS = [f"{n % 80} {n + 7000}" for n in range(60)]


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("near") / "kb.db"
    with opened(path) as store:
        put(store, [*TEXTS, "nothing"])
    return path


@pytest.fixture
def path(filled: Path, tmp_path: Path) -> Path:
    (tmp_path / "kb.db").write_bytes(filled.read_bytes())
    return tmp_path / "kb.db"


def search(store: Store, size: int = SIZE) -> NearIndex:
    found = vector_search(store, NEAREST, Topics(size))
    assert isinstance(found, NearIndex)
    return found


def top(index: NearIndex | VectorIndex, question: str) -> list[tuple[int, int, float]]:
    return next(index.search_many([question], 64)[0])[:TOP]


def shared(store: Store) -> float:
    """The share of a scan's first rows that the graph gives."""
    graph, scan = search(store), VectorIndex(store, NEAREST, Topics())
    pairs = [(top(graph, one), top(scan, one)) for one in QUESTIONS]
    return sum(len(set(found) & set(wanted)) for found, wanted in pairs) / (TOP * len(pairs))


def beside(path: Path) -> list[Path]:
    return sorted(path.parent.glob("*.usearch.*"))


def test_the_graph_finds_what_a_scan_finds_with_the_same_scores(path: Path) -> None:
    with opened(path) as store:
        assert shared(store) >= 0.98
    assert len(beside(path)) == 1


def test_few_vectors_and_stores_in_memory_are_scanned(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(near, "SCANNED", ROWS + 1)
    with opened(path) as store:
        assert isinstance(vector_search(store, NEAREST, Topics()), VectorIndex)
    monkeypatch.setattr(near, "SCANNED", 1)
    with opened(None) as store:
        put(store, TEXTS[:10])
        assert isinstance(vector_search(store, NEAREST, Topics()), VectorIndex)


def test_a_filter_that_wants_more_gets_every_row_once(path: Path) -> None:
    with opened(path) as store:
        index = search(store)
        blocks = list(index.search_many([QUESTIONS[0]], 8)[0])
        rows = [row for block in blocks for _, row, _ in block]
        assert len(blocks) > 3 and sorted(rows) == list(range(1, ROWS + 2))
        assert blocks[-1][-1][1:] != blocks[0][0][1:] and rows.index(ROWS + 1) > 500, (
            "the zero vector is near nothing"
        )


def test_a_graph_is_made_once_and_brought_up_to_what_changed(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with opened(path) as store:
        search(store)
    made = beside(path)
    added: list[int] = []
    from usearch.index import Index

    add = Index.add
    monkeypatch.setattr(Index, "add", lambda self, keys, *rest, **more: (added.extend(keys), add(self, keys, *rest, **more))[1])  # fmt: skip
    with opened(path) as store:
        search(store)
        assert not added and beside(path) == made, "nothing changed: the file is read"
        edit(store, "lesson", [3], {"body": "79 1"}, who="ada")
        reject(store, "lesson", [4], who="ada")
        write_entries(store, "lesson", [{"id": 9999, "body": QUESTIONS[5]}], owner="person")
        evaluate(store)
        index = search(store)
        assert len(added) == 2 and len(beside(path)) == 1 and beside(path) != made
        assert top(index, "79 1")[0][2] == 1.0 and top(index, QUESTIONS[5])[0][2] == 1.0
        assert 4 not in {row for block in index.search_many([TEXTS[3]], 8)[0] for _, row, _ in block}
        assert shared(store) >= 0.98


def test_what_was_cut_off_or_lost_is_made_again(path: Path) -> None:
    with opened(path) as store:
        wanted = top(search(store), QUESTIONS[0])
    (graph,) = beside(path)
    graph.write_bytes(graph.read_bytes()[:1000])
    with opened(path) as store:
        assert top(search(store), QUESTIONS[0]) == wanted
    names = path.with_name("kb.db.lesson.vec.usearch")
    for content in (
        b"",
        b"{}\n",
        b"[]\n123",
        json.dumps({"state": "", "file": "../x", "size": 3}).encode() + b"\n",
    ):
        names.write_bytes(content)
        with opened(path) as store:
            assert top(search(store), QUESTIONS[0]) == wanted
    assert len(beside(path)) == 1


def test_no_file_is_opened_but_one_beside_the_store(path: Path) -> None:
    with opened(path) as store:
        search(store)
    (graph,) = beside(path)
    names = path.with_name("kb.db.lesson.vec.usearch")
    names.write_bytes(names.read_bytes().replace(graph.name.encode(), b"other"))
    graph.rename(path.with_name("other"))
    with opened(path) as store:
        search(store)
    assert len(beside(path)) == 1, "made again"


def test_vectors_of_another_size_get_a_graph_of_their_own(path: Path) -> None:
    with opened(path) as store:
        search(store)
    with opened(path, 32) as store:
        assert top(search(store, 32), TEXTS[7])[0][1:] == (8, 1.0)
    assert len(beside(path)) == 1


def test_a_process_takes_away_nothing_that_another_is_about_to_name(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other one comes where this has saved its graph and not named it; it waits until that is done."""
    with opened(path) as store:
        search(store)  # vectors are there
    for file in path.parent.glob("*.usearch*"):
        file.unlink()
    write, locked = near.write_atomic_bytes, []

    def between(file: Path, content: bytes) -> None:
        with closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as other:
            try:
                other.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError as error:
                locked.append(str(error))
        write(file, content)

    monkeypatch.setattr(near, "write_atomic_bytes", between)
    with opened(path) as store:
        search(store)
    assert locked == ["database is locked"] and len(beside(path)) == 1
