"""What stood behind a hash: the named parts of tasks, splits, models and knowledge that stages last ran with.

A stage's key hashes whole things. To name what changed in one, its parts are kept in `.nesy/seen/DIGEST.json` when a
stage has run; nothing is lost where a file is missing but the detail of a sentence.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from nesyc_runtime import config
from nesyc_runtime.files import write_json
from nesyc_runtime.hashing import digest
from nesyc_runtime.stages.context import Context
from nesyc_runtime.stages.finetune import training_items
from nesyc_runtime.stages.graph import Node, Respond
from nesyc_runtime.stages.prompts import format_of
from nesyc_runtime.stages.respond import evaluation_items

Parts = Mapping[str, Any]
SHORT = 16  # hex digits that tell two texts of one place apart


class Seen:
    """Parts by the digest of the whole."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def get(self, whole: str) -> Parts | None:
        try:
            value = json.loads((self._folder / f"{whole}.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return value if isinstance(value, dict) else None

    def put(self, whole: str, parts: Parts) -> None:
        if self.get(whole) != parts:
            write_json(self._folder / f"{whole}.json", parts, indent=None)


def seen_of(ctx: Context) -> Seen:
    return Seen(ctx.project.state_dir / "seen")


def parts_of(ctx: Context, node: Node, inputs: Mapping[str, Any]) -> dict[str, Parts]:
    """The parts of each hashed input of a node, by the input's name."""
    made = ((name, _maker(ctx, node, name)) for name, value in inputs.items() if _is_digest(value))
    return {name: make() for name, make in made if make is not None}


def remember_parts(ctx: Context, node: Node, inputs: Mapping[str, Any]) -> None:
    """Keep the parts behind a node's inputs, for the day one of them changes."""
    for name, parts in parts_of(ctx, node, inputs).items():
        seen_of(ctx).put(inputs[name], parts)


def _is_digest(value: Any) -> bool:
    return isinstance(value, str) and len(value) == 64


def _maker(ctx: Context, node: Node, name: str) -> Callable[[], Parts] | None:
    kind, _, rest = name.partition(" ")
    match kind:
        case "task":
            return lambda: task_parts(ctx.task(rest))
        case "rows":
            return lambda: row_parts(ctx, rest.removeprefix("of "))
        case "teacher":
            return lambda: dict(ctx.teachers.get(rest).identity)
        case "student":
            return lambda: _flat(ctx.student(rest).model_dump(mode="json", exclude={"name", "location"}))
        case "retrieved":
            return lambda: knowledge_parts(ctx, node)
    return None


def task_parts(task: config.Task) -> Parts:
    parts: dict[str, Any] = {}
    for name, template in task.prompts.items():
        parts[f"prompt .{name}" if name else "prompt"] = _short(template)
    for kind, fields in (("input", task.inputs), ("output", task.outputs)):
        parts |= {f"{kind} `{field.name}`": _short(field.model_dump(mode="json")) for field in fields}
    for parser in task.parsers:
        parts[f"parser of `{parser.output}`"] = _short(parser.model_dump(mode="json", exclude={"location"}))
    for metric in task.metrics:
        parts[f"metric `{metric.name}`"] = _short(metric.model_dump(mode="json", exclude={"location"}))
    return parts


def row_parts(ctx: Context, split: str) -> Parts:
    return {row.id: _short(row.values) for row in ctx.data.split(split).rows}


def knowledge_parts(ctx: Context, node: Node) -> Parts:
    """Each rule (with its place), each relation's facts, the search, and what each item was given."""
    retrieve, items, training = _asked(ctx, node)
    kb = next(kb for kb in ctx.spec.kbs if kb.name == retrieve.kb)
    found = ctx.found(retrieve.name, items, training=training)
    given = {
        item.id: _short([result.text, [] if training else list(result.hits)])
        for item, result in zip(items, found, strict=True)
    }
    return {**kb_parts(kb), **search_parts(retrieve), "items": given}


def _asked(ctx: Context, node: Node) -> tuple[config.Retrieve, list[Any], bool]:
    stage = node.stage
    if isinstance(stage, Respond):
        name = format_of(stage.stage, stage.evaluate.format, stage.evaluate.retrieve).retrieve
        assert name is not None
        return ctx.retrieve(name), evaluation_items(ctx, stage), False
    assert isinstance(stage, config.FinetuneStage) and stage.retrieve is not None
    return ctx.retrieve(stage.retrieve), training_items(ctx, stage), True


def search_parts(retrieve: config.Retrieve) -> Parts:
    values = retrieve.model_dump(mode="json", exclude={"name", "location", "task", "kb", "gate"})
    return {f"`{name}` of retrieve {retrieve.name}": _short(value) for name, value in values.items()}


def kb_parts(kb: config.Kb) -> dict[str, Any]:
    """What people wrote of a KB: [text's hash, place] of each rule, [hash, number] of each relation's facts."""
    parts: dict[str, Any] = {}
    rules: list[tuple[str, config.Rule | config.Constraint]] = [("rule", rule) for rule in kb.rules]
    rules += [("forbid", constraint) for constraint in kb.constraints]
    for kind, rule in rules:
        if not rule.active:  # a proposal is no knowledge yet
            continue
        place = f"{rule.location.file}:{rule.location.line}"
        parts[f"{kind} {rule.name}"] = [_short([rule.text, rule.confidence, rule.active]), place]
    for relation in kb.relations:
        parts[f"relation {relation.name}"] = _short(
            relation.model_dump(mode="json", exclude={"location", "say"})
        )
        if relation.say is not None:
            parts[f"say {relation.name}"] = _short(relation.say)
        facts = [[*fact.values, fact.confidence] for fact in kb.facts if fact.relation == relation.name]
        files = [[file.sha256, file.confidence] for file in kb.fact_files if file.relation == relation.name]
        if facts or files:
            parts[f"facts {relation.name}"] = {"rows": [_short(fact) for fact in facts], "files": files}
    return parts


def _short(value: Any) -> str:
    return digest(value)[:SHORT]


def _flat(value: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, item in value.items():
        if isinstance(item, Mapping) and item:
            flat |= _flat(item, f"{prefix}{name}.")
        else:
            flat[f"{prefix}{name}"] = item
    return flat
