"""What is still to be spent on a stage, at least and at most; docs/plan.md says how each number is made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from nesyc_runtime import config
from nesyc_runtime.data.rows import Row
from nesyc_runtime.inference.prompts import render_prompt
from nesyc_runtime.stages.context import Context, task_inputs
from nesyc_runtime.stages.entries import asked_columns, extract_prompt
from nesyc_runtime.stages.extract import constants_of, relation_of
from nesyc_runtime.stages.graph import Node, Respond, all_stages
from nesyc_runtime.stages.rule_prompt import rule_prompt
from nesyc_runtime.stages.speeds import answering_seconds, training_seconds
from nesyc_runtime.stages.work import (
    ASKING,
    Asking,
    Range,
    Work,
    is_known,
    open_requests,
    source_rows,
    student_of,
    work_of,
)
from nesyc_runtime.teachers.base import Request

Stage = config.FinetuneStage | config.MineErrorsStage | config.ValidateStage | Respond
NOTHING: Range = (0, 0)
CHARACTERS_PER_TOKEN = (
    2.5,
    5.0,
)  # of prose and code in common tokenizers, where the teacher has not answered yet
MEASURED_SLACK = 1.25  # how far a prompt's ratio lies from that of the answers it was measured on
TOKENS_PER_MESSAGE = 16  # what a chat template puts around one, at most
ENOUGH_ANSWERS = 20  # from so many on, a teacher's own answers say how long its answers are
QUANTILES = (0.05, 0.95)
SECONDS = {  # of one call, where this machine has not done any
    "server": (0.5, 30.0),
    "call": (0.0, 0.1),
}
EARLIER = (0.5, 2.0)  # how far a stage's time lies from that of its like


@dataclass(frozen=True, slots=True)
class Estimate:
    """`measured` names the numbers that come from what was seen before, not from a default."""

    calls: Range = NOTHING
    tokens: Range = NOTHING
    usd: Range = NOTHING
    seconds: Range = NOTHING
    measured: tuple[str, ...] = ()


def estimate(ctx: Context, node: Node) -> Estimate:
    work = work_of(ctx, node)
    stage = node.stage
    if not isinstance(stage, ASKING):
        seconds, measured = _seconds(ctx, _unit(ctx, stage), work)
        return Estimate(seconds=seconds, measured=("seconds",) * measured)
    if not ctx.teachers.get(stage.teacher).stored:
        return Estimate()
    sent, received, known = _tokens(ctx, stage, work.size)
    seconds, measured = _call_seconds(ctx, stage, work)
    return Estimate(
        calls=work.size,
        tokens=(round(sent[0] + received[0]), round(sent[1] + received[1])),
        usd=_price(ctx, stage.teacher, sent, received),
        seconds=seconds,
        measured=("tokens",) * known + ("seconds",) * measured,
    )


def _tokens(ctx: Context, stage: Asking, calls: Range) -> tuple[Range, Range, bool]:
    """Prompt and answer tokens, and whether they rest on answers seen; nothing where no model is asked."""
    endpoint = ctx.teachers.declaration(stage.teacher).endpoint
    if not isinstance(endpoint, (config.ServerEndpoint, config.LocalEndpoint)):
        return NOTHING, NOTHING, False
    name = ctx.teachers.declaration(stage.teacher).name
    seen = ctx.answers.lengths(name)
    few, many = CHARACTERS_PER_TOKEN
    short, long = 1.0, float(endpoint.max_tokens)
    measured = len(seen) >= ENOUGH_ANSWERS
    if measured:
        ratio = sum(characters for characters, _ in seen) / sum(tokens for _, tokens in seen)
        few, many = ratio / MEASURED_SLACK, ratio * MEASURED_SLACK
        short, long = (_quantile([tokens for _, tokens in seen], at) for at in QUANTILES)
    low, high = prompt_characters(ctx, stage)
    sent = low / many, high / few + calls[1] * TOKENS_PER_MESSAGE
    return sent, (calls[0] * short, calls[1] * long), measured


def prompt_characters(ctx: Context, stage: Asking) -> Range:
    """Of the prompts still to be sent: exact where they can be rendered, else at most."""
    if is_known(ctx, stage):
        count = sum(_characters(request) for request in open_requests(ctx, stage))
        return (count, count)
    assert not isinstance(stage, config.SampleStage)
    return (0, _most_characters(ctx, stage))


def _characters(request: Request) -> int:
    return len(request.prompt) + len(request.system or "")


def _most_characters(ctx: Context, stage: config.ExtractStage | config.InduceStage) -> float:
    """Of prompts about errors nobody has made yet: the longest questions, with the longest responses there can be."""
    task = ctx.task(stage.task)
    mined = [all_stages(ctx.spec)[name] for name in stage.data]
    rows = {row.id: row.values for one in mined for row in _mined_rows(ctx, one)}
    questions = [render_prompt(task, task_inputs(task, values)) for values in rows.values()]
    longest = sorted((len(question) for question in questions), reverse=True)[: source_rows(ctx, stage.id)]
    frame = len(_empty_prompt(ctx, stage))
    frame += len(ctx.teachers.declaration(stage.teacher).system or "")
    response = max(_longest_response(ctx, one) for one in mined)
    rationale = response if stage.show_gold else 0.0
    return sum(longest) + len(longest) * (frame + response + rationale)


def _mined_rows(ctx: Context, stage: config.Stage) -> Sequence[Row]:
    assert isinstance(stage, config.MineErrorsStage)
    return ctx.data.split(stage.data).rows


def _longest_response(ctx: Context, stage: config.Stage) -> float:
    assert isinstance(stage, config.MineErrorsStage)
    return ctx.student(student_of(ctx, stage.model)).max_new_tokens * CHARACTERS_PER_TOKEN[1]


def _empty_prompt(ctx: Context, stage: config.ExtractStage | config.InduceStage) -> str:
    if isinstance(stage, config.InduceStage):
        kb = next(kb for kb in ctx.spec.kbs if kb.name == stage.kb)
        return rule_prompt(kb, "", "", " ", {"": " "})
    columns = asked_columns(relation_of(ctx, stage.into))
    return extract_prompt("", "", columns, " ", {"": " "}, constants_of(ctx))


def _quantile(values: Sequence[int], at: float) -> float:
    ordered = sorted(values)
    return float(ordered[round(at * (len(ordered) - 1))])


def _price(ctx: Context, name: str, sent: Range, received: Range) -> Range:
    price = ctx.teachers.declaration(name).price
    if price is None:
        return NOTHING
    low, high = (
        (prompt * price.input + answer * price.output) / 1e6
        for prompt, answer in zip(sent, received, strict=True)
    )
    return round(low, 6), round(high, 6)


def _call_seconds(ctx: Context, stage: Asking, work: Work) -> tuple[Range, bool]:
    declaration = ctx.teachers.declaration(stage.teacher)
    if not isinstance(declaration.endpoint, config.ServerEndpoint):
        return _seconds(ctx, SECONDS["call"], work)
    limits = declaration.limits
    gap = 60.0 / limits.rpm if limits.rpm else 0.0
    (low, high), measured = _seconds(ctx, SECONDS["server"], work)
    if not measured:
        low, high = low / max(1, limits.in_flight), high / max(1, limits.in_flight)
    return (round(max(low, work.size[0] * gap), 1), round(max(high, work.size[1] * gap), 1)), measured


def _unit(ctx: Context, stage: Stage) -> Range:
    """Seconds of one unit of work, where this machine has not done any like it: from the student's size."""
    match stage:
        case config.FinetuneStage():
            return training_seconds(ctx.student(stage.student))
        case config.MineErrorsStage():
            each = answering_seconds(ctx.student(student_of(ctx, stage.model)))
            trained = all_stages(ctx.spec).get(stage.model)
            if stage.folds == 1 or not isinstance(trained, config.FinetuneStage):
                return each
            once = training_seconds(ctx.student(trained.student))
            rounds = (stage.folds - 1) * trained.epochs * len(trained.tasks)
            return each[0] + rounds * once[0], each[1] + rounds * once[1]
        case config.ValidateStage():
            return answering_seconds(ctx.student(student_of(ctx, stage.model)))
        case Respond():
            return answering_seconds(ctx.student(student_of(ctx, stage.student)))


def _seconds(ctx: Context, unit: Range, work: Work) -> tuple[Range, bool]:
    """From the time of one unit when this machine did the same kind of work, else `unit`; whether it was measured."""
    rates = ctx.shelf.rates(work.by)
    if rates:
        each = min(rates) * EARLIER[0], max(rates) * EARLIER[1]
    else:
        each = unit
    return (round(work.size[0] * each[0], 1), round(work.size[1] * each[1], 1)), bool(rates)
