"""The prompts of evaluations that read otherwise than they did: what their answers may follow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nesyc_runtime import config
from nesyc_runtime.expressions import evaluate
from nesyc_runtime.kb.retrieval import Retriever
from nesyc_runtime.kb.store import Store
from nesyc_runtime.kb.values import shown
from nesyc_runtime.stages.context import Context
from nesyc_runtime.stages.graph import Node, Respond, build_graph, task_of
from nesyc_runtime.stages.last_run import Base
from nesyc_runtime.stages.ports import Found, Item
from nesyc_runtime.stages.prompts import format_of, prompt_for
from nesyc_runtime.stages.respond import evaluation_items

NAMED = 5  # items


def changed_prompts(ctx: Context, base: Base, stores: Mapping[str, Store]) -> list[dict[str, Any]]:
    """For each evaluated student: how many of its prompts changed, and the first items; those in `base` only.

    `stores` are the KBs as they were in the base; one that cannot be compared is missing.
    """
    before = build_graph(base.build)
    found = []
    for id_, node in build_graph(ctx.build).items():
        then = before.get(id_)
        if isinstance(node.stage, Respond) and then is not None and isinstance(then.stage, Respond):
            old = _prompts_then(base, then.stage, evaluation_items(ctx, node.stage), stores)
            if old is not None:
                found.append(_compared(id_, node, old, _prompts_now(ctx, node.stage)))
    return found


def _compared(id_: str, node: Node, before: Mapping[str, str], now: Mapping[str, str]) -> dict[str, Any]:
    assert isinstance(node.stage, Respond)
    changed = [item for item, prompt in now.items() if before.get(item) != prompt]
    return {
        "name": id_,
        "student": node.stage.student,
        "split": node.stage.evaluate.split,
        "items": len(now),
        "changed": len(changed),
        "first": [{"id": item, "before": before.get(item), "now": now[item]} for item in changed[:NAMED]],
    }


def _prompts_now(ctx: Context, respond: Respond) -> dict[str, str]:
    task, items = ctx.task(task_of(ctx.spec, respond)), evaluation_items(ctx, respond)
    format_ = format_of(respond.stage, respond.evaluate.format, respond.evaluate.retrieve)
    found: Sequence[Found | None] = [None] * len(items)
    if format_.retrieve is not None:
        found = ctx.found(format_.retrieve, items, training=False)
    return {item.id: prompt_for(task, item, format_, one) for item, one in zip(items, found, strict=True)}


def _prompts_then(
    base: Base, respond: Respond, items: Sequence[Item], stores: Mapping[str, Store]
) -> dict[str, str] | None:
    spec = base.build.spec
    name = task_of(spec, respond)
    task = next(task for task in spec.tasks if task.name == name)
    format_ = format_of(respond.stage, respond.evaluate.format, respond.evaluate.retrieve)
    found: Sequence[Found | None] = [None] * len(items)
    if format_.retrieve is not None:
        retrieve = next(one for one in spec.retrieves if one.name == format_.retrieve)
        store = stores.get(retrieve.kb)
        if store is None or any(isinstance(one, config.NearestTarget) for one in retrieve.search.targets):
            return None
        questions = [shown(evaluate(retrieve.query, {"input": i.inputs, "row": i.row})) for i in items]
        found = [Found(one.text) for one in Retriever(store, retrieve).retrieve_many(questions)]
    return {item.id: prompt_for(task, item, format_, one) for item, one in zip(items, found, strict=True)}
