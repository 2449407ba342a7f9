"""The prompts of trainings and evaluations that read otherwise than they did: what a model learns, or answers, may follow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nesyc_runtime import config
from nesyc_runtime.files import read_jsonl
from nesyc_runtime.inference.answers import item_correct
from nesyc_runtime.inference.prompts import READ_KNOWLEDGE
from nesyc_runtime.kb.storage.store import Store
from nesyc_runtime.stages.context import Context
from nesyc_runtime.stages.finetune import is_stage, training_items
from nesyc_runtime.stages.graph import Node, Respond, build_graph, task_of
from nesyc_runtime.stages.last_run import Base
from nesyc_runtime.stages.ports import Found, Item
from nesyc_runtime.stages.prompts import Format, format_of, prompt_for
from nesyc_runtime.stages.respond import evaluation_items

NAMED = 5  # items
RESPONSES = "responses.jsonl"  # of an evaluation


@dataclass(frozen=True, slots=True)
class Asked:
    """What prompts a stage makes of its items: `task` by name, in `format`; in training own entries are held out."""

    student: str
    split: str
    task: str
    format: Format
    training: bool


def changed_prompts(ctx: Context, base: Base, stores: Mapping[str, Store]) -> list[dict[str, Any]]:
    """For each training with knowledge and each evaluated student: how many of its prompts changed, how these were answered
    when it was last evaluated, and the first items.

    `stores` are the KBs as they were in the base. What cannot be compared is missing: a stage that only one of the two
    has, a KB or an embedder that is another, a training whose examples are to be made first.
    """
    before = build_graph(base.build)
    found = []
    for id_, node in build_graph(ctx.build).items():
        now, then = _asked(ctx.spec, node), _asked(base.build.spec, before[id_]) if id_ in before else None
        items = _items(ctx, node) if now is not None and then is not None else None
        if now is None or then is None or items is None:
            continue
        old = _prompts_then(ctx, base, then, items, stores)
        if old is not None:
            prompts = _prompts_now(ctx, now, items)
            changed = [item for item, prompt in prompts.items() if old.get(item) != prompt]
            answered = _answered(ctx, id_, now, items, changed)
            found.append({**_told(id_, now, changed, old, prompts), "answered": answered})
    return found


def _answered(
    ctx: Context, id_: str, asked: Asked, items: Sequence[Item], changed: Sequence[str]
) -> dict[str, int] | None:
    """How the student answered the changed prompts when it was last evaluated: these answers may be others now."""
    last = ctx.shelf.last(id_) if not asked.training else None
    done = ctx.shelf.find(str(last["key"])) if last is not None else None
    file = done.folder / RESPONSES if done is not None else None
    if file is None or not file.is_file():
        return None
    task, rows = ctx.task(asked.task), {item.id: item.row for item in items}
    said = {str(one["id"]): str(one["response"]) for one in read_jsonl(file)}
    right = [item_correct(task, rows[item], said[item]) for item in changed if item in said]
    return {"right": sum(right), "wrong": len(right) - sum(right)}


def _asked(spec: config.Spec, node: Node) -> Asked | None:
    """None for stages without prompts that knowledge could change."""
    stage = node.stage
    if isinstance(stage, Respond):
        format_ = format_of(stage.stage, stage.evaluate.format, stage.evaluate.retrieve)
        return Asked(stage.student, stage.evaluate.split, task_of(spec, stage), format_, False)
    if not isinstance(stage, config.FinetuneStage) or stage.retrieve is None or node.copy:
        return None
    reading = next((task for task in stage.tasks if task in READ_KNOWLEDGE), None)
    if reading is None:
        return None
    split = ", ".join(stage.examples)
    return Asked(stage.student, split, stage.task, format_of(stage, reading), True)


def _items(ctx: Context, node: Node) -> list[Item] | None:
    """The items of now; None where stages are to make them first."""
    stage = node.stage
    if isinstance(stage, Respond):
        return list(evaluation_items(ctx, stage))
    assert isinstance(stage, config.FinetuneStage)
    if any(is_stage(ctx, name) and name not in ctx.done for name in stage.examples):
        return None
    return training_items(ctx, stage)


def _told(
    id_: str, asked: Asked, changed: Sequence[str], before: Mapping[str, str], now: Mapping[str, str]
) -> dict[str, Any]:
    return {
        "name": id_,
        "student": asked.student,
        "split": asked.split,
        "training": asked.training,
        "items": len(now),
        "changed": len(changed),
        "first": [{"id": item, "before": before.get(item), "now": now[item]} for item in changed[:NAMED]],
    }


def _prompts_now(ctx: Context, asked: Asked, items: Sequence[Item]) -> dict[str, str]:
    found: Sequence[Found | None] = [None] * len(items)
    if asked.format.retrieve is not None:
        found = ctx.found(asked.format.retrieve, list(items), training=asked.training)
    return _prompts(ctx.task(asked.task), asked, items, found)


def _prompts_then(
    ctx: Context, base: Base, asked: Asked, items: Sequence[Item], stores: Mapping[str, Store]
) -> dict[str, str] | None:
    spec = base.build.spec
    task = next(task for task in spec.tasks if task.name == asked.task)
    found: Sequence[Found | None] = [None] * len(items)
    if asked.format.retrieve is not None:
        retrieve = next(one for one in spec.retrieves if one.name == asked.format.retrieve)
        store = stores.get(retrieve.kb)
        if store is None or _embedders(spec, retrieve) != _embedders(ctx.spec, retrieve):
            return None
        found = ctx.knowledge.retrieve_in(store, retrieve, items, training=asked.training)
    return _prompts(task, asked, items, found)


def _embedders(spec: config.Spec, retrieve: config.Retrieve) -> list[Any]:
    """The models by which a block searches, as a spec declares them: other models' vectors cannot be compared."""
    if not any(isinstance(one, config.NearestTarget) for one in retrieve.search.targets):
        return []
    return [one.model_dump(mode="json", exclude={"location"}) for one in spec.embedders]


def _prompts(
    task: config.Task, asked: Asked, items: Sequence[Item], found: Sequence[Found | None]
) -> dict[str, str]:
    return {
        item.id: prompt_for(task, item, asked.format, one) for item, one in zip(items, found, strict=True)
    }
