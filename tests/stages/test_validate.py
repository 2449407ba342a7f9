"""`validate`: answers with and without each entry or rule, harmful ones dropped or marked, a person's left alone."""

from __future__ import annotations

import json
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from nesyc_runtime.errors import UserError
from nesyc_runtime.files import read_jsonl
from nesyc_runtime.kb.review.decisions import accept
from nesyc_runtime.kb.review.log import read_log
from nesyc_runtime.kb.search.retrieval_rows import read_rows
from nesyc_runtime.stages.validate import sign_test, verdict_of
from tests.stages.induce_world import SPEC, InduceWorld

KNOW = "  stage know   = extract(teacher = tutor, data = errors, into = family.lesson)\n"
SOUND = "  stage sound  = validate(know, data = people.dev)\n"
ENTRIES = SPEC.replace(
    '  stage learn  = induce(teacher = tutor, data = errors, into = "learned.nesy", min_support = 2)\n',
    KNOW + SOUND,
).replace("fulltext(lesson.body, kin)", "fulltext(lesson.body)")
ENTRIES = ENTRIES.replace('  include "learned.nesy"\n', "")
RULES = SPEC.replace(
    "  stage final",
    "  stage sound  = validate(learn, data = people.dev)\n  stage final",
)
BODIES = {"t1": "jon: he is the grandfather of", "t2": "gina hugo: the grandmother of",
          "t3": "ivo: the grandmother of", "t4": "nobody asks this", "t5": "nobody asks this"}  # fmt: skip
SAYS = {id_: (json.dumps({"body": body}), "") for id_, body in BODIES.items()}


def lessons(world: InduceWorld) -> dict[str, Any]:
    with ExitStack() as stack:
        ctx = world.open(stack)
        ctx.knowledge.prepare()
        store = ctx.knowledge._store("family")  # type: ignore[attr-defined]
        return {row.values["body"]: row.implicit["status"] for row in read_rows(store, "lesson")}


def verdicts(ctx: Any) -> list[dict[str, Any]]:
    return list(read_jsonl(ctx.folder("p.sound") / "verdicts.jsonl"))


@pytest.fixture
def world(tmp_path: Path) -> InduceWorld:
    world = InduceWorld(tmp_path, ENTRIES, SAYS)
    # the student answers as the knowledge says, and `father` where it says nothing
    world.learner.default = "father"
    return world


def test_harmful_entries_are_dropped_and_stay_so(world: InduceWorld) -> None:
    _, ctx = world.run()
    assert any("retrieves 1 of 4" in note for note in world.reporter.notes)
    found = {(one["helped"], one["harmed"]): one for one in verdicts(ctx)}
    assert set(found) == {(1, 0), (0, 1)}
    assert found[1, 0]["lift"] > 0 > found[0, 1]["lift"]
    counts = ctx.done["p.sound"].info["counts"]
    assert (counts["rows_in"], counts["kept"], counts["dropped"]) == (4, 2, {"harmful": 2})
    assert set(lessons(world)) == {BODIES["t1"], BODIES["t4"]}
    asked, done = len(world.learner.prompts), len(log(world))
    outcome, _ = world.run()
    assert (outcome.ran, len(world.learner.prompts), len(log(world))) == ([], asked, done), (
        "nothing is done twice"
    )
    assert set(lessons(world)) == {BODIES["t1"], BODIES["t4"]}


def log(world: InduceWorld) -> list[Any]:
    with ExitStack() as stack:
        ctx = world.open(stack)
        return list(read_log(ctx.knowledge._store("family"), limit=0)["changes"])  # type: ignore[attr-defined]


def test_the_evidence_stands_in_the_provenance(world: InduceWorld) -> None:
    world.run()
    with ExitStack() as stack:
        ctx = world.open(stack)
        store = ctx.knowledge._store("family")  # type: ignore[attr-defined]
        rows = store.execute('SELECT provenance FROM "lesson.rows"').fetchall()
    told = [json.loads(row[0]).get("validated") for row in rows]
    (found,) = [one for one in told if one is not None]
    assert (found["n"], found["helped"], found["harmed"], found["data"]) == (found["n"], 1, 0, "people.dev")


def test_harmful_entries_are_marked_where_they_are_to_stay(world: InduceWorld) -> None:
    spec = world.folder / "kin.nesy"
    spec.write_text(ENTRIES.replace("data = people.dev)", "data = people.dev, drop = false)"))
    world.run()
    found = lessons(world)
    assert [found[BODIES[id_]] for id_ in ("t1", "t2", "t3", "t4")] == [
        "proposed",
        "stale",
        "stale",
        "proposed",
    ]


def test_what_a_person_accepted_is_neither_measured_nor_dropped(world: InduceWorld) -> None:
    world.run(select=["know"])
    with ExitStack() as stack:
        ctx = world.open(stack)
        store = ctx.knowledge._store("family")  # type: ignore[attr-defined]
        row = next(row for row in read_rows(store, "lesson") if row.values["body"] == BODIES["t2"])
        accept(store, "lesson", row.key, who="ada")
    world.run()
    assert lessons(world)[BODIES["t2"]] == "accepted"


def test_each_prompt_is_answered_once(world: InduceWorld) -> None:
    world.run(select=["know"])
    before = len(world.learner.prompts)
    world.run(select=["sound"])
    asked = world.learner.prompts[before:]
    assert len(asked) == len(set(asked)) > 0


def test_rules_are_measured_by_what_they_put_into_prompts(tmp_path: Path) -> None:
    world = InduceWorld(tmp_path, RULES)
    _, ctx = world.run()
    (grand,) = [one for one in verdicts(ctx) if "rule grand:" in one["subject"]]
    assert (grand["n"], grand["helped"], grand["harmed"], grand["lift"]) == (1, 1, 0, 1.0)
    text = world.fragment.read_text()
    assert "lift = 1.0" in text and 'data = "people.dev"' in text
    assert text.count("@status(proposed)") == 2, "what helps still waits for a person"
    assert world.run()[0].ran == [] and world.fragment.read_text() == text


def test_a_harmful_rule_is_rejected_by_the_stage(tmp_path: Path) -> None:
    world = InduceWorld(tmp_path, RULES)
    dev = world.folder / "dev.jsonl"
    dev.write_text(dev.read_text().replace('"label": "grandfather"', '"label": "uncle"'))
    world.run()
    text = world.fragment.read_text()
    assert (
        '@status(rejected, by = "stage p.sound", note = "lift -1 on people.dev: 0 helped, 1 harmed of 1, p = 1")'
        in text
    )
    assert text.count("@status(proposed)") == 1


def test_without_a_retrieve_nothing_can_be_measured(tmp_path: Path) -> None:
    spec = ENTRIES.replace(", retrieve = hints, tasks = [.augmented]", "")
    lines = [line for line in spec.splitlines() if not line.startswith("retrieve hints")]
    world = InduceWorld(tmp_path, "\n".join(lines) + "\n", SAYS)
    with pytest.raises(UserError, match="no `retrieve` for kinship reads kb family"):
        world.run()
    assert world.calls() == []


def test_paired_counts_and_their_p() -> None:
    one = verdict_of("x", "d.dev", [(True, False)] * 6 + [(False, True)] + [(True, True)] * 3)
    assert (one.n, one.helped, one.harmed, one.lift, one.p) == (10, 6, 1, 0.5, 0.125)
    assert sign_test(0, 0) == 1.0 and sign_test(10, 0) == 0.002
    assert not one.harmful and verdict_of("x", "d.dev", [(False, True)]).harmful
