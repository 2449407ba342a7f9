"""Vectors kept in the rows: computed once, gone with their text, none lost in a crash; and search by cosine."""

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
from hypothesis import given, settings
from hypothesis import strategies as st

from nesyc.emit.sql import emit_program
from nesyc.ir import nodes
from nesyc.ir.encode import encode
from nesyc_runtime import config
from nesyc_runtime.errors import UserError
from nesyc_runtime.kb.rules.evaluate import evaluate
from nesyc_runtime.kb.search import vectors
from nesyc_runtime.kb.search.vectors import VectorIndex, embed_missing
from nesyc_runtime.kb.storage.entries import write_entries
from nesyc_runtime.kb.storage.store import Store, open_store
from tests.kb.samples import INT, TEXT, kb, relation

NEAREST = config.NearestTarget(relation="lesson", column="vec")


class Letters:
    """How often each of three letters stands in a text; `made` are the texts that were embedded."""

    def __init__(self, letters: str = "abc") -> None:
        self.identity = letters
        self.made: list[str] = []

    def __call__(self, texts: Sequence[str], *, question: bool = False) -> Any:
        self.made += texts
        return np.array(
            [[text.count(letter) for letter in self.identity] for text in texts], dtype=np.float32
        )


def opened(path: Path | None = None, *, fulltext: bool = True) -> Store:
    plain = relation(
        "lesson", ("id", INT), ("body", TEXT), key=("id",), fulltext=("body",) if fulltext else ()
    )
    vec = nodes.KbColumn("vec", nodes.Type("vector", size=3), embed=("mini", "body"))
    compiled = kb([replace(plain, columns=(*plain.columns, vec))], [], [], [])
    return open_store(path, config.Kb.model_validate(encode(compiled)), emit_program(compiled).to_json())


def put(store: Store, texts: Sequence[str], **more: Any) -> None:
    rows = [{"id": number, "body": text} for number, text in enumerate(texts, 1)]
    write_entries(store, "lesson", rows, owner="stage:s", **more)
    evaluate(store)


def stored(store: Store) -> list[list[float] | None]:
    found = store.connection.execute('SELECT vec FROM "lesson.rows" ORDER BY id').fetchall()
    return [None if blob is None else np.frombuffer(blob, "<f4").tolist() for (blob,) in found]


@pytest.mark.parametrize("fulltext", [True, False], ids=["text", "interned"])
def test_only_what_is_new_or_changed_is_embedded(fulltext: bool) -> None:
    with opened(fulltext=fulltext) as store:
        put(store, ["aa", "b", "b", ""])
        letters = Letters()
        assert embed_missing(store, NEAREST, letters) == 3
        assert letters.made == ["aa", "b"], "equal texts once, an empty one never"
        assert stored(store) == [[2, 0, 0], [0, 1, 0], [0, 1, 0], None]
        assert embed_missing(store, NEAREST, letters) == 0
        value = "'cc'" if fulltext else str(_symbol(store, "cc"))
        store.connection.execute(f'UPDATE "lesson.rows" SET body = {value} WHERE id = 1')
        assert stored(store)[0] is None, "a vector goes with its text"
        assert embed_missing(store, NEAREST, letters) == 1
        assert letters.made[2:] == ["cc"] and stored(store)[0] == [0, 0, 2]


def _symbol(store: Store, text: str) -> int:
    with store.writing():
        return store.symbol(text)


def test_another_embedder_makes_all_anew() -> None:
    with opened() as store:
        put(store, ["ad", "b"])
        embed_missing(store, NEAREST, Letters("abc"))
        other = Letters("abd")
        assert embed_missing(store, NEAREST, other) == 2
        assert stored(store) == [[1, 0, 1], [0, 1, 0]]


def test_batches_that_were_done_survive_a_crash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vectors, "EMBEDDED", 2)

    class Dies(Letters):
        def __call__(self, texts: Sequence[str], *, question: bool = False) -> Any:
            if len(self.made) >= 4:
                raise KeyboardInterrupt
            return super().__call__(texts)

    with opened(tmp_path / "k.db") as store:
        put(store, [f"a{n}" for n in range(7)])
        with pytest.raises(KeyboardInterrupt):
            embed_missing(store, NEAREST, Dies())
    with opened(tmp_path / "k.db") as store:
        letters = Letters()
        assert embed_missing(store, NEAREST, letters) == 3
        assert letters.made == ["a4", "a5", "a6"]


def test_a_text_that_changes_while_it_is_embedded_gets_no_stale_vector(tmp_path: Path) -> None:
    def edit() -> None:
        with closing(sqlite3.connect(tmp_path / "k.db")) as other, other:
            other.execute("UPDATE \"lesson.rows\" SET body = 'c' WHERE id = 1")

    class Meanwhile(Letters):
        def __call__(self, texts: Sequence[str], *, question: bool = False) -> Any:
            edit()
            return super().__call__(texts)

    with opened(tmp_path / "k.db") as store:
        put(store, ["a", "b"])
        embed_missing(store, NEAREST, Meanwhile())
        assert stored(store) == [None, [0, 1, 0]]
        embed_missing(store, NEAREST, Letters())
        assert stored(store) == [[0, 0, 1], [0, 1, 0]]


def test_the_history_has_no_vectors() -> None:
    with opened() as store:
        put(store, ["a"])
        before = store.connection.execute('SELECT count(*) FROM "nesyc.version"').fetchone()
        embed_missing(store, NEAREST, Letters())
        assert store.connection.execute('SELECT count(*) FROM "nesyc.version"').fetchone() == before
        (after,) = store.connection.execute('SELECT after FROM "nesyc.version"').fetchone()
        assert "vec" not in json.loads(after)


def test_vectors_of_another_size_are_refused() -> None:
    with opened() as store:
        put(store, ["a"])
        with pytest.raises(UserError, match=r"lesson\.vec holds 3 numbers"):
            embed_missing(store, NEAREST, Letters("abcd"))


@given(
    st.lists(st.text(alphabet="abc", max_size=4), min_size=1, max_size=9), st.text(alphabet="abc", min_size=1)
)
@settings(deadline=None, max_examples=20)  # a store for each
def test_search_is_by_cosine(texts: list[str], question: str) -> None:
    with opened() as store:
        put(store, texts)
        index = VectorIndex(store, NEAREST, Letters())
        (blocks,) = index.search_many([question], 3)
        found = {row: score for block in blocks for _, row, score in block}
        counts = {n: np.array([t.count(x) for x in "abc"], dtype=float) for n, t in enumerate(texts, 1) if t}
        asked = np.array([question.count(letter) for letter in "abc"], dtype=float)
        wanted = {n: c @ asked / np.linalg.norm(c) / np.linalg.norm(asked) for n, c in counts.items()}
        assert found == {n: pytest.approx(value, abs=2e-6) for n, value in wanted.items()}


def test_the_near_ones_come_first_whatever_is_asked_together() -> None:
    draw = np.random.default_rng(0)
    texts = ["".join(draw.choice(list("abc"), 12)) for _ in range(300)]
    with opened() as store:
        put(store, texts)
        index = VectorIndex(store, NEAREST, Letters())
        questions = ["aab", "c", "abcc"] * 30
        first = [next(found) for found in index.search_many(questions, 5)]
        for number, question in enumerate(questions[:3]):
            (alone,) = index.search_many([question], 5)
            everything = [hit for block in alone for hit in block]
            assert first[number] == everything[:5]
            assert [hit[2] for hit in everything] == sorted((hit[2] for hit in everything), reverse=True)
