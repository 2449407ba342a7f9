"""Proposed rules written into a fragment, beside what people wrote and decided there."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from nesyc.checks.accepted_rules import own_span
from nesyc.checks.annotations import find_annotation, status_of, was_accepted
from nesyc.diagnostics.shown import shown
from nesyc.format.format import format_text
from nesyc.fragments.annotate import Edit, edited, with_arguments, with_status, written
from nesyc.fragments.rules import meaning, own_text, rules_in
from nesyc.syntax import nodes as ast

EVIDENCE = "# new evidence"
# evidence as `induce` writes it (stages/rule_evidence.py), and no other comment that begins so
MEASURED = re.compile(
    r"# (against: )?(and \d+ more (of these|against it)|derives \w+\(.*\)"
    r"(, as .* says|; .* says \w+\(.*\)|, which (holds without it|contradicts .*|nothing speaks for or against)))$"
)
SOURCES = ("seen", "as_of", "answer")  # where a rule is from; what became of that is `stale`
Outcome = Literal["added", "updated", "noted", "there", "rejected"]


@dataclass(frozen=True, slots=True)
class Proposal:
    """A rule of a teacher's: `text` its source, `by` the teacher, `learned` further arguments of `@learned`.

    `confidence` takes the place of what the text says (None: nothing is written); `comments` are the evidence in words.
    """

    text: str
    by: str
    learned: Mapping[str, object]
    comments: tuple[str, ...] = ()
    confidence: float | None = None


@dataclass(frozen=True, slots=True)
class Merged:
    """The text of the fragment, and for each proposal the name it has there and what became of it.

    `there`: it stands already, with this evidence; `noted`: a person accepted it, and other evidence stands above it
    as a comment; `rejected`: a person took it back, and it stays so.
    """

    text: str
    outcomes: tuple[tuple[str, Outcome], ...] = field(default=())


def merge_proposals(
    path: str, text: str | None, kb: str, proposals: Sequence[Proposal], elsewhere: Collection[str] = ()
) -> Merged:
    """Write the proposals into the text of a fragment (None: a new one). `path` is its name in diagnostics,
    `elsewhere` are the names of the KB's rules in other files.

    A rule that says the same is found whatever its name and its variables are called. One that nobody has decided on
    gets the evidence of now; one that a person wrote, accepted or rejected stays as it is. A new rule whose name is
    taken gets another. Merging the same again changes nothing.
    """
    whole = text if text is not None and text.strip() else f"nesy 1\nfragment of {kb}\n"
    known = rules_in(path, whole, kb)
    by_meaning = {meaning(rule): rule for rule in reversed(known.values())}
    taken = {*known, *elsewhere}
    edits: list[Edit] = []
    added: list[str] = []
    outcomes: list[tuple[str, Outcome]] = []
    for proposal in proposals:
        own = _only_rule(proposal.text, kb)
        there = by_meaning.get(meaning(own))
        if there is not None:
            outcome, edit = _again(whole, there, proposal)
            edits += edit
            outcomes.append((there.name.text, outcome))
            continue
        name = _free(own.name.text, taken)
        taken.add(name)
        added.append(_block(path, kb, proposal, name))
        outcomes.append((name, "added"))
    new = edited(whole, edits)
    if added:
        end = "\r\n" if "\r\n" in whole else "\n"
        new = new.rstrip() + end + "".join(end + block.replace("\n", end) for block in added)
    _assert_others_stand(path, kb, whole, new, known)
    return Merged(new, tuple(outcomes))


def _only_rule(text: str, kb: str) -> ast.Rule:
    rules = rules_in("<proposal>", f"nesy 1\nfragment of {kb}\n{text}", kb)
    assert len(rules) == 1, "a proposal is one rule that compiles"
    return next(iter(rules.values()))


def _again(text: str, rule: ast.Rule, proposal: Proposal) -> tuple[Outcome, list[Edit]]:
    learned, status = find_annotation(rule.annotations, "learned"), status_of(rule.annotations)
    if status == "rejected":
        return "rejected", []
    if learned is None:
        return "there", []
    if was_accepted(rule.annotations):
        measured = {name: value for name, value in proposal.learned.items() if name not in SOURCES}
        return _noted(text, rule, proposal) if with_arguments(text, learned, measured) else ("there", [])
    edits = [*with_arguments(text, learned, proposal.learned), *_evidence(text, rule, proposal.comments)]
    return ("updated" if edits else "there"), edits


def _evidence(text: str, rule: ast.Rule, comments: Sequence[str]) -> list[Edit]:
    """The comments that say what was measured, as they are now; those that a person wrote between stay.

    They stand between the annotations and the rule: where these share a line, there is no place for any.
    """
    beside = text[own_span(rule).start :].partition("\n")[0].strip()
    if beside and not beside.startswith("#"):
        return []
    new = "".join(f"# {shown(' '.join(line.split()))}\n" for line in comments)
    start = text.find("\n", own_span(rule).start) + 1
    lines = text[start : rule.span.end].splitlines(keepends=True)
    spans: list[tuple[int, int]] = []
    for line in lines:
        if line.strip() and not line.lstrip().startswith("#"):
            break
        if MEASURED.match(line.strip()):
            spans.append((start, start + len(line)))
        start += len(line)
    if "".join(text[a:b].strip() + "\n" for a, b in spans) == new or not new:
        return []
    first = spans[0][0] if spans else start
    return [(first, first, new), *((a, b, "") for a, b in spans)]


def _noted(text: str, rule: ast.Rule, proposal: Proposal) -> tuple[Outcome, list[Edit]]:
    names = ("run", "support", "against", "tried", "lift")
    told = ", ".join(
        f"{name} = {written(proposal.learned[name])}" for name in names if name in proposal.learned
    )
    edits = _comment(text, rule, told)
    return ("noted" if edits else "there"), edits


def _comment(text: str, rule: ast.Rule, told: str) -> list[Edit]:
    """A comment above an accepted rule says what was measured since; it takes the place of an earlier one."""
    line = f"{EVIDENCE}: {shown(told)}\n"
    start = text.rfind("\n", 0, rule.span.start) + 1
    before = text.rfind("\n", 0, max(start - 1, 0)) + 1
    if not text[before:start].startswith(EVIDENCE):
        return [(start, start, line)]
    return [] if text[before:start].strip() == line.strip() else [(before, start, line)]


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a validation found of a rule: `text` is its source, `learned` what goes into `@learned`, `told` in words."""

    text: str
    learned: Mapping[str, object]
    told: str
    harmful: bool


