"""`induce`: the teacher reads errors and proposes rules; what compiles is measured, what is borne out is proposed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from nesyc_runtime import config
from nesyc_runtime.errors import UserError
from nesyc_runtime.files import read_jsonl, write_jsonl
from nesyc_runtime.inference.prompts import render_prompt
from nesyc_runtime.stages.claims import gold_claims, item_name
from nesyc_runtime.stages.context import Context
from nesyc_runtime.stages.drawn_from import (
    DIGITS,
    Sources,
    prompt_hash,
    sources_now,
    text_hash,
    write_answers,
)
from nesyc_runtime.stages.entries import again
from nesyc_runtime.stages.examples import Counts
from nesyc_runtime.stages.extract import about_error, read_errors
from nesyc_runtime.stages.graph import all_stages
from nesyc_runtime.stages.ports import Evidence, GoldClaim, InducedRule, Rulebook, RuleTrial
from nesyc_runtime.stages.rule_prompt import rule_prompt
from nesyc_runtime.teachers.ask import Asked, ask_all
from nesyc_runtime.teachers.base import Answer, Dropped, Request

RULES, REJECTED, WRITTEN = "rules.jsonl", "rejected.jsonl", "written"
SEEN = 6  # source items that a rule names


def rulebook_of(ctx: Context) -> Rulebook:
    assert ctx.rules is not None, "who runs stages that make rules hands a compiler in"
    return ctx.rules


def check_induce(ctx: Context, stage: config.InduceStage) -> None:
    """Raises `UserError` where rules would be written that nobody could put in force."""
    if not rulebook_of(ctx).included(stage):
        raise UserError(
            f"stage `{stage.id}` writes rules into {stage.into}, which kb `{stage.kb}` does not include",
            f'add `include "{stage.into}"` to the kb',
        )


def induce_requests(ctx: Context, stage: config.InduceStage) -> list[Request]:
    """One request for each error."""
    kb = next(kb for kb in ctx.spec.kbs if kb.name == stage.kb)
    requests = []
    for error in read_errors(ctx, stage.data, stage.limit):
        about = about_error(ctx, stage, error)
        question = render_prompt(ctx.task(stage.task), about.inputs)
        requests.append(
            replace(
                about, prompt=rule_prompt(kb, question, about.response or "", about.rationale, about.gold)
            )
        )
    return requests


@dataclass
class Draft:
    """A rule as `answer` has it, with all items whose answers had the same; `usd` is its share of their cost."""

    trial: RuleTrial
    request: Request
    answer: str
    sources: list[str]
    usd: float


@dataclass
class Drafts:
    """What came of the answers, which stand with their prompt's hash: rules that compile, by what they say; texts that
    do not, with their request.
    """

    good: dict[str, Draft] = field(default_factory=dict)
    bad: list[Draft] = field(default_factory=list)
    rejected: list[dict[str, Any]] = field(default_factory=list)
    answers: list[tuple[str, str]] = field(default_factory=list)


def run_induce(ctx: Context, stage: config.InduceStage, out: Path) -> Counts:
    """Ask about each error, and once more about each rule that does not compile; write rules.jsonl and rejected.jsonl.

    A rule is proposed where at least `min_support` derived facts speak for it, and more than against it.
    """
    requests = induce_requests(ctx, stage)
    sources = _sources(ctx, stage)
    drafts = Drafts()
    first = _ask(ctx, stage, requests, drafts)
    _read(ctx, stage, drafts, requests, first, sources)
    asked, drafts.bad = [first], _once(drafts.bad)
    mended = [_again(draft) for draft in drafts.bad]
    if mended:
        second = _ask(ctx, stage, mended, drafts)
        _read_mended(ctx, stage, drafts, mended, second)
        asked.append(second)
    write_answers(out, drafts.answers)
    kept, weak = _measured(ctx, stage, drafts, sources_now(ctx, stage, out))
    write_jsonl(out / REJECTED, [*drafts.rejected, *weak])
    write_jsonl(out / RULES, kept)
    dropped = Counter(str(one["reason"]) for one in (*drafts.rejected, *weak))
    usd = round(sum(one.usd for one in asked), 9)
    calls, tokens = sum(one.calls for one in asked), sum(one.tokens for one in asked)
    return Counts(len(requests), len(kept), dict(sorted(dropped.items())), calls, tokens, usd)


def _sources(ctx: Context, stage: config.InduceStage) -> list[str]:
    """The errors' items, in the order of the requests."""
    split_of = {row.id: split for split in mined_splits(ctx, stage) for row in ctx.data.split(split).rows}
    errors = read_errors(ctx, stage.data, stage.limit)
    return [item_name(split_of[error.id], error.id) for error in errors]


