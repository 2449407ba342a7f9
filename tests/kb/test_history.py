"""The history: every write of stored rows is in it, any earlier state can be had again, any change taken back."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import typer
from hypothesis import given, settings
from hypothesis import strategies as st
from running import derived
from samples import INT, NUMBER, TEXT, atom, fact, kb, relation, rule, var

from nesyc.cli.options import user_name
from nesyc.emit.sql import emit_program
from nesyc.ir import nodes as ir
from nesyc.ir.encode import encode
from nesyc_runtime import config
from nesyc_runtime.errors import UserError
from nesyc_runtime.kb.review.decisions import accept, edit, reject
from nesyc_runtime.kb.review.log import read_log
from nesyc_runtime.kb.review.past import after_undo, change_at, store_at, undo
from nesyc_runtime.kb.rules.evaluate import evaluate
from nesyc_runtime.kb.sources.sync import sync_source
from nesyc_runtime.kb.storage.entries import remove_entries, write_entries
from nesyc_runtime.kb.storage.history import tables_of
from nesyc_runtime.kb.storage.store import Store, open_store

STAGE = "stage:p.know"


def world(*facts: ir.Fact, more: tuple[tuple[str, ir.Type], ...] = ()) -> ir.Kb:
    lesson = relation(
        "lesson",
        ("id", INT),
        ("body", TEXT),
        ("weight", ir.Type("number", True)),
        *more,
        key=["id"],
        fulltext=["body"],
    )
    said = relation("said", ("who", TEXT), ("n", NUMBER))
    seen = relation("seen", ("body", TEXT), derived=True)
    head, body = atom("seen", var("b")), atom("lesson", var(None, INT), var("b"), *[var(None, c) for _, c in
                                                                       (("w", ir.Type("number", True)), *more)])  # fmt: skip
    return kb([lesson, said, seen], facts, [rule("see", head, body)], [["seen"]],
              semantics="max_min", ceiling=ir.Ceiling(1.0, 0.9, 0.6))  # fmt: skip


class Days:
    """A clock that goes on by a day each time it is asked."""

    def __init__(self) -> None:
        self.now = datetime(2026, 1, 1, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        self.now += timedelta(days=1)
        return self.now


def opened(kb_: ir.Kb, path: Path | None = None, clock: Days | None = None) -> Store:
    settings_ = config.Kb.model_validate(encode(kb_))
    store = open_store(path, settings_, emit_program(kb_).to_json(), clock=clock or Days())
    sync_source(store)
    evaluate(store)
    return store


def content(store: Store) -> list[Any]:
    """All that stands in the stored tables, texts looked up, numbers of rows left out."""
    found: list[Any] = []
    for name in ("lesson", "said"):
        found.append(store.execute(f"SELECT * FROM {name} ORDER BY 1, 2, 3").fetchall())
        found.append(
            store.execute(f'SELECT written, line, provenance FROM "{name}.rows" ORDER BY 1, 2, 3').fetchall()
        )
    found.append(
        store.execute('SELECT relation, fact, owner, note FROM "nesyc.rejected" ORDER BY 1, 2').fetchall()
    )
    claims = 'SELECT relation, o.text, s.text, written, provenance FROM "nesyc.claim" JOIN "nesyc.symbol" o ON o.id = owner ' \
        'JOIN "nesyc.symbol" s ON s.id = status ORDER BY 1, 2, 3, 4'  # fmt: skip
    found.append(store.execute(claims).fetchall())
    return found


def write(store: Store, *bodies: str, owner: str = STAGE) -> None:
    rows = [{"body": body, "weight": 0.1 + 0.2} for body in bodies]
    write_entries(store, "lesson", rows, owner=owner, replace=True, provenance={"run": "r"}, why="run r")


def test_the_log_says_who_what_when_and_why() -> None:
    with opened(world(fact("said", "ann", 1.5))) as store:
        write(store, "a\x1b", "b")
        edit(store, "lesson", [1], {"body": "A"}, who="ada", note="clearer")
        reject(store, "lesson", [2], who="ada")
        found = read_log(store)
        assert [(c["change"], c["at"][:10], c["who"], c["why"]) for c in found["changes"]] == [
            (4, "2026-01-06", "ada", "reject lesson 2"),
            (3, "2026-01-05", "ada", "edit lesson 1: clearer"),
            (2, "2026-01-04", STAGE, "run r"),
            (1, "2026-01-03", "source", "follow the text"),
        ]
        (row,) = found["changes"][1]["rows"]
        assert (row["op"], row["before"]["body"], row["after"]["body"]) == ("update", "a\x1b", "A")
        assert row["after"]["weight"] == 0.1 + 0.2 and row["after"]["status"] == "accepted"
        assert [c["change"] for c in read_log(store, relation="said")["changes"]] == [1]
        assert read_log(store, limit=1)["truncated"]


def test_what_did_nothing_leaves_no_change() -> None:
    with opened(world()) as store:
        write(store, "a")
        write(store, "a")
        accept(store, "lesson", [1])
        accept(store, "lesson", [1])
        assert read_log(store)["total"] == 2
        assert store.state("change") is None


def test_a_change_that_fails_leaves_nothing() -> None:
    with opened(world()) as store:
        with pytest.raises(UserError):
            write_entries(store, "lesson", [{"body": "a"}, {"body": None}], owner=STAGE)
        assert read_log(store)["total"] == 0
        assert store.state("change") is None


def test_the_store_as_it_was_at_any_change() -> None:
    with opened(world(fact("said", "ann", 0.1))) as store:
        states = {1: content(store)}
        steps: list[Any] = [
            lambda: write(store, "a", "b", "c"),
            lambda: accept(store, "lesson", [1]),
            lambda: write(store, "c", "d", owner="stage:other"),
            lambda: edit(store, "lesson", [2], {"body": "B", "weight": 1e300}),
            lambda: reject(store, "lesson", [3]),
            lambda: remove_entries(store, "lesson", owner=STAGE),
        ]
        for number, step in enumerate(steps, 2):
            step()
            states[number] = content(store)
        now = content(store)
        for number, wanted in states.items():
            with store_at(store, number) as past:
                assert content(past) == wanted, number
                assert {f[1][0] for f in derived(past, world()) if f[0] == "seen"} == {
                    row[1] for row in wanted[0]
                }
        assert content(store) == now and read_log(store)["total"] == len(states)


def test_dates_name_the_last_change_before_their_end() -> None:
    with opened(world()) as store:
        write(store, "a")
        write(store, "b")
        assert [change_at(store, when) for when in ("2026-01-03", "2026-01-04", "2026-01-05T11:00", "2026-01-05", "#1")] == [0, 1, 1, 2, 1]  # fmt: skip
        assert change_at(store, "2026-01-05T13:00:00+02:00") == 1
        with pytest.raises(UserError, match="is no date"):
            change_at(store, "yesterday\x1b")


def test_many_facts_are_one_line_of_history(tmp_path: Path) -> None:
    clock, facts = Days(), [fact("said", f"p{i}", float(i)) for i in range(1500)]
    with opened(world(fact("said", "first", 0.5)), tmp_path / "kb.db", clock) as store:
        before = content(store)
    with opened(world(*facts), tmp_path / "kb.db", clock) as store:
        assert store.execute("SELECT count(*) FROM said").fetchone()[0] == 1500
        rows = read_log(store)["changes"][0]["rows"]
        assert [row["op"] for row in rows] == ["delete", "load"] and rows[1]["rows"] == 1500
        with store_at(store, 1) as past:
            assert content(past) == before
        write(store, "still one by one")
        assert read_log(store)["changes"][0]["rows"][0]["op"] == "insert"


def test_an_edit_by_another_program_is_in_the_history(tmp_path: Path) -> None:
    with opened(world(), tmp_path / "kb.db") as store:
        write(store, "a")
        other = sqlite3.connect(tmp_path / "kb.db")
        other.execute('UPDATE "lesson.rows" SET weight = 9.5')
        other.commit()
        other.close()
        accept(store, "lesson", [1])
        found = read_log(store)["changes"]
        assert [(c["who"], len(c["rows"])) for c in found] == [
            ("person", 1),
            ("outside nesyc", 1),
            (STAGE, 1),
        ]
        with store_at(store, 1) as past:
            assert past.execute("SELECT weight FROM lesson").fetchall() == [(0.1 + 0.2,)]


def test_changes_are_taken_back_the_last_first() -> None:
    with opened(world(fact("said", "ann", 1.0))) as store:
        write(store, "a", "b")
        written = content(store)
        accept(store, "lesson", [1])
        accepted = content(store)
        reject(store, "lesson", [2], who="ada")
        assert undo(store, who="bea") == [4]
        assert content(store) == accepted
        assert undo(store, who="bea") == [3]
        assert content(store) == written
        assert undo(store, 5, who="bea") == [2]
        assert after_undo(store, [2]) == [
            "change 2 was written by stage p.know: the next plan or run writes it again, unless you reject the rows "
            "(nesyc review --reject)"
        ]
        assert store.execute("SELECT count(*) FROM lesson").fetchone() == (0,)
        assert undo(store, who="bea") == [], "facts of the source follow the text"
        assert after_undo(store, []) == [
            "change 1 stays: it follows the source's facts, which are changed in their file"
        ]
        last = read_log(store)["changes"][0]
        assert (last["who"], last["why"], last["undoes"]) == ("bea", "take back change 2", 2)
        write(store, "a")
        assert undo(store, who="bea") == [8]


def test_a_change_that_cannot_be_taken_back_stays_whole() -> None:
    with opened(world()) as store:
        write(store, "a", "b")
        reject(store, "lesson", [2])
        with store.changing("source", "as if the text had it"):
            store.execute('INSERT INTO "lesson.rows" (_row, id, body, conf, origin, status, owner, written) SELECT 9, 2, '
                          "'other', 1.0, origin, status, owner, 1.0 FROM \"lesson.rows\" WHERE id = 1")  # fmt: skip
        before = content(store)
        with pytest.raises(UserError, match="another row of `lesson` has the key"):
            undo(store, who="ada")
        assert content(store) == before
    with opened(world()) as store:
        write(store, "a")
        with store.changing("source", "as if the text had it"):
            store.execute('UPDATE "lesson.rows" SET weight = 3.0')
        with pytest.raises(UserError, match="a later change touched"):
            undo(store, who="ada")


def test_history_goes_on_over_a_changed_schema(tmp_path: Path) -> None:
    clock = Days()
    with opened(world(fact("said", "ann", 1.0)), tmp_path / "kb.db", clock) as store:
        write(store, "a")
    wider = world(fact("said", "ann", 1.0), more=(("why", ir.Type("text", True)),))
    with opened(wider, tmp_path / "kb.db", clock) as store:
        assert store.execute("SELECT id, body, why FROM lesson").fetchall() == [(1, "a", None)]
        edit(store, "lesson", [1], {"why": "because"})
        with store_at(store, 2) as past:
            assert past.execute("SELECT id, body, why FROM lesson").fetchall() == [(1, "a", None)]


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("write"), st.sampled_from(["stage:1", "stage:2"]), st.lists(st.sampled_from("abc"), max_size=3)),
        st.tuples(st.sampled_from(["accept", "reject", "edit"]), st.integers(1, 4), st.sampled_from("xyz")),
        st.tuples(st.just("undo"), st.integers(1, 2), st.just("")),
    ),
    max_size=10,
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(STEPS)
def test_any_state_can_be_had_again(steps: list[Any]) -> None:
    with opened(world(fact("lesson", 1, "a", None))) as store:
        states = {1: content(store)}
        for step, what, more in steps:
            try:
                if step == "write":
                    write(store, *more, owner=what)
                elif step == "undo":
                    undo(store, what, who="u")
                elif step == "edit":
                    edit(store, "lesson", [what], {"body": more})
                else:
                    (accept if step == "accept" else reject)(store, "lesson", [what])
            except UserError:
                assert content(store) == states[max(states)], "what is refused changes nothing"
            last = read_log(store, limit=1)["changes"][0]["change"]
            states[last] = content(store)
        for number, wanted in states.items():
            with store_at(store, number) as past:
                assert content(past) == wanted
        events = store.execute("SELECT name FROM sqlite_master WHERE name LIKE 'nesyc.history.%'").fetchall()
        assert len(events) == 3 * len(tables_of(store.program))


def test_nobody_signs_as_the_source_or_a_stage(monkeypatch: pytest.MonkeyPatch) -> None:
    for taken in ("source", "nesyc", "outside nesyc", "stage:p.know"):
        with pytest.raises(typer.BadParameter, match="no person"):
            user_name(taken)
    monkeypatch.setattr("getpass.getuser", lambda: "nesyc")
    assert user_name(None) == "user nesyc" and user_name("ada") == "ada"
