"""A student answers items, each response kept as it comes; a gate asks the KB only where it is unsure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nesyc_runtime import config
from nesyc_runtime.files import write_json, write_jsonl
from nesyc_runtime.inference.answers import item_correct
from nesyc_runtime.stages.context import Context, item_of
from nesyc_runtime.stages.examples import Counts
from nesyc_runtime.stages.finetune import weights_of
from nesyc_runtime.stages.graph import Respond, task_of
from nesyc_runtime.stages.items import ItemLog
from nesyc_runtime.stages.ports import Found, Item, Reply
from nesyc_runtime.stages.prompts import Format, format_of, prompt_for, two_steps

NOTHING = Found(None)
THEN = "/then"  # ends the name of a phase's second step in the log
LOST = {"knowledge": "the end of what was retrieved", "prompt": "the beginning"}
GATE = "gate.json"  # {"gate", "tuned"}: the threshold, and the split it was tuned on


@dataclass(frozen=True, slots=True)
class Asking:
    """How a student is asked: its name as declared, its weights, the task and the format.

    `training` holds an item's own entries out of what is retrieved for it.
    """

    student: str
    weights: Path | None
    task: config.Task
    format: Format
    max_new_tokens: int
    training: bool = False


def evaluation_items(ctx: Context, respond: Respond) -> list[Item]:
    task = ctx.task(task_of(ctx.spec, respond))
    rows = ctx.data.split(respond.evaluate.split).rows
    return [item_of(task, row) for row in rows[: respond.evaluate.limit]]


def run_respond(ctx: Context, respond: Respond, copy: int, out: Path) -> Counts:
    """Write responses.jsonl: id, prompt, response, hits, facts, confidence; and gate.json."""
    evaluate, stage = respond.evaluate, respond.stage
    student, weights = weights_of(ctx, respond.student, copy)
    asking = Asking(
        student,
        weights,
        ctx.task(task_of(ctx.spec, respond)),
        format_of(stage, evaluate.format, evaluate.retrieve),
        ctx.student(student).max_new_tokens,
    )
    items = evaluation_items(ctx, respond)
    gate = gate_of(ctx, asking, out)
    with ItemLog(out / "log.jsonl") as log:
        responses = respond_all(ctx, asking, items, log, gate)
    write_jsonl(out / "responses.jsonl", responses)
    cut = Counter(part for response in responses for part in response.get("cut", ()))
    if cut:
        lost = " and ".join(f"{cut[part]} lost {what}" for part, what in LOST.items() if part in cut)
        fit = f"to fit {ctx.student(student).max_tokens} tokens with the answer"
        ctx.reporter.warn(f"{respond.student}: of {len(items)} prompts {lost}, {fit}")
    write_json(out / GATE, {"gate": gate, "tuned": tuned_on(ctx, asking)})
    return Counts(rows_in=len(items), kept=len(items))


def tuned_on(ctx: Context, asking: Asking) -> str | None:
    """The split that the threshold is tuned on, None for one that the spec gives."""
    gate = ctx.retrieve(asking.format.retrieve).gate if asking.format.retrieve is not None else None
    return gate.tuned if gate is not None else None


def gate_of(ctx: Context, asking: Asking, out: Path) -> float | None:
    """The confidence below which the KB is asked: None where it always is. Tuned ones are found here."""
    name = asking.format.retrieve
    gate = ctx.retrieve(name).gate if name is not None else None
    if gate is None or gate.tuned is None:
        return gate.below if gate is not None else None
    items = [item_of(asking.task, row) for row in ctx.data.split(gate.tuned).rows]
    with ItemLog(out / "gate.jsonl") as log:
        closed = respond_with(ctx, asking, items, [None] * len(items), log, "closed")
        found = _found(ctx, asking, items)
        opened = respond_with(ctx, asking, items, found, log, "open")
    verdicts = [
        (
            alone["confidence"],
            item_correct(asking.task, item.row, alone["response"]),
            item_correct(asking.task, item.row, helped["response"]),
        )
        for item, alone, helped in zip(items, closed, opened, strict=True)
    ]
    return tuned_gate(verdicts)


def tuned_gate(verdicts: Sequence[tuple[float, bool, bool]]) -> float:
    """The least threshold that gets most items right, from (confidence, right alone, right with the KB).

    An item with confidence below the threshold takes the KB's help. At 0 the KB is never asked.
    """
    best, best_right = 0.0, sum(alone for _, alone, _ in verdicts)
    right = best_right
    ordered = sorted(verdicts)
    for position, (confidence, alone, helped) in enumerate(ordered):
        right += helped - alone
        last_of_tie = position + 1 == len(ordered) or ordered[position + 1][0] > confidence
        if last_of_tie and right > best_right:
            following = ordered[position + 1][0] if position + 1 < len(ordered) else confidence + 1e-6
            best, best_right = (confidence + following) / 2, right
    return best


def respond_all(
    ctx: Context, asking: Asking, items: Sequence[Item], log: ItemLog, gate: float | None
) -> list[dict[str, Any]]:
    """One response object for each item, those in the log not asked again."""
    if gate is None:
        found = _found(ctx, asking, items)
        return respond_with(ctx, asking, items, found, log, "")
    closed = respond_with(ctx, asking, items, [None] * len(items), log, "closed")
    unsure = [position for position, value in enumerate(closed) if value["confidence"] < gate]
    asked = [items[position] for position in unsure]
    opened = respond_with(ctx, asking, asked, _found(ctx, asking, asked), log, "open")
    for position, value in zip(unsure, opened, strict=True):
        closed[position] = {**value, "confidence": closed[position]["confidence"]}
    return closed


def is_answered(asking: Asking, item: Item, log: ItemLog) -> bool:
    """Whether the log holds all that an item is asked without a gate: both answers of a student that answers in two steps."""
    steps = ("", THEN) if asking.format.then is not None else ("",)
    return all(f"{step}/{item.id}" in log for step in steps)


def _found(ctx: Context, asking: Asking, items: Sequence[Item]) -> Sequence[Found | None]:
    if asking.format.retrieve is None:
        return [None] * len(items)
    return ctx.found(asking.format.retrieve, list(items), training=asking.training)


def respond_with(
    ctx: Context,
    asking: Asking,
    items: Sequence[Item],
    found: Sequence[Found | None],
    log: ItemLog,
    phase: str,
) -> list[dict[str, Any]]:
    prompts = [
        prompt_for(asking.task, item, asking.format, knowledge)
        for item, knowledge in zip(items, found, strict=True)
    ]
    first = _responses(ctx, asking, items, prompts, found, log, phase)
    if asking.format.then is None:
        return first
    prompts = [
        prompt_for(asking.task, item, asking.format, knowledge, str(response["response"]))
        for item, knowledge, response in zip(items, found, first, strict=True)
    ]
    second = _responses(ctx, asking, items, prompts, found, log, f"{phase}{THEN}")
    return [_joined(asking.task, one, two) for one, two in zip(first, second, strict=True)]


def _joined(task: config.Task, first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    """One response of two: what was asked last is the prompt shown."""
    one, two = (
        Reply(value["response"], value["confidence"], value["tokens"], tuple(value.get("cut", ())))
        for value in (first, second)
    )
    reply = two_steps(task, one, two)
    told = {"response": reply.text, "confidence": reply.confidence, "tokens": reply.tokens}
    return {**second, **told, **({"cut": list(reply.cut)} if reply.cut else {})}


def _responses(
    ctx: Context,
    asking: Asking,
    items: Sequence[Item],
    prompts: Sequence[str],
    found: Sequence[Found | None],
    log: ItemLog,
    phase: str,
) -> list[dict[str, Any]]:
    keys = [f"{phase}/{item.id}" for item in items]
    open_ = [position for position, key in enumerate(keys) if key not in log]
    done = len(items) - len(open_)
    ctx.reporter.advance(done)

    def keep(index: int, reply: Reply) -> None:
        nonlocal done
        position = open_[index]
        knowledge = found[position] or NOTHING
        log.put(keys[position], _response(items[position], prompts[position], knowledge, reply))
        done += 1
        ctx.reporter.advance(done)

    if open_:
        _ask(ctx, asking, [prompts[position] for position in open_], keep)
    return [dict(log.get(key)) for key in keys]


def _ask(ctx: Context, asking: Asking, prompts: Sequence[str], keep: Callable[[int, Reply], None]) -> None:
    ctx.learner.respond(
        asking.student,
        asking.weights,
        prompts,
        seed=0,
        temperature=0.0,
        max_new_tokens=asking.max_new_tokens,
        on_reply=keep,
    )


def _response(item: Item, prompt: str, found: Found, reply: Reply) -> dict[str, Any]:
    return {
        "id": item.id,
        "prompt": prompt,
        "response": reply.text,
        "hits": [dict(hit) for hit in found.hits],
        "facts": [dict(fact) for fact in found.facts],
        "confidence": reply.confidence,
        "tokens": reply.tokens,
        **({"cut": list(reply.cut)} if reply.cut else {}),
    }