def mined_splits(ctx: Context, stage: config.InduceStage) -> list[str]:
    """The splits that the errors a stage reads were mined from."""
    stages = all_stages(ctx.spec)
    mined = [one for name in stage.data if isinstance(one := stages[name], config.MineErrorsStage)]
    return list(dict.fromkeys(one.data for one in mined))


def _ask(ctx: Context, stage: config.InduceStage, requests: Sequence[Request], drafts: Drafts) -> Asked:
    asked = ask_all(
        ctx.teachers.get(stage.teacher),
        requests,
        ctx.answers,
        ctx.teachers.budget(stage.teacher),
        generation=ctx.generations.of(stage.id),
        progress=ctx.reporter.advance,
    )
    for request, answer in zip(requests, asked.answers, strict=True):
        if isinstance(answer, Answer):
            drafts.answers.append((prompt_hash(request.prompt, DIGITS), answer.text))
    return asked


def _read(
    ctx: Context,
    stage: config.InduceStage,
    drafts: Drafts,
    requests: Sequence[Request],
    asked: Asked,
    sources: Sequence[str],
) -> None:
    for request, answer, source in zip(requests, asked.answers, sources, strict=True):
        said = [] if isinstance(answer, Dropped) else rulebook_of(ctx).said(answer.text)
        if not said:
            reason = answer.reason if isinstance(answer, Dropped) else "no rule"
            drafts.rejected.append(_rejected(reason, [source], answer))
        for text in said:
            assert isinstance(answer, Answer)
            trial = rulebook_of(ctx).tried(stage.kb, text)
            _keep(drafts, Draft(trial, request, answer.text, [source], answer.usd / len(said)))


def _keep(drafts: Drafts, draft: Draft) -> None:
    if draft.trial.problems:
        drafts.bad.append(draft)
        return
    known = drafts.good.setdefault(draft.trial.meaning, draft)
    if known is not draft:
        known.sources += draft.sources
        known.usd += draft.usd


def _once(bad: Sequence[Draft]) -> list[Draft]:
    """Each text once: one that many items led to is mended for all of them."""
    found: dict[str, Draft] = {}
    for draft in bad:
        known = found.setdefault(draft.trial.text, draft)
        if known is not draft:
            known.sources += draft.sources
            known.usd += draft.usd
    return list(found.values())


def _again(draft: Draft) -> Request:
    problem = draft.trial.problems
    return replace(
        draft.request, prompt=again(draft.request.prompt, draft.trial.text, problem), problem=problem
    )


def _read_mended(
    ctx: Context, stage: config.InduceStage, drafts: Drafts, requests: Sequence[Request], asked: Asked
) -> None:
    """What compiles now takes its place among the good ones; of the rest nothing is asked again."""
    for draft, request, answer in zip(drafts.bad, requests, asked.answers, strict=True):
        said = [] if isinstance(answer, Dropped) else rulebook_of(ctx).said(answer.text)
        usd = draft.usd + (0.0 if isinstance(answer, Dropped) else answer.usd)
        trials = [rulebook_of(ctx).tried(stage.kb, text) for text in said]
        good = [trial for trial in trials if not trial.problems]
        for trial in good:
            assert isinstance(answer, Answer)
            _keep(drafts, Draft(trial, request, answer.text, list(draft.sources), usd / len(good)))
        if not good:
            last = trials[0] if trials else draft.trial
            drafts.rejected.append(
                {
                    "reason": "does not compile",
                    "sources": draft.sources,
                    "first": draft.trial.text,
                    "text": last.text,
                    "problem": last.problems,
                }
            )


