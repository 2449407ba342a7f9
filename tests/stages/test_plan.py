"""Plans: what they would cost, why things run, and when a kept plan no longer holds."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from nesyc_runtime.errors import UserError
from nesyc_runtime.report.plan_table import count, duration, money, plan_table
from nesyc_runtime.stages.explain import explain
from nesyc_runtime.stages.plan import make_plan
from nesyc_runtime.stages.plan_form import differences, plan_json
from nesyc_runtime.stages.run import Options, run
from nesyc_runtime.stages.sample import sample_requests
from nesyc_runtime.teachers.ask import distinct_requests
from nesyc_runtime.teachers.base import Answer
from tests.stages.world import World, find_stage, write_data


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def plan_of(world: World, **options: Any) -> dict[str, Any]:
    with ExitStack() as stack:
        ctx = world.context(stack, options.get("limit"))
        select, refresh = options.get("select", ()), options.get("refresh", ())
        return plan_json(ctx, make_plan(ctx, select, refresh), select, refresh, options.get("limit"))


def stage_of(plan: dict[str, Any], id_: str) -> dict[str, Any]:
    found: dict[str, Any] = next(stage for stage in plan["stages"] if stage["id"] == id_)
    return found


def finish(world: World, **options: Any) -> list[str]:
    with ExitStack() as stack:
        return run(world.context(stack), Options(**options)).ran


def serve(world: World, **limits: Any) -> None:
    """A teacher on a server that nobody may ask here."""
    teacher = world.values["teachers"][0]
    teacher["endpoint"] = {
        "kind": "openai_compatible",
        "model": "m",
        "url": "http://localhost:9/v1",
        "key": None,
        "temperature": 0.0,
        "max_tokens": 100,
        "timeout": 1.0,
    }
    teacher["price"] = {"input": 2.0, "output": 10.0}
    teacher["limits"] = {"max_usd": 25.0, "rpm": 60, "in_flight": 4, **limits}


def store_answers(world: World, number: int, tokens: Callable[[int], int], characters: int = 40) -> None:
    with ExitStack() as stack:
        ctx = world.context(stack)
        stage: Any = next(s for p in ctx.spec.pipelines for s in p.stages if s.id == "std.cot")
        keys = list(distinct_requests(ctx.teachers.get("big"), sample_requests(ctx, stage)))
        for index, key in enumerate(keys[:number]):
            ctx.answers.put(key, "big", Answer("x" * characters, (10, tokens(index)), 0.001))


def test_calls_are_rows_less_stored_answers(world: World) -> None:
    serve(world)
    assert stage_of(plan_of(world), "std.cot")["calls"] == [20, 20]
    store_answers(world, 7, lambda index: 5)
    cot = stage_of(plan_of(world), "std.cot")
    assert (cot["calls"], cot["state"]) == ([13, 13], "partial")
    assert stage_of(plan_of(world, limit=3), "std.cot")["calls"] == [0, 0]
    refreshed = stage_of(plan_of(world, refresh=["std.cot"]), "std.cot")
    assert refreshed["calls"] == [20, 20]
    assert stage_of(plan_of(world), "std.cot")["calls"] == [13, 13]  # a plan refreshes nothing


def test_equal_requests_are_one_call(world: World) -> None:
    serve(world)
    file = world.folder / "train.jsonl"
    rows = [f'{{"q": "q{index}", "n": 1, "gold": 2}}\n' for index in range(4)]
    file.write_text("".join(rows))
    assert stage_of(plan_of(world), "std.cot")["calls"] == [1, 1]


def test_tokens_and_money_by_default(world: World) -> None:
    serve(world)
    cot = stage_of(plan_of(world), "std.cot")
    prompts = [f"Double {n}.\nFinish with 'answer: <number>'." for n in range(20)]
    characters = sum(len(prompt) for prompt in prompts)
    sent, received = (characters / 5, characters / 2.5 + 16 * 20), (20, 2000)
    assert cot["tokens"] == [round(sent[0] + 20), round(sent[1] + 2000)]
    assert cot["usd"] == [
        pytest.approx((s * 2 + r * 10) / 1e6, abs=1e-6) for s, r in zip(sent, received, strict=True)
    ]
    assert cot["measured"] == []
    assert cot["seconds"] == [20.0, 150.0]  # a call a second at most; 30 s each, 4 in flight


def test_tokens_measured_on_the_teachers_answers(world: World) -> None:
    serve(world)
    write_data(world.folder, train=60)
    store_answers(world, 19, lambda index: 10 + index)
    assert stage_of(plan_of(world), "std.cot")["measured"] == []
    store_answers(world, 40, lambda index: 10 + index)
    cot = stage_of(plan_of(world), "std.cot")
    assert (cot["calls"], cot["measured"]) == ([20, 20], ["tokens"])
    lengths = [10 + index for index in range(40)]
    ratio = 40 * 40 / sum(lengths)
    characters = sum(len(f"Double {n}.\nFinish with 'answer: <number>'.") for n in range(40, 60))
    assert cot["tokens"] == [
        round(characters / (ratio * 1.25) + 20 * 12),
        round(characters / (ratio / 1.25) + 20 * 16 + 20 * 47),
    ]


def test_what_waits_for_errors_has_a_range_from_nothing(world: World) -> None:
    serve(world)
    know = stage_of(plan_of(world), "nesycd.know")
    assert know["calls"] == [0, 20] and know["usd"][0] == 0 and know["usd"][1] > 0
    find_stage(world.values, "nesycd.know")["limit"] = 4
    limited = stage_of(plan_of(world), "nesycd.know")
    assert limited["calls"] == [0, 4]
    assert limited["tokens"][1] < know["tokens"][1]


def test_time_is_measured_on_the_like(world: World) -> None:
    world.learner.pause = 0.001
    assert stage_of(plan_of(world), "main:std.final")["measured"] == []
    finish(world)
    write_data(world.folder, test=60)
    before = stage_of(plan_of(world), "main:std.final")
    assert before["measured"] == ["seconds"] and 0 < before["seconds"][1] < 60 * 5


def test_over_budget_is_e0703(world: World) -> None:
    serve(world, max_usd=0.0001)
    plan = plan_of(world)
    assert [problem["code"] for problem in plan["over"]] == ["E0703"]
    assert plan["over"][0]["span"]["file"] == "s.nesy" and plan["budget"] == 0.0001
    serve(world, max_usd=0.01)
    assert plan_of(world)["over"] == []


def test_reasons_name_the_thing() -> None:
    before = {"rows of d.train": "a" * 64, "retrieved": "b" * 64, "task t": "c" * 64, "`lr`": 1}
    now = dict.fromkeys(before, "d" * 64) | {"`lr`": 2}
    old_parts = {
        "rows of d.train": {"1": "x", "2": "y", "3": "z"},
        "retrieved": {
            "rule chain": ["1", "k.nesy:7"],
            "rule old": ["3", "k.nesy:9"],
            "facts parent": {"rows": ["a"], "files": []},
            "items": {"1": "x", "2": "y"},
        },
        "task t": {"prompt": "1", "parser of `answer`": "1"},
    }
    new_parts = {
        "rows of d.train": {"1": "x", "2": "changed", "4": "new", "5": "new"},
        "retrieved": {
            "rule chain": ["2", "k.nesy:8"],
            "facts parent": {"rows": ["a", "b"], "files": []},
            "items": {"1": "x", "2": "z"},
        },
        "task t": {"prompt": "2", "parser of `answer`": "1"},
    }
    assert explain(before, now, old_parts, new_parts) == [
        "2 of 4 rows of d.train are new",
        "1 of 4 rows of d.train changed",
        "1 of 3 rows of d.train is gone",
        "rule chain edited (k.nesy:8)",
        "facts of parent: 1 added",
        "rule old is gone",
        "the KB gives 1 of 2 items something else",
        "prompt of task t changed",
        "`lr` changed 1 -> 2",
    ]
    assert explain(before, now) == [
        "rows of d.train changed",
        "what the KB gives its items changed",
        "task t changed",
        "`lr` changed 1 -> 2",
    ]


def test_a_waiting_stage_says_its_own_changes_too(world: World) -> None:
    finish(world)
    world.values["tasks"][0]["prompts"][""] += " Please."
    find_stage(world.values, "std.final")["lr"] = 0.5
    why = stage_of(plan_of(world), "std.final")["why"]
    assert "prompt of task double changed" in why and "`lr` changed 0.001 -> 0.5" in why
    assert why[-1] == "upstream `std.cot` will run"


def test_refresh_of_what_is_not_selected_or_no_stage(world: World) -> None:
    for act in (finish, plan_of):
        with pytest.raises(UserError, match="not selected"):
            act(world, select=["std.cot"], refresh=["know"])
        with pytest.raises(UserError, match="is an evaluation"):
            act(world, refresh=["main"])
    assert world.calls() == []


def test_a_kept_plan_holds_while_it_is_carried_out(world: World) -> None:
    planned = plan_of(world)
    assert differences(planned, plan_of(world)) == []
    finish(world, select=["nesycd.base"])
    assert differences(planned, plan_of(world)) == []
    finish(world)
    assert differences(planned, plan_of(world)) == []


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (lambda w: write_data(w.folder, train=21), "std.cot: rows of d.train changed"),
        (lambda w: find_stage(w.values, "std.final").update(lr=0.5), "std.final: `lr` changed"),
        (
            lambda w: w.values["kbs"][0]["facts"].append(
                {
                    "relation": "lesson",
                    "values": [1, "a", "b"],
                    "confidence": 1.0,
                    "origin": "human",
                    "location": w.values["kbs"][0]["location"],
                }
            ),
            "nesycd.final: facts lesson changed",
        ),
        (lambda w: find_stage(w.values, "nesycd.final").update(retrieve=None), "nesycd.final: "),
        (lambda w: w.values["pipelines"].pop(0) and w.values["evaluates"].clear(), "stage std.final is gone"),
    ],
    ids=["rows", "setting", "fact", "retrieve", "stages"],
)
def test_a_kept_plan_says_what_is_no_longer_so(
    world: World, change: Callable[[World], Any], line: str
) -> None:
    planned = plan_of(world)
    change(world)
    found = differences(planned, plan_of(world))
    assert any(difference.startswith(line) for difference in found), found


def test_a_kept_plan_refuses_more_work_and_more_money(world: World) -> None:
    serve(world)
    store_answers(world, 20, lambda index: 5)
    planned = plan_of(world)
    (world.folder / ".nesy" / "answers.db").unlink()
    found = differences(planned, plan_of(world))
    assert "std.cot: up to 20 calls, the plan says 0" in found
    assert any("USD, the plan says" in line for line in found)
    assert "std.cot: run, the plan says partial" in found


def test_a_done_stage_that_is_to_be_done_again(world: World) -> None:
    finish(world)
    planned = plan_of(world)
    for folder in (world.folder / ".nesy" / "stages").iterdir():
        if folder.is_dir():
            folder.rename(world.folder / f"away-{folder.name}")
    assert "std.cot: run, the plan says done" in differences(planned, plan_of(world)) or (
        "std.cot: partial, the plan says done" in differences(planned, plan_of(world))
    )


def test_numbers_for_people(world: World) -> None:
    assert [count(n) for n in (0, 950, 12_340, 999_900, 4_500_000)] == ["0", "950", "12.3k", "1M", "4.5M"]
    assert [duration(s) for s in (0, 0.3, 42, 90, 7200)] == ["0 s", "< 1 s", "42 s", "1.5 min", "2 h"]
    assert [money(m) for m in (0, 0.0012, 1.5)] == ["0", "< 0.01", "1.50"]
    serve(world, max_usd=0.0001)
    text = shown(plan_of(world))
    assert "upstream `base`, `nesycd.cot` will run" in text and "10 of 10 stages to run" in text
    assert "std.cot" in text and "never run" in text and "error[E0703]" in text and "\x1b" not in text
    world.values = World(world.folder).values
    finish(world)
    assert "nothing to run: all" in shown(plan_of(world))


def shown(plan: dict[str, Any]) -> str:
    from io import StringIO

    from rich.console import Console

    out = StringIO()
    Console(file=out, width=140, highlight=False).print(plan_table(plan))
    return out.getvalue()
