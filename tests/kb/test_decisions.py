"""What people decided about rows stays, whatever stages write afterwards."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from running import open_kb
from samples import INT, TEXT, fact, kb, relation

from nesyc.ir import nodes as ir
from nesyc_runtime.errors import UserError
from nesyc_runtime.kb.review.decisions import accept, edit, reject
from nesyc_runtime.kb.review.review import proposals
from nesyc_runtime.kb.review.stale import mark_stale
from nesyc_runtime.kb.storage.entries import write_entries
from nesyc_runtime.kb.storage.rows import Claim, claims_of, hold, interned, provenance_of
from nesyc_runtime.kb.storage.store import Store

STAGE = "stage:p.know"


def lessons(*facts: ir.Fact) -> ir.Kb:
    return kb([relation("lesson", ("id", INT), ("body", TEXT), key=["id"])], facts, [], [],
              semantics="max_min", ceiling=ir.Ceiling(1.0, 0.9, 0.6))  # fmt: skip


def rows(store: Store) -> list[Any]:
    return store.execute("SELECT id, body, conf, origin, status, owner FROM lesson ORDER BY id").fetchall()


def write(store: Store, *bodies: str, owner: str = STAGE, replace: bool = True) -> list[str]:
    made = write_entries(store, "lesson", [{"body": body} for body in bodies], owner=owner, replace=replace,
                         provenance={"run": "r", "inputs": ["q"]})  # fmt: skip
    return [row.outcome for row in made]


def test_an_accepted_row_is_neither_proposed_again_nor_dropped() -> None:
    with open_kb(lessons()) as store:
        write(store, "a", "b")
        assert accept(store, "lesson", [1])
        assert not accept(store, "lesson", ["1"])
        kept = (1, "a", 0.9, "teacher", "accepted", STAGE)
        assert rows(store)[0] == kept
        write(store, "a", "c")
        assert rows(store)[0] == kept
        write(store, "d")
        assert rows(store) == [kept, (4, "d", 0.6, "unreviewed", "proposed", STAGE)]


def test_accepting_reaches_every_stage_that_holds_the_row() -> None:
    with open_kb(lessons()) as store:
        write(store, "a")
        write(store, "a", owner="stage:q.know")
        accept(store, "lesson", [1])
        write(store, owner=STAGE)
        write(store, owner="stage:q.know")
        assert [row[1:5] for row in rows(store)] == [("a", 0.9, "teacher", "accepted")]


def test_an_edited_row_is_the_persons_and_its_old_words_do_not_come_back() -> None:
    with open_kb(lessons()) as store:
        write(store, "a", "b")
        assert edit(store, "lesson", [1], {"body": "better"}, who="ada") == (1,)
        assert rows(store)[0] == (1, "better", 1.0, "human", "accepted", "person")
        assert write(store, "a", "b") == ["rejected", "written"]
        assert [row[:2] for row in rows(store)] == [(1, "better"), (2, "b")]
        provenance = store.execute('SELECT provenance FROM "lesson.rows" WHERE _row = 1').fetchone()[0]
        assert '"inputs": ["q"]' in provenance, "the entry is still held out for the item it was drawn from"
        edit(store, "lesson", [1], {"body": "a"})
        assert [row[:2] for row in rows(store)] == [(1, "a"), (2, "b")], "a person may say it after all"


def test_an_edited_row_is_held_out_of_later_sources_too_whoever_holds_it_by_then() -> None:
    with open_kb(lessons()) as store:

        def say_old(item: str) -> None:
            write_entries(
                store, "lesson", [{"body": "old"}], owner=STAGE, provenance={"run": "r", "inputs": [item]}
            )

        say_old("i1")
        edit(store, "lesson", [1], {"body": "new"}, conf=0.8)
        plan = store.relation("lesson")
        with store.writing():
            hold(store, plan, interned(store, plan, (1, "new")), Claim("source:kb.nesy", 1.0, "human"))
        assert rows(store)[0][5] == "source:kb.nesy", "the source's claim is the strongest"
        say_old("i2")
        claim = claims_of(store, plan, 1)["person"]
        assert provenance_of(claim.provenance)["inputs"] == ["i1", "i2"]


@pytest.mark.parametrize("value", [5, [5], {"a": 1}, None])
def test_provenance_that_another_program_wrote_holds_nothing_up(value: Any) -> None:
    with open_kb(lessons()) as store:
        write(store, "a", "b")
        accept(store, "lesson", [1])
        about = {"stage": "p.know", "seen": {"t1": "old"}, "was": value, "changed": value, "inputs": ["i"]}
        with store.writing():
            store.execute('UPDATE "lesson.rows" SET provenance = ? WHERE _row = 1', (json.dumps(about),))
        assert mark_stale(store, "lesson", "p.know", lambda seen: {"t1": "new"}, who=STAGE, why="") == 1
        with store.writing():
            store.execute('UPDATE "lesson.rows" SET provenance = ? WHERE _row = 1', (json.dumps(about),))
        assert [one.stale for one in proposals(store)] == [(), ()]
        reject(store, "lesson", [2])
        assert write(store, "b", "a") == ["rejected", "written"]
        edit(store, "lesson", [1], {"body": "better"})
        assert write(store, "a", "c") == ["rejected", "written"]
        (claim,) = claims_of(store, store.relation("lesson"), 1).values()
        assert provenance_of(claim.provenance)["inputs"] == ["i", "q"]


def test_a_rejected_row_stays_away() -> None:
    with open_kb(lessons()) as store:
        write(store, "a", "b")
        reject(store, "lesson", [1], who="ada", note="wrong")
        assert write(store, "a", "b", "c") == ["rejected", "written", "written"]
        assert [row[1] for row in rows(store)] == ["b", "c"]
        assert store.execute('SELECT owner, note FROM "nesyc.rejected"').fetchall() == [("ada", "wrong")]


def test_one_taken_key_does_not_stop_the_others() -> None:
    with open_kb(lessons(fact("lesson", 1, "of the source"))) as store:
        wanted = [{"id": 1, "body": "x"}, {"id": 2, "body": "y"}, {"id": 2, "body": "z"}]
        made = write_entries(store, "lesson", wanted, owner=STAGE, replace=True)
        assert [(row.outcome, row.key) for row in made] == [
            ("conflict", ()),
            ("written", (2,)),
            ("conflict", ()),
        ]
        assert [row[:2] for row in rows(store)] == [(1, "of the source"), (2, "y")]
        again = write_entries(store, "lesson", [{"id": 2, "body": "z"}], owner=STAGE, replace=True)
        assert again[0].outcome == "written", "a stage may change its own proposal"
        accept(store, "lesson", [2])
        again = write_entries(store, "lesson", [{"id": 2, "body": "y"}], owner=STAGE, replace=True)
        assert (again[0].outcome, rows(store)[1][1]) == ("conflict", "z")


def test_rows_of_the_source_are_changed_in_the_source() -> None:
    with open_kb(lessons(fact("lesson", 1, "of the source", line=7))) as store:
        for decide in (reject, lambda s, r, k: edit(s, r, k, {"body": "x"})):
            with pytest.raises(UserError, match=r"lesson 1 stands in kb.nesy:7"):
                decide(store, "lesson", [1])


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"body": None}, "E0302: column `body` is null"), ({"id": 2}, "E0503"), ({"colour": "x"}, "no column `colour`")],
)  # fmt: skip
def test_an_edit_that_does_not_fit_changes_nothing(changes: dict[str, Any], message: str) -> None:
    with open_kb(lessons()) as store:
        write(store, "a", "b")
        before = rows(store)
        with pytest.raises(UserError, match=message):
            edit(store, "lesson", [1], changes)
        with pytest.raises(UserError, match="there is no lesson 9"):
            accept(store, "lesson", [9])
        assert rows(store) == before


STEPS = st.one_of(
    st.tuples(st.just("write"), st.lists(st.sampled_from("abcd"), max_size=4)),
    st.tuples(st.sampled_from(["accept", "reject", "edit"]), st.sampled_from("abcd")),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(STEPS, max_size=12))
def test_decisions_outlive_any_order_of_writes(steps: list[Any]) -> None:
    """Against a model of sets: proposals come and go, accepted and edited words stay, rejected ones never return."""
    proposed: set[str] = set()
    kept: set[str] = set()
    out: set[str] = set()
    with open_kb(lessons()) as store:
        for step, what in steps:
            if step == "write":
                write(store, *what)
                proposed = set(what) - kept - out
                continue
            found = store.execute("SELECT id FROM lesson WHERE body = ?", (what,)).fetchone()
            assert (found is not None) == (what in proposed | kept)
            if found is None:
                continue
            if step == "accept":
                accept(store, "lesson", found)
                kept.add(what)
            else:
                out.add(what)
                kept.discard(what)
                if step == "reject":
                    reject(store, "lesson", found)
                else:
                    edit(
                        store, "lesson", found, {"body": f"{what}, edited {len(out)} {len(kept)} {found[0]}"}
                    )
                    kept.add(f"{what}, edited {len(out)} {len(kept)} {found[0]}")
            proposed.discard(what)
        assert {row[1] for row in rows(store)} == proposed | kept
