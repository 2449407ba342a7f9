"""Content keys: a stage's key is a hash of all it depends on, and of nothing else.

The inputs are kept by name, so that a changed key can be explained. What is left out on purpose: names and
places in the source, prices, limits, budgets, review. Two stages with equal inputs are one.
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Mapping
from typing import Any

from nesyc_runtime import config
from nesyc_runtime.hashing import code_digest, digest
from nesyc_runtime.stages.context import Context
from nesyc_runtime.stages.finetune import is_stage, training_items
from nesyc_runtime.stages.graph import Node, Respond, copy_id, task_of
from nesyc_runtime.stages.induce import mined_splits
from nesyc_runtime.stages.prompts import format_of
from nesyc_runtime.stages.respond import evaluation_items
from nesyc_runtime.stages.selection import exam_of
from nesyc_runtime.stages.validate import format_for, retrieve_of, student_name

Inputs = dict[str, Any]

NOT_CONTENT = frozenset(
    {"id", "name", "location", "review", "task", "teacher", "student", "model", "data", "examples", "against"}
    | {"retrieve", "select", "into", "of", "kb", "distil"}
)


def version_of(package: str) -> str:
    """The version of an installed package; "unknown" for one that is only on the path."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "unknown"


def stage_key(inputs: Mapping[str, Any]) -> str:
    return digest(inputs)


def node_inputs(ctx: Context, node: Node) -> Inputs:
    """All a node depends on, by name. Keys of what it waits for must be in `ctx.keys`.

    What retrieval gives is part of it only when everything that writes into the KB is done (`retrieved`).
    """
    stage = node.stage
    match stage:
        case config.SampleStage():
            inputs = _sample(ctx, stage)
        case config.FinetuneStage():
            inputs = finetune_inputs(ctx, stage, node.copy)
        case config.MineErrorsStage():
            inputs = _mine_errors(ctx, stage)
        case config.ExtractStage():
            inputs = _extract(ctx, stage)
        case config.InduceStage():
            inputs = _induce(ctx, stage)
        case config.ValidateStage():
            inputs = _validate(ctx, stage)
        case Respond():
            inputs = _respond(ctx, stage, node)
    generation = 0 if isinstance(stage, Respond) else ctx.generations.of(stage.id)
    return {**inputs, "refreshed": generation} if generation else inputs


def _settings(stage: config.Model) -> Inputs:
    return {
        f"`{name}`": value
        for name, value in stage.model_dump(mode="json").items()
        if name not in NOT_CONTENT and name != "kind"
    }


def task_digest(task: config.Task) -> str:
    """What of a task bears on prompts and verdicts: inputs, outputs, prompts, parsers, metrics."""
    return digest(_without_places(task.model_dump(mode="json", exclude={"name", "dataset", "claims"})))


def _without_places(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_places(item) for name, item in value.items() if name != "location"}
    return [_without_places(item) for item in value] if isinstance(value, list) else value


def _common(ctx: Context, kind: str, task: str) -> Inputs:
    return {
        "kind": kind,
        f"task {task}": task_digest(ctx.task(task)),
        "nesyc": version_of("nesyc"),
    }


def _rows(ctx: Context, split: str) -> Inputs:
    return {f"rows of {split}": ctx.data.split(split).digest}


def _teacher(ctx: Context, name: str) -> Inputs:
    declaration = ctx.teachers.declaration(name)
    return {
        f"teacher {name}": digest(ctx.teachers.get(name).identity),
        "system prompt": declaration.system,
    }


def _student(ctx: Context, name: str) -> Inputs:
    student = ctx.student(name).model_dump(mode="json", exclude={"name", "location"})
    return {f"student {name}": digest(student)}


def _model(ctx: Context, model: str, copy: int = 0) -> Inputs:
    """The model itself: an untrained student, or the key of the stage that trains it."""
    if any(student.name == model for student in ctx.spec.students):
        return _student(ctx, model)
    return {"model": ctx.keys[copy_id(model, copy)]}


def _sample(ctx: Context, stage: config.SampleStage) -> Inputs:
    return {
        **_common(ctx, "sample", stage.task),
        **_settings(stage),
        **_rows(ctx, stage.data),
        **_teacher(ctx, stage.teacher),
    }


def finetune_inputs(ctx: Context, stage: config.FinetuneStage, copy: int) -> Inputs:
    inputs = {
        **_common(ctx, "finetune", stage.task),
        **_settings(stage),
        "`seed`": stage.seed + copy,
        **_student(ctx, stage.student),
        "training module": code_digest(ctx.build.train_module(stage)),
        "examples": [ctx.keys[name] for name in stage.examples if is_stage(ctx, name)],
        "torch": version_of("torch"),
    }
    if stage.distil is not None:
        inputs |= {"`distil`": stage.distil.model_dump(mode="json", exclude={"teacher"})}
        inputs |= _teacher(ctx, stage.distil.teacher)
    for name in stage.examples:
        if not is_stage(ctx, name):
            inputs |= _rows(ctx, name)
    if stage.model != stage.student:
        inputs |= _model(ctx, stage.model)
    if stage.select is not None:
        inputs |= _rows(ctx, stage.select)
    if stage.retrieve is not None:
        inputs["retrieved"] = _retrieved_for_training(ctx, stage)
    return inputs


