"""`mine_errors`: the training items a student gets wrong, with its wrong response and the kept rationale."""

from __future__ import annotations

import shutil
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from nesyc_runtime import config
from nesyc_runtime.hashing import digest
from nesyc_runtime.inference.answers import item_correct
from nesyc_runtime.stages.context import Context, task_inputs
from nesyc_runtime.stages.examples import Counts, Example, write_examples
from nesyc_runtime.stages.finetune import (
    WEIGHTS,
    finetune_stage,
    lessons_of,
    train,
    training_examples,
    united_examples,
    weights_of,
)
from nesyc_runtime.stages.graph import all_stages
from nesyc_runtime.stages.items import ItemLog
from nesyc_runtime.stages.ports import Item
from nesyc_runtime.stages.prompts import format_of
from nesyc_runtime.stages.respond import Asking, is_answered, respond_all


def run_mine_errors(ctx: Context, stage: config.MineErrorsStage, out: Path) -> Counts:
    """Ask the model about every item with a kept rationale (greedily), write those it gets wrong.

    With folds, each fold is asked of a model trained without it: a student that knows its training items
    by heart makes no errors on them.
    """
    examples = united_examples(ctx, stage.against)
    known = {row.id for row in ctx.data.split(stage.data).rows}
    examples = [example for example in examples if example.id in known][: stage.limit]
    trained = isinstance(all_stages(ctx.spec).get(stage.model), config.FinetuneStage)
    parts = split_folds(examples, stage.folds, stage.by) if trained and stage.folds > 1 else [examples]
    wrong: dict[str, str] = {}
    with ItemLog(out / "log.jsonl") as log:
        for number, part in enumerate(parts):
            fold = out / f"fold-{number}" if len(parts) > 1 else None
            wrong |= _wrong_responses(ctx, stage, part, fold, log)
    for number in range(len(parts)):
        shutil.rmtree(out / f"fold-{number}", ignore_errors=True)
    errors = [
        Example(example.id, example.row, example.rationales, wrong[example.id])
        for example in examples
        if example.id in wrong
    ]
    write_examples(out / "examples.jsonl", errors)
    if not errors:
        ctx.reporter.warn(_no_errors(stage, len(examples)))
    return Counts(len(examples), len(errors), {"right": len(examples) - len(errors)})


def split_folds(examples: Sequence[Example], folds: int, by: Sequence[str]) -> list[list[Example]]:
    """Examples equal in the `by` fields share a fold; groups are dealt out by hash order, so folds are even.

    Without `by` each item is a group. At most as many folds as groups; none is empty.
    """
    groups: dict[str, list[Example]] = defaultdict(list)
    for example in examples:
        groups[digest([example.row.get(name) for name in by] if by else example.id)].append(example)
    parts: list[list[Example]] = [[] for _ in range(max(1, min(folds, len(groups))))]
    for position, name in enumerate(sorted(groups)):
        parts[position % len(parts)].extend(groups[name])
    return parts


def _wrong_responses(
    ctx: Context,
    stage: config.MineErrorsStage,
    part: Sequence[Example],
    fold: Path | None,
    log: ItemLog,
) -> dict[str, str]:
    task = ctx.task(stage.task)
    student, weights = weights_of(ctx, stage.model)
    model_stage = finetune_stage(ctx, stage.model) if weights is not None else None
    items = [Item(example.id, task_inputs(task, example.row), example.row) for example in part]
    asking = Asking(
        student, weights, task, format_of(model_stage), ctx.student(student).max_new_tokens, training=True
    )
    if fold is not None and not all(is_answered(asking, item, log) for item in items):
        weights = _train_without(ctx, stage.model, {item.id for item in items}, fold)
        asking = replace(asking, weights=weights)
    responses = respond_all(ctx, asking, items, log, None)
    return {
        item.id: str(response["response"])
        for item, response in zip(items, responses, strict=True)
        if not item_correct(task, item.row, str(response["response"]))
    }


def _train_without(ctx: Context, model: str, left_out: set[str], fold: Path) -> Path:
    """The model's own training, without a fold's items; done once, a broken-off one goes on."""
    weights = fold / WEIGHTS
    if (fold / "trained").exists():
        return weights
    fold.mkdir(parents=True, exist_ok=True)
    stage = finetune_stage(ctx, model)
    rest = [example for example in training_examples(ctx, stage) if example.id not in left_out]
    start_from = ctx.folder(stage.model) / WEIGHTS if stage.model != stage.student else None
    name = f"{stage.id}.{fold.name}"
    train(ctx, stage, lessons_of(ctx, stage, rest), start_from, weights, stage.seed, name)
    (fold / "trained").touch()
    return weights


def _no_errors(stage: config.MineErrorsStage, asked: int) -> str:
    remedy = "use more data" if stage.folds > 1 else "train on folds:  mine_errors(..., folds = 5)"
    return (
        f"stage `{stage.id}`: no errors among {asked} items, so there is nothing to extract; "
        f"a student that knows its training items by heart makes none: {remedy}"
    )
