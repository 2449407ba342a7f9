"""`finetune`: lessons made of examples, with what the KB gives each item, and a student trained on them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nesyc_runtime import config
from nesyc_runtime.errors import UserError
from nesyc_runtime.inference.answers import parse_answer
from nesyc_runtime.stages.context import Context, gold_of, task_inputs
from nesyc_runtime.stages.examples import Counts, Example, read_examples, union
from nesyc_runtime.stages.graph import copy_id
from nesyc_runtime.stages.likely import LIKELY, read_table
from nesyc_runtime.stages.ports import Item, Lesson
from nesyc_runtime.stages.selection import exam_of
from nesyc_runtime.teachers.likely import Likely
from nesyc_runtime.templates import value_text

WEIGHTS = "weights"
ANSWERS_ONLY = frozenset({"answer", "augmented_answer"})


def training_examples(ctx: Context, stage: config.FinetuneStage) -> list[Example]:
    """The union of the stage's examples; where a task writes rationales, only items that have one."""
    examples = united_examples(ctx, stage.examples)
    if ANSWERS_ONLY.issuperset(stage.tasks):
        return examples
    return [example for example in examples if example.rationales]


def united_examples(ctx: Context, names: Sequence[str]) -> list[Example]:
    """What `a + b` stands for: each item of these stages and splits once, what they say of it merged."""
    return union(_examples(ctx, name) for name in names)


def _examples(ctx: Context, name: str) -> list[Example]:
    """What a stage gave, or the rows of a split with their right answers alone."""
    if is_stage(ctx, name):
        return read_examples(ctx.folder(name) / "examples.jsonl")
    return [Example(row.id, row.values) for row in ctx.data.split(name).rows]


def is_stage(ctx: Context, name: str) -> bool:
    return any(stage.id == name for pipeline in ctx.spec.pipelines for stage in pipeline.stages)


def training_items(ctx: Context, stage: config.FinetuneStage) -> list[Item]:
    return _items(ctx, stage, training_examples(ctx, stage))


def _items(ctx: Context, stage: config.FinetuneStage, examples: Sequence[Example]) -> list[Item]:
    task = ctx.task(stage.task)
    return [Item(example.id, task_inputs(task, example.row), example.row) for example in examples]


def lessons_of(ctx: Context, stage: config.FinetuneStage, examples: Sequence[Example]) -> list[Lesson]:
    """One lesson for each distinct rationale of each item; one with the right answer where there is none."""
    task = ctx.task(stage.task)
    items = _items(ctx, stage, examples)
    found = ctx.found(stage.retrieve, items, training=True) if stage.retrieve is not None else None
    told = told_by_server(ctx, stage)
    return [
        Lesson(
            example.id,
            item.inputs,
            rationale,
            answer_text(task, rationale) if rationale else gold_text(task, example.row),
            found[position].text if found is not None else None,
            told.get((example.id, rationale)),
        )
        for position, (example, item) in enumerate(zip(examples, items, strict=True))
        for rationale in example.rationales or ("",)
    ]


def told_by_server(ctx: Context, stage: config.FinetuneStage) -> dict[tuple[str, str], Likely]:
    """By item and rationale, what the server of the loss's teacher told of the tokens; empty without such a loss."""
    if stage.distil is None:
        return {}
    found: dict[tuple[str, str], Likely] = {}
    for name in sample_stages(ctx, stage.examples, stage.distil.teacher):
        found = read_table(ctx.folder(name) / LIKELY) | found
    return found


def sample_stages(ctx: Context, names: Sequence[str], teacher: str) -> list[str]:
    """The `sample` stages of a teacher that examples come from, also through the errors mined against them."""
    stages = {stage.id: stage for pipeline in ctx.spec.pipelines for stage in pipeline.stages}
    found: list[str] = []
    for name in names:
        match stages.get(name):
            case config.SampleStage(teacher=asked) if asked == teacher:
                found.append(name)
            case config.MineErrorsStage(against=against):
                found += sample_stages(ctx, against, teacher)
            case _:
                pass
    return list(dict.fromkeys(found))


def gold_text(task: config.Task, row: Mapping[str, Any]) -> str:
    """The right answer of a row, as text. Raises `UserError` where the task does not say which field holds it."""
    gold = gold_of(task, row)
    if not task.parsers or gold.get(task.parsers[0].output) is None:
        raise UserError(
            f"task `{task.name}`: the rows do not say what the right answer is",
            "compare an output with a field in the first metric: `metric accuracy = mean(answer == label)`",
        )
    return value_text(gold[task.parsers[0].output])


def answer_text(task: config.Task, response: str) -> str:
    """The answer a response gives, as text: the first parsed output, or all of it where nothing is parsed."""
    parsed = parse_answer(task, response)
    if not task.parsers or parsed[task.parsers[0].output] is None:
        return response.strip()
    return value_text(parsed[task.parsers[0].output])


def run_finetune(ctx: Context, stage: config.FinetuneStage, copy: int, out: Path) -> Counts:
    """Train into `out`/weights. A broken-off training goes on where it was."""
    examples = training_examples(ctx, stage)
    if not examples:
        raise UserError(
            f"stage `{stage.id}` has nothing to learn from: its examples are empty",
            "see why they were dropped in the stage table; check the teacher's answers and the task's parser",
        )
    lessons = lessons_of(ctx, stage, examples)
    start_from = None
    if stage.model != stage.student:
        start_from = ctx.folder(stage.model) / WEIGHTS
    train(ctx, stage, lessons, start_from, out / WEIGHTS, stage.seed + copy, copy_id(stage.id, copy))
    return Counts(rows_in=len(examples), kept=len(examples))


def train(
    ctx: Context,
    stage: config.FinetuneStage,
    lessons: Sequence[Lesson],
    start_from: Path | None,
    out: Path,
    seed: int,
    name: str,
) -> None:
    """`name` is what the training's curves are filed under, in `runs/ID/logs`."""
    ctx.reporter.advance(0)
    ctx.learner.train(
        stage,
        lessons,
        start_from=start_from,
        out=out,
        seed=seed,
        progress=ctx.reporter.advance,
        run=ctx.run,
        name=name,
        exam=exam_of(ctx, stage),
    )


def weights_of(ctx: Context, model: str, copy: int = 0) -> tuple[str, Path | None]:
    """The declared student behind a model, and the weights its stage trained (None for an untrained one)."""
    if any(student.name == model for student in ctx.spec.students):
        return model, None
    stage = finetune_stage(ctx, model)
    return stage.student, ctx.folder(copy_id(model, copy)) / WEIGHTS


def finetune_stage(ctx: Context, model: str) -> config.FinetuneStage:
    stages = (stage for pipeline in ctx.spec.pipelines for stage in pipeline.stages)
    return next(s for s in stages if s.id == model and isinstance(s, config.FinetuneStage))
