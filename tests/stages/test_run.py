"""Runs: what is done once, what a change makes run again, what a refresh does, and what stops."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from nesyc_runtime.errors import Stopped, UserError
from nesyc_runtime.files import read_jsonl
from nesyc_runtime.project import Project
from nesyc_runtime.stages.context import Context
from nesyc_runtime.stages.examples import read_examples
from nesyc_runtime.stages.finetune import finetune_stage, lessons_of, training_examples
from nesyc_runtime.stages.keys import finetune_inputs, stage_key
from nesyc_runtime.stages.plan import make_plan
from nesyc_runtime.stages.plan_form import plan_json
from nesyc_runtime.stages.ports import Reply
from nesyc_runtime.stages.review import approve_files
from nesyc_runtime.stages.run import Options, run
from nesyc_runtime.stages.shelf import Generations
from tests.stages.world import AFTER, Remembers, World, find_stage, stage, write_data

RESPONSES = ["main:small", "main:std.final", "main:nesycd.final"]
# nesycd.cot is std.cot and nesycd.base is std.final by content: each is done once
EVERYTHING = {"std.cot", "std.final", "nesycd.errors", "nesycd.know", "nesycd.final", *RESPONSES}
AFTER_BASE = {"nesycd.base", "nesycd.errors", "nesycd.know", "nesycd.final", "main:nesycd.final"}


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def run_once(world: World, **options: Any) -> list[str]:
    """The nodes that were worked on."""
    with ExitStack() as stack:
        context = world.context(stack, options.pop("limit", None))
        return run(context, Options(**options)).ran


def key_of(ctx: Context, name: str) -> str:
    return stage_key(finetune_inputs(ctx, finetune_stage(ctx, name), 0))


def states(world: World) -> dict[str, tuple[str, tuple[str, ...]]]:
    with ExitStack() as stack:
        return {item.node.id: (item.state, item.why) for item in make_plan(world.context(stack))}


def test_everything_runs_once_then_nothing(world: World) -> None:
    assert set(run_once(world)) == EVERYTHING
    calls = world.calls()
    assert len([call for call in calls if call.startswith("sample")]) == 20
    assert run_once(world) == []
    assert world.calls() == calls
    assert world.learner.trainings == [] and world.learner.asked == 0


def test_what_the_stages_make(world: World) -> None:
    with ExitStack() as stack:
        ctx = world.context(stack)
        run(ctx, Options())
        cot = read_examples(ctx.folder("std.cot") / "examples.jsonl")
        assert [example.id for example in cot] == [f"q{n}" for n in range(20) if n % 5 != 4]
        assert ctx.done["std.cot"].info["counts"]["dropped"] == {"wrong": 4}
        errors = read_examples(ctx.folder("nesycd.errors") / "examples.jsonl")
        assert len(errors) == 15  # with folds nothing is known by heart, 0 is guessed
        assert errors[0].wrong == "answer: 0" and errors[0].rationales == ("twice 1 so answer: 2",)
        entries = list(read_jsonl(ctx.folder("nesycd.know") / "entries.jsonl"))
        assert entries[0]["values"] == {"title": "about 1", "body": "the double of 1 is 2"}
        assert entries[0]["sources"] == ["nesycd.errors/q1"] and entries[0]["inputs"] == [{"n": 1}]
        responses = list(read_jsonl(ctx.folder("main:nesycd.final") / "responses.jsonl"))
        assert [response["id"] for response in responses] == [f"q{n}" for n in range(1000, 1006)]
        assert all("the double of" in response["prompt"] for response in responses)
        assert all(response["hits"] for response in responses)
        plain = list(read_jsonl(ctx.folder("main:std.final") / "responses.jsonl"))
        assert all("the double of" not in response["prompt"] for response in plain)


def test_training_items_do_not_see_their_own_entries(world: World) -> None:
    with ExitStack() as stack:
        ctx = world.context(stack)
        run(ctx, Options())
        from nesyc_runtime.stages.finetune import lessons_of, training_examples
        from nesyc_runtime.stages.graph import all_stages

        stage = all_stages(ctx.spec)["nesycd.final"]
        lessons = lessons_of(ctx, stage, training_examples(ctx, stage))  # type: ignore[arg-type]
        assert len(lessons) == 16
        for lesson in lessons:
            assert lesson.retrieved is not None
            assert f"of {lesson.inputs['n']} " not in lesson.retrieved


def test_own_entries_are_held_out_of_training_only(world: World) -> None:
    with ExitStack() as stack:
        ctx = world.context(stack)
        run(ctx, Options())
        asked = ctx.knowledge.asked  # type: ignore[attr-defined]
    assert {id_ for training, id_ in asked if training} == {f"q{n}" for n in range(20) if n % 5 != 4}
    assert {id_ for training, id_ in asked if not training} == {f"q{n}" for n in range(1000, 1006)}


def change_setting(stage: str, **values: Any) -> Callable[[World], None]:
    return lambda world: find_stage(world.values, stage).update(values)


def change_prompt(world: World) -> None:
    world.values["tasks"][0]["prompts"][""] += " Please."


def change_teacher_code(world: World) -> None:
    file = world.folder / "teacher.py"
    file.write_text(file.read_text() + "# changed\n")


def change_data(world: World) -> None:
    write_data(world.folder, train=21)


def change_test(world: World) -> None:
    write_data(world.folder, test=7)


def change_module(world: World) -> None:
    (world.folder / "build/s/train/nesycd_final.py").write_text("MODULE = 'another'\n")


def change_student(world: World) -> None:
    world.values["students"][0]["base"]["architecture"]["layers"] = 2


def change_columns(world: World) -> None:
    world.values["kbs"][0]["relations"][0]["columns"][1]["type"] = {"base": "text", "nullable": True}


CHANGES: list[tuple[Callable[[World], None], set[str], str]] = [
    (change_setting("std.final", lr=0.002), {"std.final", "main:std.final"}, "`lr` changed 0.001 -> 0.002"),
    (change_setting("nesycd.base", epochs=2.0), AFTER_BASE, "`epochs` changed 1.0 -> 2.0"),
    (change_prompt, EVERYTHING, "prompt of task double changed"),
    (change_teacher_code, EVERYTHING - {"main:small"}, "code of teacher big changed"),
    (change_data, EVERYTHING - {"main:small"}, "1 of 21 rows of d.train is new"),
    (change_test, set(RESPONSES), "1 of 7 rows of d.test is new"),
    (change_module, {"nesycd.final", "main:nesycd.final"}, "its training module changed"),
    (change_student, EVERYTHING - {"std.cot"}, "`base.architecture.layers` of student small changed 1 -> 2"),
    (change_columns, {"nesycd.know"}, "columns of lesson changed"),
    (
        change_setting("nesycd.final", retrieve=None),
        {"nesycd.final", "main:nesycd.final"},
        "what the KB gives its items changed",
    ),
]


@pytest.mark.parametrize(
    ("change", "expected", "why"), CHANGES, ids=lambda value: getattr(value, "__name__", "")
)
def test_one_change_runs_exactly_its_dependents(
    world: World, change: Callable[[World], None], expected: set[str], why: str
) -> None:
    run_once(world)
    change(world)
    planned = states(world)
    first = next(id_ for id_ in planned if planned[id_][0] != "done")
    assert why in planned[first][1], planned[first]
    ran = set(run_once(world))
    assert ran == expected
    assert run_once(world) == []
    assert {state for state, _ in states(world).values()} == {"done"}


def change_price(world: World) -> None:
    teacher = world.values["teachers"][0]
    teacher["price"] = {"input": 3.0, "output": 9.0}
    teacher["limits"] = {"max_usd": 1.0, "rpm": 10, "in_flight": 2, "retries": 9}


def change_place(world: World) -> None:
    find_stage(world.values, "std.final")["location"] = {
        "file": "s.nesy",
        "line": 99,
        "col": 1,
        "end_line": 99,
        "end_col": 2,
    }


def change_words_of_a_module(world: World) -> None:
    """As when lines above a stage move it in the spec, which the module's docstring names."""
    module = world.folder / "build/s/train/nesycd_final.py"
    module.write_text(f'"""Compiled from s.nesy:99."""\n\n# a comment\n{module.read_text()}')


