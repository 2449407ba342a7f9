"""A plan as JSON, and what of it is over budget."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from nesyc_runtime import config
from nesyc_runtime.errors import UserError
from nesyc_runtime.stages.context import Context
from nesyc_runtime.stages.plan import Planned
from nesyc_runtime.stages.run import shown_name

SUMMED = ("calls", "tokens", "usd", "seconds")


def plan_json(
    ctx: Context,
    planned: Sequence[Planned],
    selected: Sequence[str] = (),
    refresh: Sequence[str] = (),
    limit: int | None = None,
) -> dict[str, Any]:
    """The object of the `plan` contract; with `run`, what a run of this plan is to be given."""
    stages = [_planned_json(ctx, item) for item in planned]
    totals = {name: [round(sum(s[name][side] for s in stages), 6) for side in (0, 1)] for name in SUMMED}
    return {
        "v": 1,
        "stages": stages,
        **{name: [int(bound) for bound in totals[name]] for name in ("calls", "tokens")},
        **{name: totals[name] for name in ("usd", "seconds")},
        "budget": plan_budget(ctx),
        "over": over_budget(ctx, planned),
        "run": {
            "spec": ctx.spec.name,
            "select": list(selected),
            "refresh": list(refresh),
            "limit": limit,
        },
        "substitutions": [
            {"teacher": s.teacher, "fallback": s.fallback, "variables": list(s.variables)}
            for s in ctx.teachers.substitutions.values()
        ],
    }


def _planned_json(ctx: Context, item: Planned) -> dict[str, Any]:
    spend = item.spend
    return {
        "name": shown_name(ctx, item.node),
        "id": item.node.id,
        "kind": item.node.stage.kind,
        "key": f"sha256:{item.key}",
        "state": item.state,
        "why": list(item.why),
        "calls": [int(count) for count in spend.calls],
        "tokens": [int(count) for count in spend.tokens],
        "usd": list(spend.usd),
        "seconds": list(spend.seconds),
        "measured": list(spend.measured),
        "inputs": dict(item.inputs),
    }


def over_budget(ctx: Context, planned: Sequence[Planned]) -> list[dict[str, Any]]:
    """E0703: teachers whose stages, done and to do, cost more than their limit even at the least."""
    least: dict[str, float] = defaultdict(float)
    for item in planned:
        stage = item.node.stage
        if item.state == "blocked" or not isinstance(stage, (config.SampleStage, config.ExtractStage)):
            continue
        name = ctx.teachers.declaration(stage.teacher).name
        done = ctx.done.get(item.node.id)
        least[name] += float(done.info["counts"]["usd"]) if done is not None else item.spend.usd[0]
    teachers = {teacher.name: teacher for teacher in ctx.spec.teachers}
    return [
        _over(teachers[name], cost)
        for name, cost in least.items()
        if (limit := teachers[name].limits.max_usd) is not None and cost > limit
    ]


def _over(teacher: config.Teacher, cost: float) -> dict[str, Any]:
    return {
        "code": "E0703",
        "severity": "error",
        "message": f"teacher `{teacher.name}`: its answers cost at least {cost:.2f} USD, its limit is "
        f"{teacher.limits.max_usd:g}",
        "span": teacher.location.model_dump(),
        "help": {
            "message": "raise `max_usd` (or the param it comes from), or ask about fewer rows with `limit`"
        },
    }


def plan_budget(ctx: Context) -> float | None:
    """The sum of the limits of the teachers that would be asked; None where none has a limit."""
    answering: dict[str, config.Teacher] = {}
    for pipeline in ctx.spec.pipelines:
        for stage in pipeline.stages:
            if isinstance(stage, (config.SampleStage, config.ExtractStage)):
                try:
                    teacher = ctx.teachers.declaration(stage.teacher)
                except UserError:
                    continue
                answering[teacher.name] = teacher
    known = [t.limits.max_usd for t in answering.values() if t.limits.max_usd is not None]
    return sum(known) if known else None


STATES_AFTER: Mapping[
    str, frozenset[str]
] = {  # what a planned stage may have become: work done is no difference
    "run": frozenset({"run", "partial", "done"}),
    "partial": frozenset({"partial", "done"}),
    "done": frozenset({"done"}),
    "blocked": frozenset({"blocked"}),
}


def differences(promised: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """What differs between a plan and a plan of the same run made now; work done since is no difference."""
    old = {stage["id"]: stage for stage in promised["stages"]}
    new = {stage["id"]: stage for stage in now["stages"]}
    lines = [f"stage {id_} is not in the plan" for id_ in new if id_ not in old]
    lines += [f"stage {id_} is gone" for id_ in old if id_ not in new]
    for id_ in (id_ for id_ in new if id_ in old):
        lines += _stage_differences(old[id_], new[id_])
    if now["usd"][1] > promised["usd"][1] + 1e-6:
        lines.append(f"forecast of up to {now['usd'][1]:g} USD, the plan says {promised['usd'][1]:g}")
    return lines


def _stage_differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    name = new["name"]
    names = dict.fromkeys((*new["inputs"], *old["inputs"]))
    lines = [f"{name}: {n} changed" for n in names if old["inputs"].get(n) != new["inputs"].get(n)]
    if new["state"] not in STATES_AFTER.get(old["state"], frozenset()):
        lines.append(f"{name}: {new['state']}, the plan says {old['state']}")
    elif not lines and old["state"] == "done" and old["key"] != new["key"]:
        lines.append(f"{name}: its key changed")
    if new["calls"][1] > old["calls"][1]:
        lines.append(f"{name}: up to {new['calls'][1]} calls, the plan says {old['calls'][1]}")
    return lines
