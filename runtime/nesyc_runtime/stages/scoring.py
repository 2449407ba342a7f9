"""Scores of what the students answered: metrics with intervals, paired comparisons, requirements."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from nesyc_runtime import config
from nesyc_runtime.evaluation.scores import compare, estimate, metric_value, requirement, score_metric
from nesyc_runtime.files import read_jsonl
from nesyc_runtime.inference.answers import judged, parse_answer, verdict
from nesyc_runtime.inference.lenient import parse_leniently
from nesyc_runtime.stages.context import Context, item_of
from nesyc_runtime.stages.graph import Node, Respond, compared, copies, copy_id, respond_id, task_of

BOOTSTRAP_SEED = 0


@dataclass
class Answered:
    """A student's scored answers: `runs[copy]` are item scopes in order, `lines` those of its items file.

    `lenient` are the scopes once more with what a response may have meant where it does not keep the form.
    """

    student: str
    seeds: list[int | None]
    runs: list[list[dict[str, Any]]] = field(default_factory=list)
    lenient: list[list[dict[str, Any]]] = field(default_factory=list)
    lines: list[dict[str, Any]] = field(default_factory=list)
    cited: list[list[float]] = field(default_factory=list)
    usd: float = 0.0


def answered_students(ctx: Context, nodes: Mapping[str, Node], evaluate: config.Evaluate) -> list[Answered]:
    """The students of an evaluation whose every copy is done."""
    found = []
    for student in compared(evaluate):
        node = nodes[respond_id(evaluate, student, 0)]
        assert isinstance(node.stage, Respond)
        stage = node.stage.stage
        ids = [respond_id(evaluate, student, copy) for copy in copies(evaluate, stage)]
        if any(id_ not in ctx.done for id_ in ids):
            continue
        seeds = [None] if stage is None else [stage.seed + copy for copy in range(len(ids))]
        answered = Answered(student, list(seeds), usd=_lineage_usd(ctx, nodes, student))
        for id_, seed in zip(ids, seeds, strict=True):
            _read(ctx, node.stage, id_, seed if len(ids) > 1 else None, answered)
        found.append(answered)
    return found


def _read(ctx: Context, respond: Respond, id_: str, seed: int | None, answered: Answered) -> None:
    """Parse and judge the stored responses of one copy."""
    evaluate = respond.evaluate
    task = ctx.task(task_of(ctx.spec, respond))
    output = task.parsers[0].output if task.parsers else task.outputs[0].name
    run, lenient, cited = [], [], []
    items = [item_of(task, row) for row in ctx.data.split(evaluate.split).rows[: evaluate.limit]]
    responses = read_jsonl(ctx.folder(id_) / "responses.jsonl")
    for item, response in zip(items, responses, strict=True):
        parsed = parse_answer(task, response["response"])
        meant = parse_leniently(task, response["response"], item.inputs)
        run.append(judged(item.row, item.inputs, parsed))
        lenient.append(judged(item.row, item.inputs, meant))
        cited.append(float(bool(response["hits"])))
        answered.lines.append(
            {
                "id": item.id,
                "split": evaluate.split,
                "evaluate": evaluate.name,
                "seed": seed,
                "prompt": response["prompt"],
                "response": response["response"],
                "answer": parsed[output],
                "gold": item.row.get(task.target.get(output, "")),
                "correct": verdict(task, item.row, parsed),
                "lenient": {"answer": meant[output], "correct": verdict(task, item.row, meant)},
                "hits": response["hits"],
                "facts": response["facts"],
                **({"cut": response["cut"]} if "cut" in response else {}),
            }
        )
    answered.runs.append(run)
    answered.lenient.append(lenient)
    answered.cited.append(cited)


def _metrics(ctx: Context, evaluate: config.Evaluate) -> list[config.Metric]:
    """The task's metrics that are reported, the first (the verdict) always."""
    respond = Respond(evaluate, evaluate.model, None)
    task = ctx.task(task_of(ctx.spec, respond))
    return [m for i, m in enumerate(task.metrics) if i == 0 or m.name in evaluate.report]


def _all_metrics(ctx: Context, evaluate: config.Evaluate) -> Sequence[config.Metric]:
    return ctx.task(task_of(ctx.spec, Respond(evaluate, evaluate.model, None))).metrics