@pytest.mark.parametrize(
    "change",
    [change_price, change_place, change_words_of_a_module, change_setting("nesycd.know", review="required")],
    ids=["price and limits", "place", "a module's docstring", "review"],
)
def test_what_runs_nothing_again(world: World, change: Callable[[World], None]) -> None:
    run_once(world)
    change(world)
    assert run_once(world) == []


def test_states_before_and_after(world: World) -> None:
    planned = states(world)
    assert {state for state, _ in planned.values()} == {"run"}
    assert planned["std.cot"][1] == ("never run",)
    assert "upstream `std.cot` will run" in planned["std.final"][1]
    run_once(world, select=["base"])
    planned = states(world)
    done = [id_ for id_, (state, _) in planned.items() if state == "done"]
    assert done == ["std.cot", "std.final", "nesycd.cot", "nesycd.base"]


def test_select(world: World) -> None:
    assert set(run_once(world, select=["nesycd.base"])) == {"nesycd.cot", "nesycd.base"}
    assert set(run_once(world, select=["know+"])) == {
        "nesycd.errors",
        "nesycd.know",
        "nesycd.final",
        "main:nesycd.final",
    }
    with pytest.raises(UserError, match="no stage or evaluation `finall`") as error:
        run_once(world, select=["finall"])
    assert "final" in error.value.help


