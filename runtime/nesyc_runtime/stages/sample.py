"""`sample`: the teacher answers the rows of a split, n times each; which answers are kept."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nesyc_runtime import config
from nesyc_runtime.data.rows import Row
from nesyc_runtime.hashing import canonical_json
from nesyc_runtime.inference.answers import item_correct, parse_answer
from nesyc_runtime.inference.prompts import render_prompt
from nesyc_runtime.stages.context import Context, gold_of, task_inputs
from nesyc_runtime.stages.examples import Counts, Example, write_examples
from nesyc_runtime.stages.likely import LIKELY, write_table
from nesyc_runtime.teachers.ask import Asked, ask_all
from nesyc_runtime.teachers.base import Answer, Dropped, Request
from nesyc_runtime.teachers.likely import Likely
from nesyc_runtime.teachers.store import AnswerStore


def sampled_rows(ctx: Context, stage: config.SampleStage) -> Sequence[Row]:
    """The rows that are asked about: the split's first `limit` ones."""
    return ctx.data.split(stage.data).rows[: stage.limit]


def sample_requests(ctx: Context, stage: config.SampleStage) -> list[Request]:
    """n requests a row, row by row."""
    task = ctx.task(stage.task)
    system = ctx.teachers.declaration(stage.teacher).system
    return [
        Request(
            kind="sample",
            task=task.name,
            prompt=render_prompt(task, task_inputs(task, row.values)),
            inputs=task_inputs(task, row.values),
            row=row.values,
            gold=gold_of(task, row.values),
            index=index,
            temperature=stage.temperature,
            system=system,
        )
        for row in sampled_rows(ctx, stage)
        for index in range(stage.n)
    ]


def run_sample(ctx: Context, stage: config.SampleStage, out: Path) -> Counts:
    """Ask, keep what `keep` says, write examples.jsonl into `out`, and likely.parquet where the teacher gives such."""
    rows = sampled_rows(ctx, stage)
    asked = ask_all(
        ctx.teachers.get(stage.teacher),
        sample_requests(ctx, stage),
        ctx.answers,
        ctx.teachers.budget(stage.teacher),
        generation=ctx.generations.of(stage.id),
        progress=ctx.reporter.advance,
    )
    task = ctx.task(stage.task)
    dropped: Counter[str] = Counter()
    examples = []
    for position, row in enumerate(rows):
        answers = asked.answers[position * stage.n : (position + 1) * stage.n]
        kept, reason = keep_answers(task, row.values, answers, stage.keep)
        if kept:
            examples.append(Example(row.id, row.values, kept))
        else:
            dropped[reason] += 1
    write_examples(out / "examples.jsonl", examples)
    write_likely(out, examples, asked, rows, stage.n, ctx.answers)
    counts = dict(sorted(dropped.items()))
    return Counts(len(rows), len(examples), counts, asked.calls, asked.tokens, asked.usd)


def write_likely(
    out: Path, examples: Sequence[Example], asked: Asked, rows: Sequence[Row], n: int, store: AnswerStore
) -> None:
    """The likeliest tokens of each kept rationale, from the answer that said it first."""
    likely = store.likely(asked.keys)
    if not likely:
        return
    kept = {(example.id, rationale) for example in examples for rationale in example.rationales}
    found: dict[tuple[str, str], Likely] = {}
    for place, (key, answer) in enumerate(zip(asked.keys, asked.answers, strict=True)):
        if key in likely and isinstance(answer, Answer):
            name = (rows[place // n].id, answer.text.strip())
            if name in kept:
                found.setdefault(name, likely[key])
    write_table(out / LIKELY, found)


def keep_answers(
    task: config.Task, row: Any, answers: Sequence[Answer | Dropped], keep: str
) -> tuple[tuple[str, ...], str]:
    """The distinct kept responses of one row, and where there is none, why.

    Reasons: missing, refused, empty, wrong, unparsed, no_majority.
    """
    texts = [answer.text.strip() for answer in answers if isinstance(answer, Answer)]
    if not texts:
        reasons = [answer.reason for answer in answers if isinstance(answer, Dropped)]
        return (), reasons[0] if reasons else "missing"
    match keep:
        case "correct":
            kept, reason = [text for text in texts if item_correct(task, row, text)], "wrong"
        case "majority":
            kept, reason = _majority(task, texts)
        case _:
            kept, reason = texts, ""
    return tuple(dict.fromkeys(kept)), reason


def _majority(task: config.Task, texts: Sequence[str]) -> tuple[list[str], str]:
    """The responses that give the most frequent answer; none where two answers share the first place."""
    parsed = [verdict_text(task, text) for text in texts]
    votes = Counter(answer for answer in parsed if answer is not None)
    if not votes:
        return [], "unparsed"
    (winner, most), *others = votes.most_common()
    if others and others[0][1] == most:
        return [], "no_majority"
    return [text for text, answer in zip(texts, parsed, strict=True) if answer == winner], ""


def verdict_text(task: config.Task, response: str) -> str | None:
    """The answer a response gives, as one comparable text; None where a parsed output is missing."""
    parsers = {parser.output for parser in task.parsers}
    values = {name: value for name, value in parse_answer(task, response).items() if name in parsers}
    return None if not values or any(value is None for value in values.values()) else canonical_json(values)
