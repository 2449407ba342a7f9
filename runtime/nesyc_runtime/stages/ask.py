"""One question answered as the `answer` block says: retrieve, sample, reject, vote."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nesyc_runtime import config
from nesyc_runtime.data.rows import BadValue, convert
from nesyc_runtime.errors import UserError
from nesyc_runtime.files import printable
from nesyc_runtime.inference.answers import parse_answer
from nesyc_runtime.stages.claims import claim_of
from nesyc_runtime.stages.context import Context
from nesyc_runtime.stages.finetune import WEIGHTS, finetune_stage
from nesyc_runtime.stages.graph import respond_id
from nesyc_runtime.stages.ports import Contradiction, Found, Item, Reply
from nesyc_runtime.stages.prompts import Format, format_of, prompt_for, two_steps
from nesyc_runtime.stages.respond import LOST
from nesyc_runtime.stages.run import spec_digest
from nesyc_runtime.stages.sample import verdict_text

INPUT_HELP = """--input '{"name": "value"}'"""


@dataclass(frozen=True, slots=True)
class Model:
    """`weights` None is the untrained student; `note` says where the model is older than the spec."""

    student: str
    stage: config.FinetuneStage | None
    weights: Path | None
    note: str | None = None


@dataclass
class Candidate:
    """One answer among the samples: `weight` sums what its samples count, `reply` is its surest one."""

    outputs: Mapping[str, Any]
    reply: Reply
    weight: float = 0.0
    broken: list[Contradiction] = field(default_factory=list)


def answer_policy(spec: config.Spec, task: str | None) -> config.Answer:
    """The `answer` block of `task`, or the only one; raises `UserError` where there is none or several."""
    found = [answer for answer in spec.answers if task in (None, answer.task)]
    if len(found) == 1:
        return found[0]
    if not found:
        what = f"no `answer {task}` block" if task else "no `answer` block"
        raise UserError(f"the spec has {what}", "add one:  answer TASK with PIPELINE.STAGE { }")
    names = ", ".join(answer.task for answer in found)
    raise UserError(f"the spec answers several tasks: {names}", "say which with --task NAME")


def read_inputs(spec: config.Spec, task: config.Task, text: str | None, given: str | None) -> dict[str, Any]:
    """The task's typed inputs from the text of a question, or from a JSON object of them.

    Raises `UserError` where an input is missing, unknown or ill typed.
    """
    if given is not None:
        values = _object(given)
    elif text is not None:
        values = {_text_input(task): text}
    else:
        raise UserError("there is no question", "nesyc ask TEXT, or nesyc ask --input JSON")
    names = [field_.name for field_ in task.inputs]
    unknown = [name for name in values if name not in names]
    if unknown:
        raise UserError(
            f"task {task.name} has no input `{printable(unknown[0], 40)}`", f"it takes: {', '.join(names)}"
        )
    enums = {enum.name: enum.constants for enum in spec.enums}
    inputs = {}
    for field_ in task.inputs:
        try:
            inputs[field_.name] = convert(values.get(field_.name), field_.type, enums)
        except BadValue as error:
            takes = f"task {task.name} takes: {', '.join(names)}"
            raise UserError(f"input `{field_.name}`: {error}", takes) from None
    return inputs


def _object(given: str) -> dict[str, Any]:
    try:
        values = json.loads(given)
    except (ValueError, RecursionError) as error:
        raise UserError(f"--input is not JSON: {printable(str(error))}", INPUT_HELP) from None
    if not isinstance(values, dict):
        raise UserError("--input is not a JSON object", INPUT_HELP)
    return values


def _text_input(task: config.Task) -> str:
    texts = [field_.name for field_ in task.inputs if field_.type.base == "text"]
    needed = [field_.name for field_ in task.inputs if not field_.type.nullable]
    if len(texts) == 1 and set(needed) <= set(texts):
        return texts[0]
    if len(task.inputs) == 1:
        return task.inputs[0].name
    example = ", ".join(f'"{name}": "..."' for name in needed)
    raise UserError(
        f"task {task.name} takes more than one text: {', '.join(needed)}", f"--input '{{{example}}}'"
    )


def latest_model(ctx: Context, model: str) -> Model:
    """The model as it was last trained; raises `UserError` where it never was."""
    if any(student.name == model for student in ctx.spec.students):
        return Model(model, None, None)
    stage = finetune_stage(ctx, model)
    last = ctx.shelf.last(model)
    done = ctx.shelf.find(str(last["key"])) if last is not None else None
    if last is None or done is None:
        raise UserError(f"the model `{model}` is not trained yet", f"nesyc run --select {stage.id}")
    note = None
    if last["spec"] != spec_digest(ctx.build):
        note = "the spec has changed since the model was trained; `nesyc plan` says what would run again"
    return Model(stage.student, stage, done.folder / WEIGHTS, note)


def ask(ctx: Context, policy: config.Answer, inputs: Mapping[str, Any]) -> dict[str, Any]:
    """The object of the `ask` contract. The KB is brought in step first: what a person just edited counts."""
    task = ctx.task(policy.task)
    model = latest_model(ctx, policy.model)
    ctx.knowledge.prepare()
    format_ = format_of(model.stage, policy.format, policy.retrieve)
    item = Item("ask", inputs, inputs)
    gate = _gate(ctx, policy, format_.retrieve)
    found = ctx.found(format_.retrieve, [item], training=False)[0] if format_.retrieve else Found(None)
    replies: list[Reply] = []
    if gate is not None and found.text is not None:
        alone = _replies(ctx, model, task, item, format_, None, 1, 0.0)
        if alone[0].confidence >= gate:
            found = Found(None)
            replies = alone if policy.samples == 1 else []  # a sure answer is the answer; samples are drawn
    prompt = prompt_for(task, item, format_, found)
    if not replies:
        temperature = policy.temperature if policy.samples > 1 else 0.0
        replies = _replies(ctx, model, task, item, format_, found, policy.samples, temperature)
    candidates = _candidates(task, replies, weighted=policy.vote == "weighted")
    for candidate in candidates:
        candidate.broken = _broken(ctx, policy, task, inputs, candidate)
    result = _result(task, candidates, replies, policy)
    notes = [model.note] if model.note else []
    if lost := [what for part, what in LOST.items() if any(part in one.cut for one in replies)]:
        fit = f"to fit {ctx.student(model.student).max_tokens} tokens with the answer"
        notes.append(f"the prompt lost {' and '.join(lost)}, {fit}")
    note = "; ".join(notes) or None
    return {**result, **_used(found, gate), "prompt": prompt, "note": note}


def _replies(
    ctx: Context,
    model: Model,
    task: config.Task,
    item: Item,
    format_: Format,
    found: Found | None,
    samples: int,
    temperature: float,
) -> list[Reply]:
    """`samples` responses; where the format has two steps, each with the answer that follows from it."""
    first = _reply(ctx, model, [prompt_for(task, item, format_, found)] * samples, temperature)
    if format_.then is None:
        return first
    prompts = [prompt_for(task, item, format_, found, reply.text) for reply in first]
    second = _reply(ctx, model, prompts, 0.0)
    return [two_steps(task, one, two) for one, two in zip(first, second, strict=True)]


def _reply(ctx: Context, model: Model, prompts: Sequence[str], temperature: float) -> list[Reply]:
    replies: dict[int, Reply] = {}
    ctx.learner.respond(
        model.student,
        model.weights,
        prompts,
        seed=0,
        temperature=temperature,
        max_new_tokens=ctx.student(model.student).max_new_tokens,
        on_reply=replies.__setitem__,
    )
    return [replies[index] for index in sorted(replies)]


def _candidates(task: config.Task, replies: Sequence[Reply], *, weighted: bool) -> list[Candidate]:
    """The distinct answers, the weightiest first; at equal weight the one given first."""
    groups: dict[str, list[Reply]] = defaultdict(list)
    for reply in replies:
        key = verdict_text(task, reply.text)
        if key is not None:
            groups[key].append(reply)
    candidates = []
    for group in groups.values():
        best = max(group, key=lambda reply: reply.confidence)
        weight = sum(reply.confidence if weighted else 1.0 for reply in group)
        candidates.append(Candidate(parse_answer(task, best.text), best, weight))
    return sorted(candidates, key=lambda candidate: -candidate.weight)


def _broken(
    ctx: Context,
    policy: config.Answer,
    task: config.Task,
    inputs: Mapping[str, Any],
    candidate: Candidate,
) -> list[Contradiction]:
    values = {**inputs, **candidate.outputs}
    return [found for kb in policy.reject for found in _contradicted(ctx, kb, task, values)]


def _contradicted(ctx: Context, kb: str, task: config.Task, values: Mapping[str, Any]) -> list[Contradiction]:
    claims = [claim for atom in task.claims if (claim := claim_of(atom, values, kb)) is not None]
    return ctx.knowledge.contradictions(kb, claims) if claims else []


def _result(
    task: config.Task, candidates: Sequence[Candidate], replies: Sequence[Reply], policy: config.Answer
) -> dict[str, Any]:
    output = task.parsers[0].output if task.parsers else task.outputs[0].name
    total = sum(reply.confidence if policy.vote == "weighted" else 1.0 for reply in replies)
    standing = [candidate for candidate in candidates if not candidate.broken]
    rejected = [
        {"answer": candidate.outputs[output], "claim": broken.claim, "by": broken.by}
        for candidate in candidates
        for broken in candidate.broken
    ]
    if not standing:
        reasoning = replies[0].text if replies else ""
        return {
            "v": 1,
            "answer": None,
            "conf": 0.0,
            "reasoning": reasoning,
            "abstained": True,
            "rejected": rejected,
        }
    best = standing[0]
    return {
        "v": 1,
        "answer": best.outputs[output],
        "conf": round(best.weight / total, 6) if total else 0.0,
        "reasoning": str(best.outputs.get("reasoning") or ""),
        "abstained": False,
        "rejected": rejected,
    }


def _used(found: Found, gate: float | None) -> dict[str, Any]:
    return {
        "gate": gate,
        "hits": [dict(hit) for hit in found.hits],
        "facts": [dict(fact) for fact in found.facts],
    }


def _gate(ctx: Context, policy: config.Answer, retrieve: str | None) -> float | None:
    """The declared threshold, or the one tuned when the model was last evaluated; None asks the KB always."""
    gate = ctx.retrieve(retrieve).gate if retrieve is not None else None
    if gate is None or gate.tuned is None:
        return gate.below if gate is not None else None
    for evaluate in ctx.spec.evaluates:
        last = ctx.shelf.last(respond_id(evaluate, policy.model, 0))
        done = ctx.shelf.find(str(last["key"])) if last is not None else None
        if done is not None and (done.folder / "gate.json").is_file():
            value = json.loads((done.folder / "gate.json").read_text(encoding="utf-8"))["gate"]
            if value is not None:
                return float(value)
    return None