def judged(path: str, text: str, kb: str, judgements: Sequence[Judgement], by: str, *, drop: bool) -> str:
    """The text with each judgement beside its rule. A harmful proposal is rejected, or with `drop` False marked stale.

    A rule that a person decided on stays: above an accepted one stands what was found, as a comment.
    """
    by_meaning = {meaning(rule): rule for rule in reversed(rules_in(path, text, kb).values())}
    edits: list[Edit] = []
    for one in judgements:
        rule = by_meaning.get(meaning(_only_rule(one.text, kb)))
        learned = find_annotation(rule.annotations, "learned") if rule is not None else None
        if rule is None or learned is None:
            continue
        status = status_of(rule.annotations)
        if was_accepted(rule.annotations):
            edits += _comment(text, rule, one.told)
        elif status in ("proposed", "stale", None):
            edits += with_arguments(text, learned, one.learned)
            word = ("rejected" if drop else "stale") if one.harmful else "proposed"
            if word != status:
                about = {"by": f"stage {by}", "note": one.told} if one.harmful else {}
                edits.append(with_status(text, rule, word, about))
    return edited(text, edits)


def _free(name: str, taken: set[str]) -> str:
    number, free = 1, name
    while free in taken:
        number += 1
        free = f"{name}_{number}"
    return free


def _block(path: str, kb: str, proposal: Proposal, name: str) -> str:
    """The proposal in the one style, with its annotations and comments."""
    head = f"nesy 1\nfragment of {kb}\n"
    source = head + proposal.text
    rule = _only_rule(proposal.text, kb)
    sure = "" if proposal.confidence is None else f" {proposal.confidence:g}"
    own = f"rule {name}{sure}: {source[rule.head.span.start : rule.span.end]}"
    arguments = ", ".join(f"{key} = {written(value)}" for key, value in proposal.learned.items())
    comments = "".join(f"# {shown(' '.join(line.split()))}\n" for line in proposal.comments)
    annotations = f"@learned(by = {proposal.by}, {arguments})\n@status(proposed)\n"
    formatted = format_text(path, f"{head}\n{annotations}{comments}{own}\n").text
    assert formatted is not None, "what compiles can be formatted"
    return formatted.split(head, 1)[1].strip("\n") + "\n"


def _assert_others_stand(path: str, kb: str, before: str, after: str, known: Mapping[str, ast.Rule]) -> None:
    now = rules_in(path, after, kb)
    for name, rule in known.items():
        assert own_text(after, now[name]) == own_text(before, rule), "a stage changes no rule"
