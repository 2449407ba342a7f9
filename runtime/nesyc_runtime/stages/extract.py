"""`extract`: the teacher reads each error and writes entries for the KB."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from nesyc_runtime import config
from nesyc_runtime.data.rows import BadValue
from nesyc_runtime.files import read_jsonl, write_jsonl
from nesyc_runtime.inference.prompts import render_prompt
from nesyc_runtime.stages.context import Context, gold_of, task_inputs
from nesyc_runtime.stages.drawn_from import Sources, prompt_hash, sources_now, text_hash, write_answers
from nesyc_runtime.stages.duplicates import alike
from nesyc_runtime.stages.entries import (
    NoEntries,
    again,
    asked_columns,
    entries_in,
    entries_schema,
    extract_prompt,
    text_columns,
)
from nesyc_runtime.stages.examples import Counts, Example, union
from nesyc_runtime.stages.finetune import united_examples
from nesyc_runtime.stages.ports import Entry
from nesyc_runtime.teachers.ask import Asked, ask_all
from nesyc_runtime.teachers.base import Dropped, Request


def extract_requests(ctx: Context, stage: config.ExtractStage) -> list[Request]:
    """One request for each error."""
    return [_request(ctx, stage, error) for error in read_errors(ctx, stage.data, stage.limit)]


def read_errors(ctx: Context, data: Sequence[str], limit: int | None) -> list[Example]:
    """The first errors that finished stages gave, each item once."""
    return _wrong(united_examples(ctx, data), limit)


def errors_of(
    ctx: Context, data: Sequence[str], limit: int | None
) -> tuple[list[Example], dict[str, tuple[str, ...]]]:
    """The first errors, as `read_errors`; and by item where it was found wrong, `STAGE/ITEM` for each stage."""
    each = {name: united_examples(ctx, (name,)) for name in data}
    found: dict[str, tuple[str, ...]] = {}
    for name, examples in each.items():
        for one in examples:
            if one.wrong is not None:
                found[one.id] = (*found.get(one.id, ()), f"{name}/{one.id}")
    return _wrong(union(each.values()), limit), found


def _wrong(examples: Sequence[Example], limit: int | None) -> list[Example]:
    return [example for example in examples if example.wrong is not None][:limit]


def _request(ctx: Context, stage: config.ExtractStage, error: Example) -> Request:
    columns, enums = asked_columns(relation_of(ctx, stage.into)), constants_of(ctx)
    about = about_error(ctx, stage, error)
    question = render_prompt(ctx.task(stage.task), about.inputs)
    wrong, rationale, gold = about.response or "", about.rationale, about.gold
    return replace(
        about,
        prompt=extract_prompt(question, wrong, columns, rationale, gold, enums),
        fields=tuple(column.name for column in columns),
        schema=entries_schema(columns, enums),
    )


def about_error(ctx: Context, stage: config.ExtractStage | config.InduceStage, error: Example) -> Request:
    """A request about an error without its words: the right answer is in it only where the stage may show it."""
    task = ctx.task(stage.task)
    answers = set() if stage.show_gold else set(task.target.values())
    return Request(
        kind=stage.kind,
        task=task.name,
        prompt="",
        inputs=task_inputs(task, error.row),
        row={name: value for name, value in error.row.items() if name not in answers},
        response=error.wrong,
        gold=gold_of(task, error.row) if stage.show_gold else None,
        # a kept rationale states the right answer
        rationale=error.rationales[0] if stage.show_gold and error.rationales else None,
        system=ctx.teachers.declaration(stage.teacher).system,
    )


def constants_of(ctx: Context) -> dict[str, tuple[str, ...]]:
    return {enum.name: enum.constants for enum in ctx.spec.enums}


def relation_of(ctx: Context, into: str) -> config.Relation:
    kb, _, name = into.partition(".")
    declared = next(kb_ for kb_ in ctx.spec.kbs if kb_.name == kb)
    return next(relation for relation in declared.relations if relation.name == name)


@dataclass
class Read:
    """What was read of an answer: the `values` of each entry, or why there are none. `usd` counts both times it was asked."""

    error: Example
    sources: tuple[str, ...]
    request: Request
    usd: float = 0.0
    answer: str = ""
    values: Sequence[dict[str, Any]] = ()
    reason: str = ""
    problem: str = ""


def run_extract(ctx: Context, stage: config.ExtractStage, out: Path) -> Counts:
    """Ask about each error, and once more where the answer cannot be used; write entries.jsonl and rejected.jsonl.

    Entries that say the same, or almost, are one with the sources of all.
    """
    errors, sources = errors_of(ctx, stage.data, stage.limit)
    read = [Read(error, sources[error.id], _request(ctx, stage, error)) for error in errors]
    asked = [_ask(ctx, stage, read)]
    malformed = [one for one in read if one.reason == "malformed"]
    for one in malformed:
        prompt = again(one.request.prompt, one.answer, one.problem)
        one.request = replace(one.request, prompt=prompt, problem=one.problem)
    if malformed:
        asked.append(_ask(ctx, stage, malformed))
    write_jsonl(out / "rejected.jsonl", (_rejected(one) for one in read if not one.values))
    write_answers(out, ((prompt_hash(one.request.prompt), one.answer) for one in read if one.answer))
    entries, dropped = _merged(ctx, stage, read, sources_now(ctx, stage, out))
    write_jsonl(out / "entries.jsonl", entries)
    counts = dict(sorted((dropped + Counter(one.reason for one in read if not one.values)).items()))
    usd = round(sum(one.usd for one in asked), 9)
    calls, tokens = sum(one.calls for one in asked), sum(one.tokens for one in asked)
    return Counts(len(errors), len(entries), counts, calls, tokens, usd)


def _ask(ctx: Context, stage: config.ExtractStage, read: Sequence[Read]) -> Asked:
    """Ask and read: `values` where the answer has entries, else `reason` and `problem`."""
    asked = ask_all(
        ctx.teachers.get(stage.teacher),
        [one.request for one in read],
        ctx.answers,
        ctx.teachers.budget(stage.teacher),
        generation=ctx.generations.of(stage.id),
        progress=ctx.reporter.advance,
    )
    enums, columns = constants_of(ctx), asked_columns(relation_of(ctx, stage.into))
    for one, answer in zip(read, asked.answers, strict=True):
        if isinstance(answer, Dropped):
            one.reason = one.reason or answer.reason
            continue
        one.usd += answer.usd
        one.answer, one.reason = answer.text, ""
        try:
            one.values = entries_in(answer.text, columns, enums)
        except NoEntries as error:
            one.reason, one.problem = "no entries", str(error)
        except BadValue as error:
            one.reason, one.problem = "malformed", str(error)
    return asked


def _rejected(one: Read) -> dict[str, Any]:
    return {"source": one.sources[0], "reason": one.reason, "problem": one.problem, "answer": one.answer}


def _merged(
    ctx: Context, stage: config.ExtractStage, read: Sequence[Read], now: Sources
) -> tuple[list[dict[str, Any]], Counter[str]]:
    """The entries as they are written, each once, and how many were like another."""
    kept = [(one, values) for one in read for values in one.values]
    columns = asked_columns(relation_of(ctx, stage.into))
    teacher = ctx.teachers.declaration(stage.teacher).name
    dropped: Counter[str] = Counter()
    entries: dict[int, dict[str, Any]] = {}
    firsts = alike([values for _, values in kept], text_columns(columns))
    for place, ((one, values), first) in enumerate(zip(kept, firsts, strict=True)):
        if first != place:
            dropped["duplicate" if values == kept[first][1] else "near duplicate"] += 1
        entry = entries.setdefault(
            first,
            {
                "values": values,
                "sources": [],
                "inputs": [],
                "teacher": teacher,
                "prompt": prompt_hash(one.request.prompt),
                "usd": 0.0,
                "seen": {prompt_hash(one.request.prompt): text_hash(one.answer)},
            },
        )
        entry["usd"] += one.usd / len(one.values)
        if one.sources[0] in entry["sources"]:
            continue
        entry["sources"] += one.sources
        entry["inputs"].append(dict(one.request.inputs))
        entry["seen"] |= {name: now.items[name] for name in one.sources if name in now.items}
    return [{**entry, "usd": round(entry["usd"], 9)} for entry in entries.values()], dropped


def read_entries(file: Path) -> list[Entry]:
    return [
        Entry(
            value["values"],
            tuple(value["sources"]),
            tuple(value["inputs"]),
            value["teacher"],
            value["prompt"],
            value.get("usd", 0.0),
            seen=value.get("seen", {}),
        )
        for value in read_jsonl(file)
    ]
