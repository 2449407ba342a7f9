"""`select`: how right a student in training answers a split, asked as an evaluation would ask it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest

from nesyc_runtime import config
from nesyc_runtime.errors import UserError
from nesyc_runtime.inference.exam import read_exam
from nesyc_runtime.stages.graph import all_stages
from nesyc_runtime.stages.run import Options, run
from nesyc_runtime.stages.selection import exam_of
from tests.stages.world import World, find_stage


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def final(world: World, ctx_spec: config.Spec) -> config.FinetuneStage:
    stage = all_stages(ctx_spec)["nesycd.final"]
    assert isinstance(stage, config.FinetuneStage)
    return stage


def test_the_share_of_right_answers_in_the_format_of_the_stage(world: World) -> None:
    find_stage(world.values, "nesycd.final")["select"] = "d.test"
    with ExitStack() as stack:
        ctx = world.context(stack)
        run(ctx, Options(select=["nesycd.know"]))
        exam = exam_of(ctx, final(world, ctx.spec))
        assert exam is not None
        asked: list[str] = []

        def ask(prompts: Sequence[str]) -> list[str]:
            asked[:] = prompts
            golds = [row.values["gold"] for row in ctx.data.split("d.test").rows]
            return [f"answer: {gold}" if n % 4 else "no idea" for n, gold in enumerate(golds)]

        rows = ctx.data.split("d.test").rows
        assert exam.score(ask) == pytest.approx(sum(1 for n in range(len(rows)) if n % 4) / len(rows))
        assert read_exam(json.loads(json.dumps(exam.as_json()))) == exam, (
            "processes that are started apart read it"
        )
        assert all(set(question.row) == {"gold"} for question in exam.questions), (
            "what the verdict reads, no more"
        )
        assert len(asked) == len(rows) and any("the double of" in prompt for prompt in asked)


def test_knowledge_for_the_split_that_changes_trains_again(world: World) -> None:
    find_stage(world.values, "nesycd.final")["select"] = "d.test"

    def run_final() -> list[str]:
        with ExitStack() as stack:
            return run(world.context(stack), Options(select=["nesycd.final"])).ran

    assert "nesycd.final" in run_final() and run_final() == []
    # no item of training is as near to it as what its own stage wrote
    file = world.folder / "kb.json"
    file.write_text(
        json.dumps({**json.loads(file.read_text()), "people": [{"body": "twice 1000 is 2000", "n": [1000]}]})
    )
    assert run_final() == ["nesycd.final"]


def test_nothing_is_scored_unless_asked_for(world: World) -> None:
    with ExitStack() as stack:
        ctx = world.context(stack)
        assert exam_of(ctx, final(world, ctx.spec)) is None


def test_an_empty_split_is_a_mistake(world: World) -> None:
    find_stage(world.values, "nesycd.final")["select"] = "d.test"
    (world.folder / "test.jsonl").write_text("")
    with ExitStack() as stack:
        ctx = world.context(stack)
        with pytest.raises(UserError, match=r"selects on `d\.test`, which has no rows"):
            exam_of(ctx, final(world, ctx.spec))