def scores_of(ctx: Context, evaluate: config.Evaluate, students: Sequence[Answered]) -> list[dict[str, Any]]:
    scores = []
    for answered in students:
        for metric in _metrics(ctx, evaluate):
            scores += _metric_scores(evaluate, answered, metric)
        if "cited_rate" in evaluate.report:
            cited = estimate(_array(answered.cited), seed=BOOTSTRAP_SEED, rounds=evaluate.bootstrap)
            scores.append(
                _score(
                    evaluate,
                    answered.student,
                    "cited_rate",
                    None,
                    cited.n,
                    cited.value,
                    cited.low,
                    cited.high,
                )
            )
        if "cost_usd" in evaluate.report:
            n = len(answered.runs[0])
            scores.append(_score(evaluate, answered.student, "cost_usd", None, n, answered.usd, None, None))
    return scores


def _metric_scores(
    evaluate: config.Evaluate, answered: Answered, metric: config.Metric
) -> list[dict[str, Any]]:
    scores = []
    parts: list[tuple[list[Any], list[Any], int | None]] = [(answered.runs, answered.lenient, None)]
    if len(answered.runs) > 1:
        copies_ = zip(answered.runs, answered.lenient, answered.seeds, strict=True)
        parts += [([run], [meant], seed) for run, meant, seed in copies_]
    for runs, lenient, seed in parts:
        meant = {
            found.group: found.estimate.value
            for found in score_metric(metric, lenient, seed=BOOTSTRAP_SEED, rounds=1)
        }
        for found in score_metric(metric, runs, seed=BOOTSTRAP_SEED, rounds=evaluate.bootstrap):
            e = found.estimate
            row = _score(evaluate, answered.student, metric.name, seed, e.n, e.value, e.low, e.high)
            scores.append({**row, "group": found.group, "lenient": meant.get(found.group)})
    return scores


def _score(
    evaluate: config.Evaluate,
    student: str,
    metric: str,
    seed: int | None,
    n: int,
    value: float,
    low: float | None,
    high: float | None,
) -> dict[str, Any]:
    dataset, _, split = evaluate.split.partition(".")
    return {
        "evaluate": evaluate.name,
        "student": student,
        "dataset": dataset,
        "split": split,
        "metric": metric,
        "group": None,
        "seed": seed,
        "n": n,
        "value": value,
        "low": low,
        "high": high,
        "lenient": None,
    }


def comparisons_of(
    ctx: Context, evaluate: config.Evaluate, students: Sequence[Answered]
) -> list[dict[str, Any]]:
    """The evaluated model against each other student, on every reported metric without groups."""
    model = next((answered for answered in students if answered.student == evaluate.model), None)
    if model is None:
        return []
    found = []
    for other in students:
        for metric in _metrics(ctx, evaluate):
            if other is model or metric.group is not None:
                continue
            a, b = (
                _array([[metric_value(metric, item) for item in run] for run in answered.runs])
                for answered in (model, other)
            )
            c = compare(a, b, metric.function, seed=BOOTSTRAP_SEED, rounds=evaluate.bootstrap)
            found.append(
                {
                    "evaluate": evaluate.name,
                    "a": model.student,
                    "b": other.student,
                    "metric": metric.name,
                    "delta": c.delta,
                    "low": c.low,
                    "high": c.high,
                    "p": c.p,
                }
            )
    return found


def requires_of(
    ctx: Context, evaluate: config.Evaluate, students: Sequence[Answered]
) -> list[dict[str, Any]]:
    scores: dict[str, float] = {}
    for answered in students:
        values = {"cost_usd": answered.usd, "cited_rate": float(_array(answered.cited).mean())}
        for metric in _all_metrics(ctx, evaluate):
            if metric.group is None:
                found = score_metric(metric, answered.runs, seed=BOOTSTRAP_SEED, rounds=1)
                values[metric.name] = found[0].estimate.value
        scores |= {f"{answered.student}.{name}": value for name, value in values.items()}
        if answered.student == evaluate.model:
            scores |= values
    held = []
    for require in evaluate.requires:
        ok, left, right = requirement(require.condition, scores)
        held.append({"text": require.text, "ok": ok, "left": left, "right": right})
    return held


def _array(values: Sequence[Sequence[float]]) -> Any:
    import numpy

    return numpy.array(values, dtype=numpy.float64)


def _lineage_usd(ctx: Context, nodes: Mapping[str, Node], student: str) -> float:
    """What the teacher answers behind a student cost, each stage counted once by content."""
    costs: dict[str, float] = {}
    open_ = [copy_id(student, 0)] if student in nodes else []
    seen = set(open_)
    while open_:
        id_ = open_.pop()
        costs[ctx.keys[id_]] = float(ctx.done[id_].info["counts"]["usd"])
        for before in nodes[id_].after:
            if before not in seen:
                seen.add(before)
                open_.append(before)
    return round(sum(costs.values()), 9)