def test_refresh_asks_again_and_a_broken_one_goes_on(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    run_once(world)
    calls = len(world.calls())
    assert run_once(world, refresh=["know"]) == ["nesycd.know"]
    extracted = len(world.calls()) - calls
    assert extracted == 15
    assert run_once(world) == []

    def killed(_: Generations, stage: str) -> None:
        if stage == "nesycd.know":
            raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Generations, "finished", killed)
        run_once(world, refresh=["know"])
    asked = len(world.calls())
    assert run_once(world, refresh=["know"]) == []
    assert len(world.calls()) == asked
    assert run_once(world, refresh=["know"]) == ["nesycd.know"]


def test_a_refresh_cut_off_between_copies_goes_on_with_the_second(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.values["evaluates"][0]["seeds"] = 2
    run_once(world)
    train = Remembers.train

    def killed(self: Remembers, stage: Any, lessons: Any, *, seed: int, **rest: Any) -> None:
        if (stage.id, seed) == ("std.final", 1):
            raise KeyboardInterrupt
        train(self, stage, lessons, seed=seed, **rest)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Remembers, "train", killed)
        run_once(world, refresh=["std.final"])
    run_once(world, refresh=["std.final"])
    assert [seed for id_, _, seed in world.learner.trainings if id_ == "std.final"] == [1]


def test_limit_cuts_every_split(world: World) -> None:
    run_once(world, limit=3)
    assert [call for call in world.calls() if call.startswith("sample")] == [
        f"sample q{n} 0" for n in range(3)
    ]
    assert world.learner.asked <= 3 * 4


def test_a_sample_stage_asks_about_its_first_rows_only(world: World) -> None:
    find_stage(world.values, "std.cot")["limit"] = 2
    find_stage(world.values, "nesycd.cot")["limit"] = 2
    run_once(world)
    assert [call for call in world.calls() if call.startswith("sample")] == ["sample q0 0", "sample q1 0"]


def test_seeds_train_only_the_compared_stages(world: World) -> None:
    world.values["evaluates"][0]["seeds"] = 3
    run_once(world)
    assert sorted({(name, seed) for name, _, seed in world.learner.trainings}) == [
        ("nesycd.base", 0),
        *(("nesycd.final", seed) for seed in range(3)),
        *(("std.final", seed) for seed in range(3)),
    ]


def test_a_required_review_stops_before_the_first_dependent(world: World) -> None:
    find_stage(world.values, "nesycd.know")["review"] = "required"
    with pytest.raises(
        Stopped, match=r"E0801: stage `know` asks for a review before `nesycd\.final`"
    ) as caught:
        run_once(world)
    assert caught.value.exit_code == 4
    assert "nesyc review --stage nesycd.know" in caught.value.help
    planned = states(world)
    assert planned["nesycd.know"][0] == "done"
    assert planned["nesycd.final"] == ("blocked", ("`know` waits for a review",))
    assert planned["main:nesycd.final"][0] == "blocked"
    world.reviewed.add("nesycd.know")
    assert set(run_once(world)) == {"nesycd.final", *RESPONSES}, "nothing is done twice"


