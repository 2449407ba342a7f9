"""Rows of the source, of stages and of people beside each other: who holds what, and what a changed text changes."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from running import ask, derived, open_kb
from samples import INT, KIN, PLACE, TEXT, atom, fact, family, kb, relation, rule, var

from nesyc.emit.sql import emit_program
from nesyc.ir import nodes as ir
from nesyc.ir.encode import encode
from nesyc_runtime import config
from nesyc_runtime.errors import UserError
from nesyc_runtime.kb.rules.evaluate import evaluate
from nesyc_runtime.kb.sources.sync import sync_source
from nesyc_runtime.kb.storage.rows import Claim, hold, interned, owned_rows, release
from nesyc_runtime.kb.storage.store import Store, open_store


def small(*facts: ir.Fact, key: tuple[str, ...] = (), files: tuple[ir.FactFile, ...] = ()) -> ir.Kb:
    nullable = ir.Type("text", True)
    return kb([relation("e", ("a", TEXT), ("b", nullable if not key else TEXT), key=key),
               relation("d", ("a", TEXT), derived=True)], facts, [rule("d1", atom("d", var("x")), atom("e", var("x"), var(None)))],
              [["d"]], fact_files=files, semantics="max_min", ceiling=ir.Ceiling(1.0, 0.9, 0.6))  # fmt: skip


def reopen(store: Store, kb_: ir.Kb) -> Store:
    """The same database under another text."""
    again = open_store(store.path, config.Kb.model_validate(encode(kb_)), emit_program(kb_).to_json())
    sync_source(again)
    evaluate(again)
    return again


def rows(store: Store) -> list[Any]:
    return store.execute("SELECT a, b, conf, origin, status, owner FROM e ORDER BY a, b").fetchall()


def test_a_changed_text_changes_the_sources_rows_and_nothing_else(tmp_path: Path) -> None:
    first = small(fact("e", "a", "b", conf=0.5), fact("e", "c", None))
    with open_kb(first, tmp_path / "kb.db") as store:
        plan = store.relation("e")
        with store.writing():
            hold(
                store,
                plan,
                interned(store, plan, ("s", "t")),
                Claim("stage:1", 1.0, "unreviewed", "proposed"),
            )
        assert not sync_source(store)
    with reopen(store, small(fact("e", "a", "b", conf=0.7), fact("e", "n", "n"))) as again:
        assert rows(again) == [
            ("a", "b", 0.7, "human", "accepted", "source:kb.nesy"),
            ("n", "n", 1.0, "human", "accepted", "source:kb.nesy"),
            ("s", "t", 0.6, "unreviewed", "proposed", "stage:1"),
        ]
        assert again.execute("SELECT a, conf FROM d ORDER BY a").fetchall() == [
            ("a", 0.7),
            ("n", 1.0),
            ("s", 0.6),
        ]


def test_a_row_stays_while_another_owner_holds_it(tmp_path: Path) -> None:
    with open_kb(small(fact("e", "a", "b")), tmp_path / "kb.db") as store:
        plan = store.relation("e")
        with store.writing():
            assert hold(
                store,
                plan,
                interned(store, plan, ("a", "b")),
                Claim("stage:1", 1.0, "unreviewed", "proposed"),
            )
            assert not hold(
                store,
                plan,
                interned(store, plan, ("a", "b")),
                Claim("stage:1", 1.0, "unreviewed", "proposed"),
            )
        assert rows(store) == [("a", "b", 1.0, "human", "accepted", "source:kb.nesy")]
    with reopen(store, small()) as again:
        assert rows(again) == [("a", "b", 0.6, "unreviewed", "proposed", "stage:1")]
    with reopen(store, small(fact("e", "a", "b", conf=0.3))) as again:
        assert rows(again) == [("a", "b", 0.6, "unreviewed", "proposed", "stage:1")]
        plan = again.relation("e")
        with again.writing():
            release(again, plan, owned_rows(again, plan, "stage:1")[0], "stage:1")
        assert rows(again) == [("a", "b", 0.3, "human", "accepted", "source:kb.nesy")]


OWNERS = ("stage:1", "stage:2", "person")


@settings(max_examples=80, deadline=None)
@given(st.lists(st.one_of(
    st.tuples(st.just("source"), st.frozensets(st.tuples(st.sampled_from("ab"), st.sampled_from(["a", None])))),
    st.tuples(st.sampled_from(["hold", "release"]), st.tuples(st.sampled_from(OWNERS), st.sampled_from("ab"))),
), max_size=12))  # fmt: skip
def test_who_holds_what_is_a_set_of_pairs(steps: list[Any]) -> None:
    """Against the plainest model: the set of (owner, row) pairs; a row stands exactly where a pair has it."""
    model: set[tuple[str, tuple[Any, ...]]] = set()
    with open_kb(small()) as store:
        plan = store.relation("e")
        for step, what in steps:
            if step == "source":
                model = {pair for pair in model if pair[0] != "source"} | {("source", row) for row in what}
                store.kb = config.Kb.model_validate(
                    encode(small(*(fact("e", *row) for row in sorted(what, key=repr))))
                )
                sync_source(store)
                continue
            owner, value = what
            with store.writing():
                values = interned(store, plan, (value, "a"))
                if step == "hold":
                    hold(store, plan, values, Claim(owner, 1.0, "teacher"))
                    model.add((owner, (value, "a")))
                else:
                    for row in owned_rows(store, plan, owner):
                        release(store, plan, row, owner)
                    model = {pair for pair in model if pair[0] != owner}
        standing = {(a, b) for a, b in store.execute("SELECT a, b FROM e")}
        assert standing == {row for _, row in model}
        for owner in OWNERS:
            assert len(owned_rows(store, plan, owner)) == len({row for who, row in model if who == owner})


def test_null_equals_null_in_a_set_and_nowhere_else() -> None:
    twice = small(fact("e", "a", None), fact("e", "a", None, conf=0.5))
    with open_kb(twice) as store:
        assert rows(store) == [("a", None, 1.0, "human", "accepted", "source:kb.nesy")]
        joined = ask(
            store, twice, atom("e", var("x"), var("y")), atom("e", var(None), var("y")), columns=("x",)
        )
        assert joined["rows"] == []


def csv_file(path: Path, text: str, name: str = "e", format: str = "csv") -> tuple[ir.FactFile, Path]:
    path.write_text(text, encoding="utf-8")
    return ir.FactFile(name, format, ir.Path("", path.name), "0" * 64, 0.8, PLACE), path  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "format", "text"),
    [("f.csv", "csv", 'a,b\nx,"y, z"\np,\n'), ("f.jsonl", "jsonl", '{"a": "x", "b": "y, z"}\n{"a": "p", "b": ""}\n'),
     ("f.tsv", "csv", "b,a,more\n\"y, z\",x,1\n,p,2\n")],
)  # fmt: skip
def test_fact_files_load_with_place_and_confidence(tmp_path: Path, name: str, format: str, text: str) -> None:
    file, path = csv_file(tmp_path / name, text, format=format)
    with open_kb(small(files=(file,)), files={0: path}) as store:
        assert [row[:3] for row in rows(store)] == [("p", "", 0.8), ("x", "y, z", 0.8)]
        lines = store.execute('SELECT line FROM "e.rows" ORDER BY _row').fetchall()
        assert lines == ([(2,), (3,)] if format == "csv" else [(1,), (2,)])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a\nx\n", "f.csv:1: E0505: column `n` of `t` is missing"),
        ("a,n\nx,1\ny,one\n", "f.csv:3: E0302: column `n` found 'one', expected an int"),
        ("a,n\nx,1\nx,2\n", "f.csv:3: E0503: a second row of `t` with the key (a) of f.csv:2"),
        ("a,n\nx,99999999999999999999\n", "f.csv:2: E0302: column `n` found"),
        ("a,n\nx\n", "f.csv:2: 1 cells, the header names 2 columns"),
    ],
)
def test_a_bad_fact_file_is_refused_whole_with_its_place(tmp_path: Path, text: str, message: str) -> None:
    file, path = csv_file(tmp_path / "f.csv", text, "t")
    table = kb([relation("t", ("a", TEXT), ("n", INT), key=["a"])], [], [], [], fact_files=[file])
    with pytest.raises(UserError) as caught:
        open_kb(table, tmp_path / "kb.db", {0: path})
    assert message in caught.value.message
    with open_kb(dataclasses.replace(table, fact_files=()), tmp_path / "kb.db") as store:
        assert store.execute("SELECT count(*) FROM t").fetchone() == (0,)


def test_references_and_enums_are_held() -> None:
    sample = family()
    orphan = dataclasses.replace(
        sample, facts=(*sample.facts, fact("parent", "zed", "ann", "father", line=99))
    )
    with pytest.raises(
        UserError, match=r'kb.nesy:99: E0502: `parent.child` is "zed", which `person` does not have'
    ):
        open_kb(orphan)
    wrong = dataclasses.replace(
        sample, facts=(*sample.facts, fact("parent", "carl", "ann", "cousin", line=98))
    )
    with pytest.raises(
        UserError, match=r"kb.nesy:98: E0302: column `role` found 'cousin', expected a constant of Kin"
    ):
        open_kb(wrong)


def test_a_key_that_a_stage_took_is_named(tmp_path: Path) -> None:
    with open_kb(small(key=("a",)), tmp_path / "kb.db") as store:
        plan = store.relation("e")
        with store.writing():
            hold(store, plan, interned(store, plan, ("a", "b")), Claim("stage:9", 1.0, "teacher"))
        with store.writing(), pytest.raises(UserError, match="E0503: `e` already has a row with a = a"):
            hold(store, plan, interned(store, plan, ("a", "c")), Claim("person", 1.0, "human"))
    with pytest.raises(
        UserError, match=r"kb.nesy:7: E0503: `e` already has a row with this key \(a\), written by stage:9"
    ):
        reopen(store, small(fact("e", "a", "z", line=7), key=("a",)))


def test_a_changed_ceiling_reaches_every_row(tmp_path: Path) -> None:
    text = small(fact("e", "a", "b", origin="teacher"))
    with open_kb(text, tmp_path / "kb.db") as store:
        assert rows(store)[0][2] == 0.9
    with reopen(store, dataclasses.replace(text, ceiling=ir.Ceiling(1.0, 0.4, 0.1))) as again:
        assert rows(again)[0][2] == 0.4
        assert derived(again, text)["d", ("a",)] == 0.4


def test_written_rows_survive_a_wider_schema_and_stop_a_narrower_one(tmp_path: Path) -> None:
    def schema(*columns: tuple[str, ir.Type]) -> ir.Kb:
        return kb([relation("t", *columns)], [], [], [])

    first = schema(("a", TEXT), ("b", INT))
    with open_kb(first, tmp_path / "kb.db") as store:
        plan = store.relation("t")
        with store.writing():
            hold(store, plan, interned(store, plan, ("x", 1)), Claim("person", 1.0, "human"))
    with reopen(store, schema(("a", TEXT), ("b", INT), ("c", ir.Type("text", True)))) as again:
        assert again.execute("SELECT a, b, c, owner FROM t").fetchall() == [("x", 1, None, "person")]
    for other in (schema(("a", TEXT)), schema(("a", TEXT), ("b", INT), ("z", TEXT)), kb([], [], [], [])):
        with pytest.raises(UserError, match="E0506: relation `t`"):
            reopen(store, other)
    with reopen(store, schema(("a", TEXT), ("b", INT), ("c", ir.Type("text", True)))) as again:
        assert again.execute("SELECT count(*) FROM t").fetchone() == (1,)


def test_a_file_that_is_no_store_is_refused(tmp_path: Path) -> None:
    (tmp_path / "kb.db").write_bytes(b"not a database, surely" * 100)
    with pytest.raises(UserError, match=r"kb\.db cannot be opened"):
        open_kb(small(), tmp_path / "kb.db")


def test_hostile_names_and_values_stay_values() -> None:
    evil = '\'); DROP TABLE "e.rows"; --\x00\x1b[31m{a}\n'
    odd = kb([relation("select", ("from", TEXT), ("conf", TEXT), ("rowid", INT), ("_row", TEXT)),
              relation("Select", ("a", TEXT), ("A", TEXT)), relation("sqlite_x", ("a", KIN))],
             [fact("select", evil, evil, 1, "r"), fact("Select", "1", "2"), fact("sqlite_x", "k")], [], [])  # fmt: skip
    with open_kb(odd) as store:
        found = derived(store, odd)
        assert found == {
            ("select", (evil, evil, 1, "r")): 1.0,
            ("Select", ("1", "2")): 1.0,
            ("sqlite_x", ("k",)): 1.0,
        }