def _retrieved_for_training(ctx: Context, stage: config.FinetuneStage) -> Any:
    assert stage.retrieve is not None
    retrieve = ctx.retrieve(stage.retrieve)
    if not _all_done(ctx, stage.retrieve) or any(
        is_stage(ctx, name) and name not in ctx.done for name in stage.examples
    ):
        return [ctx.keys.get(writer.id) for writer in ctx.writers(retrieve.kb)]
    found = ctx.found(stage.retrieve, training_items(ctx, stage), training=True)
    texts = [result.text for result in found]
    exam = exam_of(ctx, stage)
    if exam is None:
        return digest(texts)
    # what the split that is selected on is given decides which epoch's weights are kept
    return digest([texts, [question.knowledge for question in exam.questions]])


def _all_done(ctx: Context, retrieve: str) -> bool:
    return all(writer.id in ctx.done for writer in ctx.writers(ctx.retrieve(retrieve).kb))


def _mine_errors(ctx: Context, stage: config.MineErrorsStage) -> Inputs:
    return {
        **_common(ctx, "mine_errors", stage.task),
        **_settings(stage),
        **_rows(ctx, stage.data),
        **_model(ctx, stage.model),
        "against": [ctx.keys[name] for name in stage.against],
    }


def _extract(ctx: Context, stage: config.ExtractStage) -> Inputs:
    kb, _, relation = stage.into.partition(".")
    declared = next(r for k in ctx.spec.kbs if k.name == kb for r in k.relations if r.name == relation)
    return {
        **_common(ctx, "extract", stage.task),
        **_settings(stage),
        **_teacher(ctx, stage.teacher),
        "errors": [ctx.keys[name] for name in stage.data],
        f"columns of {relation}": [column.model_dump(mode="json") for column in declared.columns],
    }


def _induce(ctx: Context, stage: config.InduceStage) -> Inputs:
    """Teachers' rules are left out, accepted or not: what a stage gives must not depend on what became of it."""
    kb = next(kb for kb in ctx.spec.kbs if kb.name == stage.kb)
    return {
        **_common(ctx, "induce", stage.task),
        **_settings(stage),
        **_teacher(ctx, stage.teacher),
        **{name: value for split in mined_splits(ctx, stage) for name, value in _rows(ctx, split).items()},
        "errors": [ctx.keys[name] for name in stage.data],
        **_people_say(kb),
        "claims": digest(
            [claim.model_dump(mode="json", exclude={"location"}) for claim in ctx.task(stage.task).claims]
        ),
    }


def _validate(ctx: Context, stage: config.ValidateStage) -> Inputs:
    """What is retrieved is left out: it depends on what became of the verdicts."""
    retrieve = retrieve_of(ctx, stage)
    kb = next(kb for kb in ctx.spec.kbs if kb.name == retrieve.kb)
    student = ctx.student(student_name(ctx, stage.model))
    return {
        **_common(ctx, "validate", stage.task),
        **_settings(stage),
        **_rows(ctx, stage.data),
        **_model(ctx, stage.model),
        "of": [ctx.keys[name] for name in stage.of],
        "`retrieve`": digest(retrieve.model_dump(mode="json", exclude={"location", "name", "gate"})),
        "`format`": format_for(ctx, stage).shown,
        "`max_new_tokens`": student.max_new_tokens,
        **_people_say(kb),
    }


def _people_say(kb: config.Kb) -> Inputs:
    """A KB without what stages made of it."""
    relations = [relation.model_dump(mode="json", exclude={"location"}) for relation in kb.relations]
    rules = [[rule.text, rule.confidence] for rule in kb.rules if rule.active and rule.origin == "human"]
    facts = [[fact.relation, fact.values, fact.confidence] for fact in kb.facts]
    files = [[file.relation, file.sha256, file.confidence] for file in kb.fact_files]
    return {
        f"relations of {kb.name}": digest(relations),
        f"rules of {kb.name}": digest(rules),
        f"facts of {kb.name}": digest([facts, files]),
    }


def _respond(ctx: Context, respond: Respond, node: Node) -> Inputs:
    evaluate, stage = respond.evaluate, respond.stage
    task = ctx.task(task_of(ctx.spec, respond))
    format_ = format_of(stage, evaluate.format, evaluate.retrieve)
    student = ctx.student(stage.student if stage is not None else respond.student)
    inputs = {
        **_common(ctx, "respond", task.name),
        **_rows(ctx, evaluate.split),
        **_model(ctx, respond.student, node.copy),
        "`limit`": evaluate.limit,
        "`format`": format_.shown,
        "`max_new_tokens`": student.max_new_tokens,
    }
    if format_.retrieve is not None:
        inputs |= _retrieved_for_evaluation(ctx, format_.retrieve, respond)
    return inputs


def _retrieved_for_evaluation(ctx: Context, name: str, respond: Respond) -> Inputs:
    retrieve = ctx.retrieve(name)
    gate = retrieve.gate.model_dump() if retrieve.gate is not None else None
    inputs: Inputs = {"`gate`": gate}
    if retrieve.gate is not None and retrieve.gate.tuned is not None:
        inputs |= _rows(ctx, retrieve.gate.tuned)
    if not _all_done(ctx, name):
        return {**inputs, "retrieved": [ctx.keys.get(writer.id) for writer in ctx.writers(retrieve.kb)]}
    found = ctx.found(name, evaluation_items(ctx, respond), training=False)
    return {**inputs, "retrieved": digest([[result.text, list(result.hits)] for result in found])}
