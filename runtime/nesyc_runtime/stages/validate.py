"""`validate`: what a student answers with and without each entry or rule, on a split that nothing was learnt from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from math import comb
from pathlib import Path
from typing import Any

from nesyc_runtime import config
from nesyc_runtime.errors import UserError
from nesyc_runtime.files import read_jsonl, write_jsonl
from nesyc_runtime.hashing import canonical_json, digest
from nesyc_runtime.inference.answers import item_correct
from nesyc_runtime.inference.prompts import READ_KNOWLEDGE
from nesyc_runtime.stages.context import Context, item_of
from nesyc_runtime.stages.drawn_from import sources_now
from nesyc_runtime.stages.examples import Counts
from nesyc_runtime.stages.extract import read_entries
from nesyc_runtime.stages.finetune import weights_of
from nesyc_runtime.stages.graph import all_stages, written_kbs
from nesyc_runtime.stages.induce import RULES, WRITTEN, read_rules, rulebook_of
from nesyc_runtime.stages.items import ItemLog
from nesyc_runtime.stages.ports import Entry, Found, Item, Place, Verdict
from nesyc_runtime.stages.prompts import Format, format_of
from nesyc_runtime.stages.respond import Asking, respond_with
from nesyc_runtime.stages.shelf import Done

VERDICTS = "verdicts.jsonl"


@dataclass(frozen=True, slots=True)
class Pair:
    """An item with what is retrieved for it with `subject` in the KB, and without."""

    subject: str
    item: Item
    present: Found
    absent: Found


def retrieve_of(ctx: Context, stage: config.ValidateStage) -> config.Retrieve:
    """By which `retrieve` the student reads what is validated: its own, else the first of the task over the KB.

    Raises `UserError` where nothing reads the KB: then nothing in it can help or harm.
    """
    stages = all_stages(ctx.spec)
    kbs = written_kbs(stage, stages)
    trained = stages.get(stage.model)
    own = trained.retrieve if isinstance(trained, config.FinetuneStage) else None
    known = [one for one in ctx.spec.retrieves if one.kb in kbs and one.task == stage.task]
    chosen = next((one for one in known if one.name == own), known[0] if known else None)
    if chosen is None:
        raise UserError(
            f"stage `{stage.id}`: no `retrieve` for {stage.task} reads kb {', '.join(sorted(kbs))}",
            "declare one: what no prompt shows can neither help nor harm",
        )
    return chosen


def format_for(ctx: Context, stage: config.ValidateStage) -> Format:
    """The task with knowledge that the model was trained on, else the main prompt with the knowledge in its place."""
    trained = all_stages(ctx.spec).get(stage.model)
    if not isinstance(trained, config.FinetuneStage):
        return format_of(None, None, retrieve_of(ctx, stage).name)
    variant = next((task for task in trained.tasks if task in READ_KNOWLEDGE), None)
    return format_of(trained, variant, retrieve_of(ctx, stage).name)


def student_name(ctx: Context, model: str) -> str:
    """The declared student behind a model."""
    trained = all_stages(ctx.spec).get(model)
    return trained.student if isinstance(trained, config.FinetuneStage) else model


def run_validate(ctx: Context, stage: config.ValidateStage, out: Path) -> Counts:
    """Write verdicts.jsonl: for each entry or rule that some item retrieves, how answers differ because of it."""
    for extract in _parts(ctx, stage, config.ExtractStage):
        _write(ctx, extract, read_entries(ctx.folder(extract.id) / "entries.jsonl"))
    pairs = [*_entry_pairs(ctx, stage), *_rule_pairs(ctx, stage)]
    right = _answers(ctx, stage, pairs, out)
    verdicts: dict[str, list[tuple[bool, bool]]] = {}
    for pair in pairs:
        present, absent = (right[_asked(pair.item, found).id] for found in (pair.present, pair.absent))
        verdicts.setdefault(pair.subject, []).append((present, absent))
    judged = [verdict_of(subject, stage.data, found) for subject, found in sorted(verdicts.items())]
    write_jsonl(out / VERDICTS, (asdict(one) for one in judged))
    harmful = sum(one.harmful for one in judged)
    total = _subjects(ctx, stage)
    dropped = {"harmful": harmful} if stage.drop and harmful else {}
    if total - len(judged):
        ctx.reporter.note(f"{stage.id}: no item of {stage.data} retrieves {total - len(judged)} of {total}")
    return Counts(total, total - sum(dropped.values()), dropped)


def verdict_of(subject: str, data: str, found: Sequence[tuple[bool, bool]]) -> Verdict:
    """From (right with it, right without it) of every item that retrieves it."""
    helped = sum(present and not absent for present, absent in found)
    harmed = sum(absent and not present for present, absent in found)
    lift = round((helped - harmed) / len(found), 4)
    return Verdict(subject, data, len(found), helped, harmed, lift, sign_test(helped, harmed))


def sign_test(helped: int, harmed: int) -> float:
    """The exact two-sided p of as unequal a split by chance (McNemar 1947), 1 where nothing differs."""
    n, least = helped + harmed, min(helped, harmed)
    tail: float = sum(comb(n, k) for k in range(least + 1)) / 2**n
    return round(min(1.0, 2 * tail), 4)


def _parts(ctx: Context, stage: config.ValidateStage, kind: type[Any]) -> list[Any]:
    stages = all_stages(ctx.spec)
    return [stages[name] for name in stage.of if isinstance(stages[name], kind)]


def _subjects(ctx: Context, stage: config.ValidateStage) -> int:
    return sum(int(ctx.done[name].info["counts"]["kept"]) for name in stage.of)


def entry_subject(values: Mapping[str, Any]) -> str:
    """An entry by what it says: its number is not the stage's to choose."""
    return digest(canonical_json(dict(values)))


