"""`extract`: the teacher reads each error and writes an entry for the KB."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from nesyc_runtime import config
from nesyc_runtime.data.rows import BadValue
from nesyc_runtime.files import read_jsonl, write_jsonl
from nesyc_runtime.hashing import canonical_json, digest
from nesyc_runtime.inference.prompts import render_prompt
from nesyc_runtime.stages.context import Context, gold_of, task_inputs
from nesyc_runtime.stages.entries import asked_columns, extract_prompt, read_entry
from nesyc_runtime.stages.examples import Counts, Example, read_examples
from nesyc_runtime.stages.ports import Entry
from nesyc_runtime.teachers.ask import ask_all
from nesyc_runtime.teachers.base import Dropped, Request


def extract_requests(ctx: Context, stage: config.ExtractStage) -> list[Request]:
    """One request for each error."""
    return [_request(ctx, stage, error) for error in _errors(ctx, stage)]


def _errors(ctx: Context, stage: config.ExtractStage) -> list[Example]:
    examples = read_examples(ctx.folder(stage.data) / "examples.jsonl")
    return [example for example in examples if example.wrong is not None][: stage.limit]


def _request(ctx: Context, stage: config.ExtractStage, error: Example) -> Request:
    task, columns = ctx.task(stage.task), asked_columns(relation_of(ctx, stage.into))
    inputs = task_inputs(task, error.row)
    gold = gold_of(task, error.row) if stage.show_gold else None
    answers = set() if stage.show_gold else set(task.target.values())
    # a kept rationale states the right answer, so it is shown only where the answer may be
    rationale = error.rationales[0] if stage.show_gold and error.rationales else None
    question = render_prompt(task, inputs)
    return Request(
        kind="extract",
        task=task.name,
        prompt=extract_prompt(question, error.wrong or "", columns, rationale, gold),
        inputs=inputs,
        row={name: value for name, value in error.row.items() if name not in answers},
        response=error.wrong,
        gold=gold,
        rationale=rationale,
        fields=tuple(column.name for column in columns),
        system=ctx.teachers.declaration(stage.teacher).system,
    )


def relation_of(ctx: Context, into: str) -> config.Relation:
    kb, _, name = into.partition(".")
    declared = next(kb_ for kb_ in ctx.spec.kbs if kb_.name == kb)
    return next(relation for relation in declared.relations if relation.name == name)


def run_extract(ctx: Context, stage: config.ExtractStage, out: Path) -> Counts:
    """Ask about each error, write entries.jsonl: equal entries once, with the sources of all."""
    errors = _errors(ctx, stage)
    requests = extract_requests(ctx, stage)
    asked = ask_all(
        ctx.teachers.get(stage.teacher),
        requests,
        ctx.answers,
        ctx.teachers.budget(stage.teacher),
        generation=ctx.generations.of(stage.id),
        progress=ctx.reporter.advance,
    )
    teacher = ctx.teachers.declaration(stage.teacher).name
    enums = {enum.name: enum.constants for enum in ctx.spec.enums}
    columns = asked_columns(relation_of(ctx, stage.into))
    dropped: Counter[str] = Counter()
    entries: dict[str, dict[str, Any]] = {}
    for error, request, answer in zip(errors, requests, asked.answers, strict=True):
        if isinstance(answer, Dropped):
            dropped[answer.reason] += 1
            continue
        try:
            values = read_entry(answer.text, columns, enums)
        except BadValue:
            dropped["malformed"] += 1
            continue
        key = canonical_json(values)
        if key in entries:
            dropped["duplicate"] += 1
        entry = entries.setdefault(
            key,
            {
                "values": values,
                "sources": [],
                "inputs": [],
                "teacher": teacher,
                "prompt": f"sha256:{digest(request.prompt)}",
            },
        )
        entry["sources"].append(f"{stage.data}/{error.id}")
        entry["inputs"].append(dict(request.inputs))
    write_jsonl(out / "entries.jsonl", entries.values())
    counts = dict(sorted(dropped.items()))
    return Counts(len(errors), len(entries), counts, asked.calls, asked.tokens, asked.usd)


def read_entries(file: Path) -> list[Entry]:
    return [
        Entry(
            value["values"],
            tuple(value["sources"]),
            tuple(value["inputs"]),
            value["teacher"],
            value["prompt"],
        )
        for value in read_jsonl(file)
    ]
