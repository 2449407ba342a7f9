"""results.json against hand counts, byte for byte the same again, and what stands beside it."""

from __future__ import annotations

import json
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from nesyc_runtime.files import read_jsonl
from nesyc_runtime.stages.results import make_results, write_results
from nesyc_runtime.stages.run import Options, recall, run
from tests.stages.world import World, column, find_stage, location


def finished(world: World) -> dict[str, Any]:
    with ExitStack() as stack:
        ctx = world.context(stack)
        outcome = run(ctx, Options())
        folder = write_results(ctx, outcome.nodes, make_results(ctx, outcome.nodes, "done"))
        assert (ctx.project.runs_dir / "latest").read_text() == f"{folder.name}\n"
    return json.loads((folder / "results.json").read_text())


def without_seconds(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: without_seconds(item) for name, item in value.items() if name != "seconds"}
    return [without_seconds(item) for item in value] if isinstance(value, list) else value


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def requirement(text: str, operator: str, *sides: dict[str, Any]) -> dict[str, Any]:
    condition = {"kind": "operation", "operator": operator, "arguments": list(sides)}
    return location(text=text, condition=condition)


def test_the_contract(world: World) -> None:
    world.values["evaluates"][0]["requires"] = [
        requirement(
            "accuracy >= std.final.accuracy",
            ">=",
            column("score", "accuracy"),
            column("score", "accuracy", "std.final"),
        ),
        requirement(
            "accuracy < nesycd.base.accuracy",
            "<",
            column("score", "accuracy"),
            column("score", "accuracy", "nesycd.base"),
        ),
    ]
    results = finished(world)
    assert results["v"] == 1 and results["status"] == "done"
    assert results["students"] == ["small", "std.final", "nesycd.final", "nesycd.base"]
    score = results["scores"][0]
    assert set(score) == {
        *(
            "evaluate",
            "student",
            "dataset",
            "split",
            "metric",
            "group",
            "seed",
            "n",
            "value",
            "low",
            "high",
            "lenient",
        )
    }
    assert (score["dataset"], score["split"], score["n"], score["value"]) == ("d", "test", 6, 0.0)
    assert [
        set(pair) >= {"a", "b", "metric", "delta", "low", "high", "p"} for pair in results["compare"]
    ] == [True] * 3
    assert [(r["ok"], r["left"], r["right"]) for r in results["require"]] == [
        (True, 0.0, 0.0),
        (False, 0.0, 0.0),
    ]
    cot = results["stages"][0]
    assert {**cot, "seconds": 0} == {
        "name": "std.cot",
        "id": "std.cot",
        "kind": "sample",
        "rows_in": 20,
        "kept": 16,
        "dropped": {"wrong": 4},
        "calls": 20,
        "tokens": 0,
        "usd": 0.0,
        "seconds": 0,
    }


def test_the_same_again_byte_for_byte(world: World) -> None:
    first = finished(world)
    assert finished(world) == first
    other = World(world.folder)
    for file in (world.folder / ".nesy" / "stages").iterdir():
        if file.is_dir():
            file.rename(world.folder / f"away-{file.name}")
    assert without_seconds(finished(other)) == without_seconds(first)


def test_items_have_prompt_answer_gold_and_verdict(world: World) -> None:
    # the nearest entry of each test item is that of the greatest trained number: a right hint for one item
    rows = [{"q": f"q{n}", "n": n, "gold": g} for n, g in ((1000, 36), (1001, 2002))]
    (world.folder / "test.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    results = finished(world)
    items = list(read_jsonl(world.folder / "runs" / results["run"] / "items" / "nesycd.final.jsonl"))
    assert [item["correct"] for item in items] == [True, False]
    assert [(item["id"], item["answer"], item["gold"]) for item in items] == [
        ("q1000", 36, 36),
        ("q1001", 36, 2002),
    ]
    assert items[0]["hits"] == [
        {"relation": "lesson", "key": [18], "score": 1.0, "text": "the double of 18 is 36"}
    ]
    final = next(s for s in results["scores"] if s["student"] == "nesycd.final")
    assert final["value"] == 0.5 and final["low"] <= 0.5 <= final["high"]
    pair = next(c for c in results["compare"] if c["b"] == "std.final")
    assert pair["a"] == "nesycd.final" and pair["delta"] == 0.5


def test_seeds_give_a_row_each_and_one_for_all(world: World) -> None:
    world.values["evaluates"][0]["seeds"] = 2
    results = finished(world)
    rows = [(s["student"], s["seed"]) for s in results["scores"]]
    assert rows == [
        ("small", None),
        ("std.final", None),
        ("std.final", 0),
        ("std.final", 1),
        ("nesycd.final", None),
        ("nesycd.final", 0),
        ("nesycd.final", 1),
    ]
    names = [stage["name"] for stage in results["stages"]]
    assert "nesycd.final#1" in names


def test_a_stopped_run_says_what_is_done(world: World) -> None:
    with ExitStack() as stack:
        ctx = world.context(stack)
        outcome = run(ctx, Options(select=["base"]))
        results = make_results(ctx, outcome.nodes, "stopped")
    assert results["status"] == "stopped" and results["scores"] == [] and results["require"] == []
    assert [stage["name"] for stage in results["stages"]] == ["nesycd.cot", "base"]


def test_a_run_of_a_part_keeps_the_results_of_the_rest(world: World) -> None:
    """Scores of an evaluation stand where only a stage before it was selected, until they are no longer those of now."""
    whole = finished(world)
    calls = len(world.calls())

    def part() -> dict[str, Any]:
        with ExitStack() as stack:
            ctx = world.context(stack)
            outcome = run(ctx, Options(select=["nesycd.cot"]))
            assert set(ctx.done) == {"nesycd.cot"}
            recall(ctx, outcome.nodes)
            return make_results(ctx, outcome.nodes, "done")

    assert part() == whole and len(world.calls()) == calls
    find_stage(world.values, "nesycd.base")["epochs"] = (
        7.0  # final and what learns from its errors hang on it
    )
    students = {score["student"] for score in part()["scores"]}
    assert students == {"small", "std.final"}