def _entry_pairs(ctx: Context, stage: config.ValidateStage) -> Iterator[Pair]:
    """Each item with each of the stage's entries among its hits: without it, the next ones move up."""
    extracts = _parts(ctx, stage, config.ExtractStage)
    if not extracts:
        return
    places: dict[Place, str] = {}
    for extract in extracts:
        places |= {place: entry_subject(values) for place, values in ctx.knowledge.written(extract).items()}
    retrieve, items = retrieve_of(ctx, stage), _items(ctx, stage)
    shown = ctx.knowledge.retrieve(retrieve, items, training=False)
    found = [
        (item, present, place)
        for item, present in zip(items, shown, strict=True)
        for hit in present.hits
        if (place := (str(hit["relation"]), tuple(hit["key"]))) in places
    ]
    asked, hidden = [item for item, _, _ in found], [frozenset([place]) for _, _, place in found]
    without = ctx.knowledge.retrieve_without(retrieve, asked, hidden)
    for (item, present, place), absent in zip(found, without, strict=True):
        yield Pair(places[place], item, present, absent)


def _rule_pairs(ctx: Context, stage: config.ValidateStage) -> Iterator[Pair]:
    """Each item for which something else is retrieved with a rule in force."""
    retrieve, items = retrieve_of(ctx, stage), _items(ctx, stage)
    for induce in _parts(ctx, stage, config.InduceStage):
        absent = ctx.knowledge.retrieve(retrieve, items, training=False)
        for rule in read_rules(ctx.folder(induce.id) / RULES):
            trial = rulebook_of(ctx).tried(induce.kb, rule.text)
            if trial.problems:  # the source changed since
                continue
            present = ctx.knowledge.retrieve_with(trial, retrieve, items)
            for item, one, other in zip(items, present, absent, strict=True):
                if one.text != other.text:
                    yield Pair(rule.text, item, one, other)


def _items(ctx: Context, stage: config.ValidateStage) -> list[Item]:
    task = ctx.task(stage.task)
    return [item_of(task, row) for row in ctx.data.split(stage.data).rows]


