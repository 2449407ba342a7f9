"""results.json, items/, decisions.json and training.json of a run: scores of what the students answered."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from nesyc_runtime import config
from nesyc_runtime.files import write_atomic, write_json, write_jsonl
from nesyc_runtime.stages.context import Context
from nesyc_runtime.stages.finetune import WEIGHTS
from nesyc_runtime.stages.graph import Node, Respond, compared, copy_id, short_names
from nesyc_runtime.stages.respond import GATE
from nesyc_runtime.stages.scoring import answered_students, comparisons_of, requires_of, scores_of


def make_results(
    ctx: Context, nodes: Mapping[str, Node], status: Literal["done", "stopped"]
) -> dict[str, Any]:
    """The object of the results contract, from whatever is done."""
    results: dict[str, Any] = {"v": 1, "run": ctx.run, "status": status, "students": []}
    scores: list[dict[str, Any]] = []
    comparisons: list[dict[str, Any]] = []
    requires: list[dict[str, Any]] = []
    for evaluate in ctx.spec.evaluates:
        answered = answered_students(ctx, nodes, evaluate)
        results["students"] += [a.student for a in answered if a.student not in results["students"]]
        scores += scores_of(ctx, evaluate, answered)
        comparisons += comparisons_of(ctx, evaluate, answered)
        if len(answered) == len(compared(evaluate)):
            requires += requires_of(ctx, evaluate, answered)
    return {
        **results,
        "scores": scores,
        "compare": comparisons,
        "require": requires,
        "stages": [_stage(ctx, node) for node in _done(ctx, nodes, respond=False)],
        "evaluations": [
            {
                "name": node.id,
                "items": ctx.done[node.id].info["counts"]["rows_in"],
                "seconds": _seconds(ctx, node),
            }
            for node in _done(ctx, nodes, respond=True)
        ],
        "shared_rows": _shared_rows(ctx, nodes),
        "substitutions": substitutions(ctx),
    }


def write_results(ctx: Context, nodes: Mapping[str, Node], results: Mapping[str, Any]) -> Path:
    """Write runs/ID/{items/, decisions.json, training.json, results.json} and runs/latest, each file atomically."""
    folder = ctx.project.runs_dir / ctx.run
    lines: dict[str, list[dict[str, Any]]] = {}
    for evaluate in ctx.spec.evaluates:
        for answered in answered_students(ctx, nodes, evaluate):
            lines.setdefault(answered.student, []).extend(answered.lines)
    for student, student_lines in lines.items():
        write_jsonl(folder / "items" / f"{student}.jsonl", student_lines)
    write_json(folder / "decisions.json", decisions(ctx))
    write_json(folder / "training.json", {"v": 1, "run": ctx.run, "training": training(ctx, nodes)})
    write_json(folder / "results.json", results)
    write_atomic(ctx.project.runs_dir / "latest", f"{ctx.run}\n")
    return folder


def substitutions(ctx: Context) -> list[dict[str, Any]]:
    return [
        {"teacher": s.teacher, "fallback": s.fallback, "variables": list(s.variables)}
        for s in ctx.teachers.substitutions.values()
    ]


def decisions(ctx: Context) -> dict[str, Any]:
    """What the runtime decided, not the spec, each with its reason."""
    made = [
        {"what": f"teacher {s.teacher}", "choice": s.fallback, "why": f"{', '.join(s.variables)} unset"}
        for s in ctx.teachers.substitutions.values()
    ]
    made += [
        {
            "what": f"retrieve {retrieve.name} for training items",
            "choice": "own entries shown" if retrieve.own_entries else "own entries held out",
            "why": "asked for by the spec"
            if retrieve.own_entries
            else "at inference an item has none of its own",
        }
        for retrieve in ctx.spec.retrieves
    ]
    made += [
        {"what": f"kb {kb}, rules derived by", "choice": engine, "why": why}
        for kb, engine, why in ctx.knowledge.engines()
    ]
    return {
        "v": 1,
        "run": ctx.run,
        "decisions": [*made, *ctx.learner.decisions, *_gates(ctx), *_trainings(ctx), *ctx.decisions],
    }


def _gates(ctx: Context) -> list[dict[str, Any]]:
    """The thresholds that were tuned, each for the student whose confidence it is compared with."""
    found = []
    for node, done in ctx.done.items():
        file = done.folder / GATE
        tuned = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
        if tuned.get("tuned") is not None:
            choice = f"the KB is asked below confidence {tuned['gate']:.6g}"
            why = f"the least threshold by which most of {tuned['tuned']} is right"
            found.append({"what": f"gate of {node}", "choice": choice, "why": why})
    return found


def _trainings(ctx: Context) -> list[dict[str, Any]]:
    """What was decided while students were trained: how their sequences were laid out, and what memory allowed."""
    found = []
    for node, done in ctx.done.items():
        file = done.folder / WEIGHTS / "report.json"
        report = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
        for decision in report.get("decisions", ()):
            found.append({**decision, "what": f"training {node}, {decision['what']}"})
    return found


def training(ctx: Context, nodes: Mapping[str, Node]) -> list[dict[str, Any]]:
    """What each finished training reported of itself: steps, tokens, truncated prompts, the curve of its loss."""
    reports = [
        (node.id, ctx.folder(node.id) / WEIGHTS / "report.json")
        for node in _done(ctx, nodes, respond=False)
        if isinstance(node.stage, config.FinetuneStage)
    ]
    return [
        {**json.loads(file.read_text(encoding="utf-8")), "stage": id_}
        for id_, file in reports
        if file.is_file()
    ]


def _done(ctx: Context, nodes: Mapping[str, Node], *, respond: bool) -> list[Node]:
    return [
        node for id_, node in nodes.items() if id_ in ctx.done and isinstance(node.stage, Respond) == respond
    ]


def _seconds(ctx: Context, node: Node) -> float:
    return float(ctx.done[node.id].info["seconds"])


def _stage(ctx: Context, node: Node) -> dict[str, Any]:
    assert not isinstance(node.stage, Respond)
    counts = ctx.done[node.id].info["counts"]
    return {
        "name": copy_id(short_names(ctx.spec)[node.stage.id], node.copy),
        "id": node.id,
        "kind": node.stage.kind,
        "rows_in": counts["rows_in"],
        "kept": counts["kept"],
        "dropped": dict(counts["dropped"]),
        "calls": counts["calls"],
        "tokens": counts["tokens"],
        "usd": counts["usd"],
        "seconds": _seconds(ctx, node),
    }


def _shared_rows(ctx: Context, nodes: Mapping[str, Node]) -> dict[str, int]:
    """By split: how many of its rows were left out because a held-out split has their like (E0605)."""
    names = {
        node.stage.data
        for node in _done(ctx, nodes, respond=False)
        if isinstance(node.stage, (config.SampleStage, config.MineErrorsStage))
    }
    shared = {name: ctx.data.split(name).shared for name in sorted(names)}
    return {name: count for name, count in shared.items() if count}
