"""What a run would do: the state of every stage, why it would run, and about what it would take."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from nesyc_runtime import config
from nesyc_runtime.errors import UserError
from nesyc_runtime.stages.context import Context
from nesyc_runtime.stages.explain import explain
from nesyc_runtime.stages.extract import extract_requests, read_entries
from nesyc_runtime.stages.graph import Node, Respond, build_graph, select
from nesyc_runtime.stages.keys import node_inputs, stage_key
from nesyc_runtime.stages.review import waits_for_review
from nesyc_runtime.stages.run import NOT_RUN, shown_name
from nesyc_runtime.stages.sample import sample_requests, sampled_rows
from nesyc_runtime.teachers.ask import stored_count
from nesyc_runtime.teachers.base import Request

State = Literal["done", "partial", "run", "blocked"]
Range = tuple[float, float]
NOTHING: Range = (0, 0)
CHARACTERS_PER_TOKEN = (2.5, 5.0)
SECONDS_PER_CALL = (0.5, 30.0)
SECONDS_PER_EXAMPLE = (0.002, 2.0)
SECONDS_PER_RESPONSE = (0.005, 5.0)
EARLIER = (0.5, 2.0)  # how far a stage's time lies from the last time it ran


@dataclass(frozen=True, slots=True)
class Planned:
    """`calls`, `tokens`, `usd` and `seconds` are what is still to be spent, at least and at most."""

    node: Node
    key: str
    state: State
    why: tuple[str, ...]
    calls: Range = NOTHING
    tokens: Range = NOTHING
    usd: Range = NOTHING
    seconds: Range = NOTHING


def make_plan(ctx: Context, selectors: Sequence[str] = ()) -> list[Planned]:
    """Every selected node in order. The KB is brought in step with the source; nothing else is changed."""
    nodes = build_graph(ctx.build)
    selected = select(nodes, ctx.spec, selectors)
    ctx.knowledge.prepare()
    planned: dict[str, Planned] = {}
    for id_, node in nodes.items():
        planned[id_] = _plan_node(ctx, node, planned)
    return [planned[id_] for id_ in nodes if id_ in selected]


def _plan_node(ctx: Context, node: Node, planned: Mapping[str, Planned]) -> Planned:
    blocked = _blocked(ctx, node, planned)
    if blocked is not None:
        ctx.keys[node.id] = stage_key({"blocked": node.id})
        return Planned(node, ctx.keys[node.id], "blocked", (blocked,))
    inputs = node_inputs(ctx, node)
    key = ctx.keys[node.id] = stage_key(inputs)
    waiting = [planned[name] for name in node.after if planned[name].state != "done"]
    done = ctx.shelf.find(key) if not waiting else None
    if done is not None:
        ctx.done[node.id] = done
        if isinstance(node.stage, config.ExtractStage):
            entries = read_entries(done.folder / "entries.jsonl")
            ctx.knowledge.write(node.stage, str(done.info["run"]), entries)
        return Planned(node, key, "done", ())
    why = tuple(f"upstream `{shown_name(ctx, upstream.node)}` will run" for upstream in waiting)
    last = ctx.shelf.last(node.id)
    if not waiting:
        why = tuple(explain(last["inputs"] if last else None, inputs))
    elif last is None:
        why = ("never run", *why)
    return _with_estimate(ctx, node, key, why, waits=bool(waiting))


def _blocked(ctx: Context, node: Node, planned: Mapping[str, Planned]) -> str | None:
    stage = node.stage
    if stage.kind in NOT_RUN:
        return f"this version of nesyc cannot run `{stage.kind}` stages"
    for name in node.after:
        before = planned[name]
        if before.state == "blocked":
            return f"upstream `{shown_name(ctx, before.node)}` is blocked"
        if before.state == "done" and waits_for_review(ctx, before.node):
            return f"`{shown_name(ctx, before.node)}` waits for a review"
    if isinstance(stage, (config.SampleStage, config.ExtractStage)):
        try:
            ctx.teachers.get(stage.teacher)
        except UserError as error:
            return error.message
    return None


def _with_estimate(ctx: Context, node: Node, key: str, why: tuple[str, ...], *, waits: bool) -> Planned:
    stage = node.stage
    partial = ctx.shelf.has_partial(key)
    calls, tokens, usd, seconds = NOTHING, NOTHING, NOTHING, NOTHING
    if isinstance(stage, (config.SampleStage, config.ExtractStage)):
        calls, tokens, answered = _calls(ctx, stage, waits=waits)
        usd = _price(ctx, stage.teacher, calls, tokens)
        seconds = _call_seconds(ctx, stage.teacher, calls)
        partial = partial or answered > 0
    elif isinstance(stage, (config.FinetuneStage, config.MineErrorsStage, Respond)):
        seconds = _work_seconds(ctx, node)
    state: State = "partial" if partial else "run"
    return Planned(node, key, state, why, calls, tokens, usd, seconds)


def _calls(
    ctx: Context, stage: config.SampleStage | config.ExtractStage, *, waits: bool
) -> tuple[Range, Range, int]:
    """Calls, tokens, and how many answers are there already."""
    teacher = ctx.teachers.get(stage.teacher)
    if not teacher.stored:
        return NOTHING, NOTHING, 0
    if isinstance(stage, config.ExtractStage) and waits:
        rows = _source_rows(ctx, stage.data)
        most = min(rows, stage.limit) if stage.limit is not None else rows
        return (0, most), (0, most * 4 * _longest_answer(ctx, stage.teacher)), 0
    requests = (
        sample_requests(ctx, stage) if isinstance(stage, config.SampleStage) else extract_requests(ctx, stage)
    )
    answered = stored_count(teacher, requests, ctx.answers, ctx.generations.of(stage.id))
    left = len(requests) - answered
    return (left, left), _tokens(ctx, stage.teacher, requests, left), answered


def _tokens(ctx: Context, name: str, requests: Sequence[Request], left: int) -> Range:
    """From the length of the prompts and the longest answer allowed; 0 where no model is asked."""
    if not requests or not isinstance(_endpoint(ctx, name), (config.ServerEndpoint, config.LocalEndpoint)):
        return NOTHING
    share = left / len(requests)
    characters = sum(len(request.prompt) + len(request.system or "") for request in requests) * share
    few, many = CHARACTERS_PER_TOKEN
    return math.floor(characters / many + left), math.ceil(
        characters / few + left * _longest_answer(ctx, name)
    )


def _endpoint(ctx: Context, name: str) -> config.Model:
    return ctx.teachers.declaration(name).endpoint


def _longest_answer(ctx: Context, name: str) -> int:
    return int(getattr(_endpoint(ctx, name), "max_tokens", 0))


def _price(ctx: Context, name: str, calls: Range, tokens: Range) -> Range:
    price = ctx.teachers.declaration(name).price
    if price is None or not calls[1] or not tokens[1]:
        return NOTHING
    cheap, dear = min(price.input, price.output), max(price.input, price.output)
    return round(tokens[0] * cheap / 1e6, 6), round(tokens[1] * dear / 1e6, 6)


def _call_seconds(ctx: Context, name: str, calls: Range) -> Range:
    declaration = ctx.teachers.declaration(name)
    if not isinstance(declaration.endpoint, config.ServerEndpoint):
        return (0, round(calls[1] * 0.1, 1)) if calls[1] else NOTHING
    limits = declaration.limits
    slowest = 60.0 / limits.rpm if limits.rpm else 0.0
    low, high = (
        max(count * slowest, count * each / max(1, limits.in_flight))
        for count, each in zip(calls, SECONDS_PER_CALL, strict=True)
    )
    return round(low, 1), round(high, 1)


def _work_seconds(ctx: Context, node: Node) -> Range:
    last = ctx.shelf.last(node.id)
    earlier = ctx.shelf.find(str(last["key"])) if last is not None else None
    if earlier is not None:
        took = float(earlier.info.get("seconds", 0.0))
        return round(took * EARLIER[0], 1), round(took * EARLIER[1], 1)
    match node.stage:
        case config.FinetuneStage() as stage:
            rows = sum(_source_rows(ctx, name) for name in stage.examples)
            count, each = rows * stage.epochs * len(stage.tasks), SECONDS_PER_EXAMPLE
        case config.MineErrorsStage() as stage:
            count, each = _source_rows(ctx, stage.against), SECONDS_PER_RESPONSE
        case Respond() as respond:
            asked = ctx.data.split(respond.evaluate.split).rows
            count, each = len(asked[: respond.evaluate.limit]), SECONDS_PER_RESPONSE
        case _:
            return NOTHING
    return round(count * each[0], 1), round(count * each[1], 1)


def _source_rows(ctx: Context, stage_id: str) -> int:
    """At most how many items a stage can give: the rows of the split it goes back to."""
    stages = {stage.id: stage for pipeline in ctx.spec.pipelines for stage in pipeline.stages}
    if stage_id not in stages:
        return len(ctx.data.split(stage_id).rows)
    stage = stages[stage_id]
    split = getattr(stage, "data", None)
    if isinstance(stage, config.SampleStage):
        return len(sampled_rows(ctx, stage))
    if isinstance(stage, config.MineErrorsStage):
        return min(_source_rows(ctx, stage.against), len(ctx.data.split(str(split)).rows[: stage.limit]))
    return _source_rows(ctx, str(split)) if split in stages else 0


def plan_json(ctx: Context, planned: Sequence[Planned]) -> dict[str, Any]:
    """The object of the `plan` contract."""
    totals = [sum(item.usd[side] for item in planned) for side in (0, 1)]
    return {
        "v": 1,
        "stages": [_planned_json(ctx, item) for item in planned],
        "usd": [round(total, 6) for total in totals],
        "budget": plan_budget(ctx),
        "substitutions": [
            {"teacher": s.teacher, "fallback": s.fallback, "variables": list(s.variables)}
            for s in ctx.teachers.substitutions.values()
        ],
    }


def _planned_json(ctx: Context, item: Planned) -> dict[str, Any]:
    return {
        "name": shown_name(ctx, item.node),
        "id": item.node.id,
        "kind": item.node.stage.kind,
        "key": f"sha256:{item.key}",
        "state": item.state,
        "why": list(item.why),
        "calls": [int(count) for count in item.calls],
        "tokens": [int(count) for count in item.tokens],
        "usd": list(item.usd),
        "seconds": list(item.seconds),
    }


def plan_budget(ctx: Context) -> float | None:
    """The sum of the limits of the teachers that would be asked; None where none has a limit."""
    names = {
        stage.teacher
        for pipeline in ctx.spec.pipelines
        for stage in pipeline.stages
        if isinstance(stage, (config.SampleStage, config.ExtractStage))
    }
    limits = []
    for name in sorted(names):
        try:
            limits.append(ctx.teachers.declaration(name).limits.max_usd)
        except UserError:
            continue
    known = [limit for limit in limits if limit is not None]
    return sum(known) if known else None