def _asked(item: Item, found: Found) -> Item:
    """The item under a name of its own for what is retrieved: each prompt is answered once."""
    return replace(item, id=f"{item.id}/{digest(found.text)[:16]}")


def _answers(ctx: Context, stage: config.ValidateStage, pairs: Sequence[Pair], out: Path) -> dict[str, bool]:
    """Whether the student is right, by the name of each item with what is retrieved for it."""
    student, weights = weights_of(ctx, stage.model)
    task = ctx.task(stage.task)
    limit = ctx.student(student).max_new_tokens
    asking = Asking(student, weights, task, format_for(ctx, stage), limit)
    asked = {
        item.id: (item, found)
        for pair in pairs
        for found in (pair.present, pair.absent)
        for item in (_asked(pair.item, found),)
    }
    items, found = [item for item, _ in asked.values()], [found for _, found in asked.values()]
    with ItemLog(out / "log.jsonl") as log:
        responses = respond_with(ctx, asking, items, found, log, "")
    return {
        item.id: item_correct(task, item.row, str(response["response"]))
        for item, response in zip(items, responses, strict=True)
    }


def read_verdicts(file: Path) -> list[Verdict]:
    return [Verdict(**value) for value in read_jsonl(file)]


def put_entries(ctx: Context, stage: config.ExtractStage, done: Done) -> None:
    """Let a stage's entries stand in the KB with what was last found of them; harmful ones dropped or marked.

    So writing them again after a validation changes nothing.
    """
    entries = read_entries(done.folder / "entries.jsonl")
    for validate in all_stages(ctx.spec).values():
        if isinstance(validate, config.ValidateStage) and stage.id in validate.of:
            entries = _judged(ctx, validate, stage, entries)
    _write(ctx, stage, entries)


def _write(ctx: Context, stage: config.ExtractStage, entries: Sequence[Entry]) -> None:
    ctx.knowledge.write(stage, str(ctx.done[stage.id].info["run"]), entries)


def mark_entries(ctx: Context, stage: config.ExtractStage, done: Done) -> int:
    """Mark what people accepted of a stage's entries where its sources changed since; gives how many are new among these."""
    return ctx.knowledge.mark_stale(stage, str(done.info["run"]), sources_now(ctx, stage, done.folder))


def _judged(
    ctx: Context, validate: config.ValidateStage, stage: config.ExtractStage, entries: Sequence[Entry]
) -> list[Entry]:
    done = ctx.done.get(validate.id) or _last(ctx, validate, stage)
    if done is None:
        return list(entries)
    verdicts = {one.subject: one for one in read_verdicts(done.folder / VERDICTS)}
    judged = [replace(entry, verdict=verdicts.get(entry_subject(entry.values))) for entry in entries]
    return [one for one in judged if not (validate.drop and one.verdict is not None and one.verdict.harmful)]


def _last(ctx: Context, validate: config.ValidateStage, stage: config.ExtractStage) -> Done | None:
    """The last validation of just these entries."""
    last = ctx.shelf.last(validate.id)
    if last is None or ctx.keys.get(stage.id) not in last["inputs"].get("of", ()):
        return None
    return ctx.shelf.find(str(last["key"]))


def put_verdicts(ctx: Context, stage: config.ValidateStage, done: Done, *, source: bool) -> None:
    """Let the verdicts stand where people see them: in the KB and, with `source`, beside the rules."""
    for extract in _parts(ctx, stage, config.ExtractStage):
        put_entries(ctx, extract, ctx.done[extract.id])
    mark = done.folder / WRITTEN
    induces = _parts(ctx, stage, config.InduceStage)
    if not source or not induces or mark.exists():
        return
    verdicts = read_verdicts(done.folder / VERDICTS)
    for induce in induces:
        rulebook_of(ctx).judge(induce, verdicts, by=stage.id, drop=stage.drop)
    mark.touch()