def _rejected(reason: str, sources: Sequence[str], answer: Answer | Dropped) -> dict[str, Any]:
    text = "" if isinstance(answer, Dropped) else answer.text
    return {"reason": reason, "sources": list(sources), "text": text, "problem": ""}


def _measured(
    ctx: Context, stage: config.InduceStage, drafts: Drafts, now: Sources
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The rules to propose, and those whose evidence is too weak."""
    claims = list(_claims(ctx, stage))
    kept: list[dict[str, Any]] = []
    weak: list[dict[str, Any]] = []
    for draft in drafts.good.values():
        evidence = ctx.knowledge.measure(draft.trial, claims)
        if evidence.against and evidence.against >= evidence.support:
            reason = "refuted"
        elif evidence.support < stage.min_support:
            reason = "little support"
        else:
            kept.append(_proposal(ctx, stage, draft, evidence, now))
            continue
        problem = f"{evidence.support} for it, {evidence.against} against, of {evidence.tried}"
        weak.append(
            {"reason": reason, "sources": draft.sources, "text": draft.trial.text, "problem": problem,
             "evidence": list(evidence.lines)}
        )  # fmt: skip
    return kept, weak


def _claims(ctx: Context, stage: config.InduceStage) -> Iterator[GoldClaim]:
    for split in mined_splits(ctx, stage):
        yield from gold_claims(ctx.task(stage.task), ctx.data.split(split).rows, split, stage.kb)


def _proposal(
    ctx: Context, stage: config.InduceStage, draft: Draft, evidence: Evidence, now: Sources
) -> dict[str, Any]:
    prompt = prompt_hash(draft.request.prompt, DIGITS)
    learned: dict[str, Any] = {
        "run": ctx.run,
        "prompt": prompt,
        "answer": text_hash(draft.answer),
        "support": evidence.support,
        "against": evidence.against,
        "tried": evidence.tried,
    }
    if evidence.lift is not None:
        learned |= {"lift": evidence.lift, "data": " + ".join(mined_splits(ctx, stage))}
    if draft.usd:
        learned["usd"] = round(draft.usd, 6)
    learned["seen"] = list(dict.fromkeys((*draft.sources, *evidence.seen)))[:SEEN]
    learned["as_of"] = [now.items.get(name, "") for name in learned["seen"]]
    teacher = ctx.teachers.declaration(stage.teacher).name
    confidence = None
    if draft.trial.kb["semantics"]["kind"] != "boolean":
        confidence = confidence_of(evidence.support, evidence.against)
    return {
        "text": draft.trial.text,
        "teacher": teacher,
        "learned": learned,
        "lines": list(evidence.lines),
        "confidence": confidence,
    }


def confidence_of(support: int, against: int) -> float:
    """How far a rule can be trusted by what was counted: Laplace's rule of succession, in hundredths.

    What a teacher says of its own rule counts for nothing.
    """
    return round((support + 1) / (support + against + 2), 2)


def read_rules(file: Path) -> list[InducedRule]:
    """The rules of a finished stage."""
    return [
        InducedRule(
            value["text"], value["teacher"], value["learned"], tuple(value["lines"]), value["confidence"]
        )
        for value in read_jsonl(file)
    ]


def write_rules(ctx: Context, stage: config.InduceStage, folder: Path) -> Mapping[str, int]:
    """Let the stage's proposals stand in its file, once: what a person takes out of the text stays out.

    Accepted rules whose sources changed are marked there.
    """
    mark = folder / WRITTEN
    counts: dict[str, int] = {}
    if not mark.exists():
        counts = dict(rulebook_of(ctx).write(stage, read_rules(folder / RULES)))
        mark.touch()
    stale = rulebook_of(ctx).mark_stale(stage, sources_now(ctx, stage, folder))
    return {**counts, "stale": len(stale)} if stale else counts
