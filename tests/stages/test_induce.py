"""`induce` over a compiled spec: what a teacher proposes is compiled, measured, written as proposals, and decided on."""

from __future__ import annotations

import json
from contextlib import ExitStack
from pathlib import Path

import pytest

from nesyc.fragments.rules import rules_in
from nesyc_runtime.errors import Stopped, UserError
from nesyc_runtime.files import read_jsonl
from nesyc_runtime.stages.plan import make_plan
from tests.stages.induce_world import SPEC, InduceWorld

ACCEPTED = '@status(accepted, by = "ada")'


@pytest.fixture
def world(tmp_path: Path) -> InduceWorld:
    return InduceWorld(tmp_path)


def names(world: InduceWorld) -> list[str]:
    return list(rules_in("learned.nesy", world.fragment.read_text(), "family"))


def test_good_rules_are_proposed_with_evidence_and_the_others_logged(world: InduceWorld) -> None:
    outcome, ctx = world.run()
    assert outcome.ran == ["p.cot", "p.base", "p.errors", "p.learn", "p.final"]
    text = world.fragment.read_text()
    assert names(world) == ["grand", "base_2"], "the name `base` is taken"
    assert "rule grand 0.8: kin(a, c, .grandfather) :- parent(a, b, _), parent(b, c, .father);" in text
    assert "support = 3,\n  against = 0,\n  tried = 4,\n  lift = 0.6,\n" in text
    assert "# derives kin(ann, carl, grandfather), as people/train/t1 says" in text
    assert text.count("@status(proposed)") == 2 and "accepted" not in text
    rejected = {one["reason"]: one for one in read_jsonl(ctx.folder("p.learn") / "rejected.jsonl")}
    assert set(rejected) == {"refuted", "does not compile"}
    assert "E0302" in rejected["does not compile"]["problem"]
    assert rejected["refuted"]["problem"] == "0 for it, 5 against, of 6"
    counts = ctx.done["p.learn"].info["counts"]
    assert (counts["rows_in"], counts["kept"], counts["dropped"]) == (
        5,
        2,
        {"does not compile": 1, "refuted": 1},
    )
    again = [call for call in world.calls() if call.startswith("induce") and call.endswith("False")]
    assert len(again) == 3 and counts["calls"] == 8, "each rule that does not compile goes back once"


def test_the_teacher_is_told_why(tmp_path: Path) -> None:
    said = {f"t{n}": ("rule unsafe: kin(a, c, .uncle) :- not parent(a, c, _);", "") for n in range(1, 6)}
    world = InduceWorld(tmp_path, says=said)
    teach = world.folder / "teach.py"
    teach.write_text(teach.read_text().replace("    said = SAID", '    if request["problem"]:\n        Path(__file__).with_name("told.txt").write_text(request["prompt"])\n    said = SAID'))  # fmt: skip
    world.run(select=["learn"])
    told = (world.folder / "told.txt").read_text()
    assert "E0402" in told and "rule unsafe: kin(a, c, .uncle)" in told and "tried_" not in told
    assert len([call for call in world.calls() if call.endswith("False")]) == 1, "five items, one mistake"
    assert not names(world)


def test_nothing_is_asked_or_written_twice(world: InduceWorld) -> None:
    world.run()
    calls, text = world.calls(), world.fragment.read_text()
    outcome, _ = world.run()
    assert (outcome.ran, world.calls(), world.fragment.read_text()) == ([], calls, text)
    outcome, _ = world.run(refresh=["errors"])
    assert "p.learn" not in outcome.ran or world.fragment.read_text() == text


def test_accepting_changes_what_is_derived_and_proposing_does_not(world: InduceWorld) -> None:
    _, before = world.run()
    run_id = before.run
    outcome, ctx = world.run()
    assert (outcome.ran, ctx.run) == ([], run_id), "the run has its name still"
    world.fragment.write_text(world.fragment.read_text().replace("@status(proposed)", ACCEPTED, 1))
    with ExitStack() as stack:
        ctx = world.open(stack)
        ctx.knowledge.prepare()
        states = {item.node.id: item.state for item in make_plan(ctx)}
    assert ctx.run != run_id
    assert states["p.learn"] == "done", "what became of a rule does not run its stage again"
    assert states["p.final"] == "run", "what the KB gives its items changed"


def test_a_person_in_between_loses_nothing(world: InduceWorld) -> None:
    world.run()
    text = world.fragment.read_text().replace("rule base_2 0.75", "# I doubt this\nrule base_2 0.70")
    world.fragment.write_text(text.replace("@status(proposed)", ACCEPTED, 1))
    before = world.fragment.read_text()
    (world.folder / "kin.nesy").write_text(SPEC.replace('("finn", "ivo", .father)', '("finn", "ivo", .father) ("fay", "ivo", .father)'))  # fmt: skip
    outcome, _ = world.run()
    after = world.fragment.read_text()
    assert "p.learn" in outcome.ran, "the evidence is counted anew where the facts changed"
    assert "# I doubt this\nrule base_2 0.70" in after and ACCEPTED in after
    old, new = rules_in("f", before, "family"), rules_in("f", after, "family")
    assert list(old) == list(new)
    world.fragment.write_text("nesy 1\nfragment of family\n")
    assert world.run()[0].ran == [] or names(world) == []
    assert names(world) == [], "what a person takes out of the text stays out"


def test_a_required_review_stops_the_run_before_what_depends_on_it(tmp_path: Path) -> None:
    world = InduceWorld(tmp_path, SPEC.replace("min_support = 2", "min_support = 2, review = .required"))
    with pytest.raises(Stopped, match="E0801") as caught:
        world.run()
    assert caught.value.exit_code == 4
    assert caught.value.help.startswith("nesyc review --stage p.learn  and then run again")
    assert names(world) == ["grand", "base_2"], "what there is to review was written first"
    text = world.fragment.read_text()
    world.fragment.write_text(text.replace("@status(proposed)", ACCEPTED, 1))
    with pytest.raises(Stopped):
        world.run()
    rejected = world.fragment.read_text().replace("@status(proposed)", '@status(rejected, by = "ada")')
    world.fragment.write_text(rejected)
    assert world.run()[0].ran == ["p.final"]


def test_a_file_that_no_kb_includes_is_refused_before_anything_is_spent(tmp_path: Path) -> None:
    world = InduceWorld(tmp_path, SPEC.replace('  include "learned.nesy"\n', ""))
    with pytest.raises(UserError, match="does not include"):
        world.run()
    assert world.calls() == []


def test_the_right_answer_is_in_the_prompt_only_where_it_may(tmp_path: Path) -> None:
    for gold in (False, True):
        folder = tmp_path / str(gold)
        folder.mkdir()
        world = InduceWorld(folder, SPEC.replace("min_support = 2", f"min_support = 2, show_gold = {str(gold).lower()}"))  # fmt: skip
        teach = folder / "teach.py"
        teach.write_text(teach.read_text().replace("    said = SAID", '    Path(__file__).with_name("told.txt").write_text(request["prompt"])\n    said = SAID').replace('request["row"]["label"]', '"grandfather"').replace('SAID[request["row"]["id"]]', 'SAID["t1"]'))  # fmt: skip
        world.run(select=["learn"])
        told = (folder / "told.txt").read_text()
        assert ("The right answer: grandfather" in told) == gold
        assert "derived kin(a: text, b: text, rel: Kin)   # {b} is the {rel} of {a}." in told
        assert json.dumps("base") not in told and "rule base" not in told