def test_a_stage_without_entries_is_approved_by_name(world: World) -> None:
    find_stage(world.values, "nesycd.cot")["review"] = "required"
    with pytest.raises(Stopped, match=r"`nesycd\.cot` asks for a review|`cot` asks for a review") as caught:
        run_once(world)
    command = "nesyc review --stage nesycd.cot --approve"
    assert command in caught.value.help
    approve_files(Project(world.folder, spec_dir=world.folder), "nesycd.cot", "ada", "looks right")
    run_once(world)
    with pytest.raises(UserError, match="has made nothing yet"):
        approve_files(Project(world.folder, spec_dir=world.folder), "nesycd.nothing", "ada", "")


def test_no_errors_is_a_warning_with_the_remedy(world: World) -> None:
    find_stage(world.values, "nesycd.errors")["folds"] = 1
    run_once(world)
    assert any("folds = 5" in note for note in world.reporter.notes)


def test_a_union_has_each_item_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The errors of two students: an item both got wrong is asked about once, and its entry names both."""
    few = stage(
        "mine_errors",
        "std",
        "errors",
        model="small",
        data="d.train",
        against=["std.cot", "nesycd.cot"],
        folds=1,
        by=[],
        limit=3,
    )
    world.values["pipelines"][0]["stages"].append(few)
    find_stage(world.values, "nesycd.know")["data"] = ["nesycd.errors", "std.errors"]
    monkeypatch.setitem(AFTER, "std.errors", ("std.cot", "nesycd.cot"))
    monkeypatch.setitem(AFTER, "nesycd.know", ("nesycd.errors", "std.errors"))
    with ExitStack() as stack:
        ctx = world.context(stack)
        know = next(item for item in make_plan(ctx) if item.node.id == "nesycd.know")
        assert know.spend.calls == (0, 23)
        run(ctx, Options())
        wrong = read_examples(ctx.folder("std.errors") / "examples.jsonl")
        assert [example.id for example in wrong] == [
            "q1",
            "q2",
        ]  # of three items; 0 is guessed, and right for q0
        sources = [entry["sources"] for entry in read_jsonl(ctx.folder("nesycd.know") / "entries.jsonl")]
        assert sources[0] == ["nesycd.errors/q1", "std.errors/q1"]
        assert sources[2] == ["nesycd.errors/q3"] and len(sources) == 15
        assert len([call for call in world.calls() if call.startswith("extract")]) == 15


def test_the_plan_is_the_contract(world: World) -> None:
    with ExitStack() as stack:
        ctx = world.context(stack)
        plan = plan_json(ctx, make_plan(ctx))
    assert plan["v"] == 1 and plan["budget"] == 25.0 and plan["usd"] == [0, 0]
    cot = plan["stages"][0]
    assert {"name", "kind", "key", "state", "why", "calls", "tokens", "usd", "seconds"} <= set(cot)
    assert cot["calls"] == [20, 20] and cot["key"].startswith("sha256:")
    names = [stage["name"] for stage in plan["stages"]]
    assert "base" in names and "std.cot" in names and "nesycd.final" in names


def test_only_one_run_at_a_time(tmp_path: Path) -> None:
    from nesyc_runtime.stages.shelf import project_lock

    with project_lock(tmp_path), pytest.raises(UserError, match="another run"), project_lock(tmp_path):
        pass
    with project_lock(tmp_path):
        pass


def test_a_split_trains_on_its_right_answers(world: World) -> None:
    stage = find_stage(world.values, "std.final")
    stage["examples"], stage["tasks"] = ["d.train"], ["answer"]
    after, AFTER["std.final"] = AFTER["std.final"], ()
    try:
        with ExitStack() as stack:
            ctx = world.context(stack)
            final = finetune_stage(ctx, "std.final")
            lessons = lessons_of(ctx, final, training_examples(ctx, final))
            run(ctx, Options(select=("std.final",)))
    finally:
        AFTER["std.final"] = after
    assert [(lesson.response, lesson.answer) for lesson in lessons[:3]] == [("", "0"), ("", "2"), ("", "4")]
    assert world.learner.trainings == [("std.final", 20, 0)]


def test_a_changed_row_of_a_split_trains_again(world: World) -> None:
    find_stage(world.values, "std.final").update(examples=["d.train"], tasks=["answer"])
    with ExitStack() as stack:
        before = key_of(world.context(stack), "std.final")
    write_data(world.folder, train=21)
    with ExitStack() as stack:
        assert key_of(world.context(stack), "std.final") != before


class Cascade(Remembers):
    """Writes a rationale, and an answer only where it is asked for what follows from one."""

    def respond(self, student: str, weights: Path | None, prompts: Sequence[str], **more: Any) -> None:
        for index, prompt in enumerate(prompts):
            number = int(prompt.partition("Double ")[2].split(".")[0])
            given = "follows from the reasoning" in prompt
            assert (f"twice {number} is {2 * number}" in prompt) == given
            text = f"answer: {2 * number}" if given else f"twice {number} is {2 * number}."
            more["on_reply"](index, Reply(text, 0.5 if given else 0.9, 4))


def test_rationale_and_answer_learnt_apart_are_asked_for_one_after_the_other(world: World) -> None:
    find_stage(world.values, "std.final").update(tasks=["rationale", "answer_given"], weights=[0.7, 0.3])
    world.values["evaluates"][0].update(model="std.final", students=["std.final"])
    world.learner = Cascade()
    with ExitStack() as stack:
        ctx = world.context(stack)
        run(ctx, Options())
        responses = list(read_jsonl(ctx.folder("main:std.final") / "responses.jsonl"))
    first = responses[0]
    assert first["response"] == "twice 1000 is 2000.\nanswer: 2000"
    assert (first["confidence"], first["tokens"]) == (0.5, 8)
    assert first["prompt"].endswith("follows from the reasoning.")


def test_mining_cut_off_between_the_two_steps_of_an_answer_goes_on_with_the_folds_own_model(
    world: World, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = World(tmp_path_factory.mktemp("whole"))
    respond, asked = Remembers.respond, 0

    def killed(*arguments: Any, **rest: Any) -> None:
        nonlocal asked
        asked += 1
        if asked == 2:  # the first fold's second step
            raise KeyboardInterrupt
        respond(*arguments, **rest)

    for one in (world, other):
        find_stage(one.values, "nesycd.base").update(tasks=["rationale", "answer_given"], weights=[0.5, 0.5])
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Remembers, "respond", killed)
        run_once(world, select=["errors"])
    kept = []
    for one in (world, other):
        with ExitStack() as stack:
            ctx = one.context(stack)
            run(ctx, Options(select=["errors"]))
            kept.append(ctx.done["nesycd.errors"].info["counts"])
    assert kept[0] == kept[1] and kept[0]["kept"] > 0


class CutsSome(Remembers):
    """Has no room for the prompts of some items."""

    def respond(self, *arguments: Any, on_reply: Callable[[int, Reply], None], **rest: Any) -> None:
        def reply(index: int, given: Reply) -> None:
            lost = {0: ("knowledge", "prompt"), 1: ("knowledge",)}
            on_reply(index, replace(given, cut=lost.get(index, ())))

        super().respond(*arguments, on_reply=reply, **rest)


def test_prompts_that_lost_something_are_counted_and_marked(world: World) -> None:
    world.learner = CutsSome()
    with ExitStack() as stack:
        ctx = world.context(stack)
        run(ctx, Options())
        responses = list(read_jsonl(ctx.folder("main:nesycd.final") / "responses.jsonl"))
    assert [one.get("cut") for one in responses][:3] == [["knowledge", "prompt"], ["knowledge"], None]
    (told,) = [text for text in world.reporter.notes if "nesycd.final: of" in text]
    assert (
        f"of {len(responses)} prompts 2 lost the end of what was retrieved and 1 lost the beginning" in told
    )


def test_rows_of_the_test_split_are_left_out_of_training_and_counted(world: World) -> None:
    rows = [{"q": f"q{n}", "n": n, "gold": 2 * n} for n in (1000, 1001)]
    with (world.folder / "train.jsonl").open("a", encoding="utf-8") as file:
        file.write("".join(json.dumps(row) + "\n" for row in rows))
    run_once(world)
    assert [text for text in world.reporter.notes if "E0605" in text] == [
        "warning: s.nesy:1: E0605: d.train: 2 rows also stand in a held-out split: left out"
    ]
    assert world.learner.trainings[0][1] == 16
