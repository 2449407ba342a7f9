"""How much a node has to do, and what decides how fast: what a plan says and what a finished stage keeps are one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from nesyc_runtime import config
from nesyc_runtime.hashing import digest
from nesyc_runtime.stages.context import Context
from nesyc_runtime.stages.extract import extract_requests
from nesyc_runtime.stages.finetune import is_stage, training_examples
from nesyc_runtime.stages.graph import Node, Respond, all_stages
from nesyc_runtime.stages.induce import induce_requests
from nesyc_runtime.stages.sample import sample_requests, sampled_rows
from nesyc_runtime.stages.validate import retrieve_of
from nesyc_runtime.teachers.ask import missing_requests
from nesyc_runtime.teachers.base import Request

Range = tuple[float, float]
Asking = config.SampleStage | config.ExtractStage | config.InduceStage
ASKING = (config.SampleStage, config.ExtractStage, config.InduceStage)  # stages that ask a teacher
LIKE_BEFORE = (0.5, 2.0)  # how far what a stage gives lies from what it gave the last time


@dataclass(frozen=True, slots=True)
class Work:
    """`size`: calls, items answered, or examples times epochs, at least and at most; `by` hashes what does one."""

    by: str
    size: Range


def work_of(ctx: Context, node: Node) -> Work:
    """What doing a node takes."""
    match node.stage:
        case config.SampleStage() | config.ExtractStage() | config.InduceStage() as stage:
            missing = len(open_requests(ctx, stage)) if is_known(ctx, stage) else None
            size = (0.0, float(source_rows(ctx, stage.id))) if missing is None else (missing, missing)
            return Work(digest([stage.kind, ctx.teachers.get(stage.teacher).identity]), size)
        case config.FinetuneStage() as stage:
            rounds = stage.epochs * len(stage.tasks)
            low, high = lesson_range(ctx, stage)
            by = [stage.kind, _student(ctx, stage.student), stage.tasks, stage.batch, stage.loss]
            return Work(digest(by), (low * rounds, high * rounds))
        case config.MineErrorsStage() as stage:
            by = [stage.kind, _student(ctx, student_of(ctx, stage.model)), stage.folds]
            return Work(digest(by), united_range(ctx, stage.against))
        case config.ValidateStage() as stage:
            rows = len(ctx.data.split(stage.data).rows)
            by = ["respond", _student(ctx, student_of(ctx, stage.model))]
            return Work(digest(by), (0, rows * (1 + retrieve_of(ctx, stage).take)))
        case Respond() as respond:
            rows = len(ctx.data.split(respond.evaluate.split).rows[: respond.evaluate.limit])
            by = ["respond", _student(ctx, student_of(ctx, respond.student))]
            return Work(digest(by), (rows, rows))


def is_known(ctx: Context, stage: Asking) -> bool:
    """Whether what a stage will ask can be said already."""
    return isinstance(stage, config.SampleStage) or ctx.done.keys() >= {*stage.data}


def requests_of(ctx: Context, stage: Asking) -> list[Request]:
    match stage:
        case config.SampleStage():
            return sample_requests(ctx, stage)
        case config.ExtractStage():
            return extract_requests(ctx, stage)
        case config.InduceStage():
            return induce_requests(ctx, stage)


def open_requests(ctx: Context, stage: Asking) -> list[Request]:
    """The distinct requests of a stage without a stored answer."""
    teacher = ctx.teachers.get(stage.teacher)
    return missing_requests(teacher, requests_of(ctx, stage), ctx.answers, ctx.generations.of(stage.id))


def lesson_range(ctx: Context, stage: config.FinetuneStage) -> Range:
    """Lessons of one epoch, one for each rationale."""
    if all(name in ctx.done or not is_stage(ctx, name) for name in stage.examples):
        count = sum(max(1, len(example.rationales)) for example in training_examples(ctx, stage))
        return (count, count)
    low, high = united_range(ctx, stage.examples)
    answers = max((_answers_an_item(ctx, name) for name in stage.examples), default=1)
    return low, high * answers


def united_range(ctx: Context, names: Sequence[str]) -> Range:
    """Items of a union, each there once: at least as many as its largest part has, at most as all of them."""
    ranges = [given_range(ctx, name) for name in names]
    return max(low for low, _ in ranges), sum(high for _, high in ranges)


def given_range(ctx: Context, name: str) -> Range:
    """How many items a stage (or a split) gives: known when done, else like the last time, else up to its rows."""
    if not is_stage(ctx, name):
        rows = len(ctx.data.split(name).rows)
        return (rows, rows)
    if name in ctx.done:
        kept = int(ctx.done[name].info["counts"]["kept"])
        return (kept, kept)
    most = source_rows(ctx, name)
    last = ctx.shelf.last(name)
    before = ctx.shelf.find(str(last["key"])) if last is not None else None
    if before is None:
        return (0, most)
    counts = before.info["counts"]
    expected = most * counts["kept"] / max(1, counts["rows_in"])
    return expected * LIKE_BEFORE[0], min(most, expected * LIKE_BEFORE[1])


def source_rows(ctx: Context, name: str) -> int:
    """At most how many items a stage can give: the rows of the split it goes back to."""
    stages = all_stages(ctx.spec)
    stage = stages.get(name)
    if stage is None:
        return len(ctx.data.split(name).rows)
    limit = getattr(stage, "limit", None)
    match stage:
        case config.SampleStage():
            return len(sampled_rows(ctx, stage))
        case config.MineErrorsStage():
            rows = min(_united_rows(ctx, stage.against), len(ctx.data.split(stage.data).rows))
        case config.ExtractStage() | config.InduceStage():
            rows = _united_rows(ctx, stage.data)
        case _:
            return 0
    return rows if limit is None else min(rows, limit)


def _united_rows(ctx: Context, names: Sequence[str]) -> int:
    return sum(source_rows(ctx, name) for name in names)


def student_of(ctx: Context, model: str) -> str:
    """The declared student behind a model."""
    stage: Any = all_stages(ctx.spec).get(model)
    return str(stage.student) if stage is not None else model


def _answers_an_item(ctx: Context, name: str) -> int:
    stage = all_stages(ctx.spec).get(name)
    return stage.n if isinstance(stage, config.SampleStage) else 1


def _student(ctx: Context, name: str) -> Any:
    return ctx.student(name).model_dump(mode="json", exclude={"name", "location"})
