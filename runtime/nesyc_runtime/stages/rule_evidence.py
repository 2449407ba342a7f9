"""What speaks for a rule and against it: the facts it derives, held against the KB and the items' right answers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any, Literal, NamedTuple

from nesyc_runtime import config
from nesyc_runtime.kb.proofs.contradictions import contradictions
from nesyc_runtime.kb.proofs.graph import Graph
from nesyc_runtime.kb.rules.evaluate import evaluate
from nesyc_runtime.kb.rules.query import query
from nesyc_runtime.kb.storage.copies import copied
from nesyc_runtime.kb.storage.program import Program
from nesyc_runtime.kb.storage.store import Store
from nesyc_runtime.kb.storage.values import shown
from nesyc_runtime.stages.ports import Claim, Evidence, GoldClaim, RuleTrial

MOST = 2_000  # facts of a rule that are looked at
SHOWN = 3  # of each kind that are told
SEEN = 6  # items that are named


class Verdict(NamedTuple):
    """Of one derived fact: what it is to the rule, in words, and the item that says so."""

    side: Literal["for", "against", "unknown"]
    line: str
    item: str = ""


def measure(store: Store, trial: RuleTrial, claims: Sequence[GoldClaim]) -> Evidence:
    """The evidence for a rule over an evaluated store, which is as before when this returns.

    A derived fact speaks for the rule where an item claims it, or else the KB holds it without the rule; against it
    where an item claims another answer, another fact fills its `unique`, or it breaks a `forbid`.
    """
    about = [claim for claim in claims if claim.claim[0] == trial.relation]
    rows = query(store, trial.heads, limit=MOST)["rows"]
    facts = [(trial.relation, tuple(row["values"])) for row in rows]
    verdicts = list(_verdicts(store, facts, about))
    return Evidence(
        sum(one.side == "for" for one in verdicts),
        sum(one.side == "against" for one in verdicts),
        len(verdicts),
        _lift(store, trial, about),
        tuple(_told(verdicts)),
        tuple(dict.fromkeys(one.item for one in verdicts if one.side == "for" and one.item))[:SEEN],
    )


def _verdicts(store: Store, facts: Sequence[Claim], claims: Sequence[GoldClaim]) -> Iterator[Verdict]:
    by_question: dict[tuple[Any, ...], list[GoldClaim]] = defaultdict(list)
    opens = {claim.open for claim in claims}
    for claim in claims:
        by_question[claim.open, _question(claim.claim, claim.open)].append(claim)
    for fact in facts:
        asked = [one for open_ in opens for one in by_question.get((open_, _question(fact, open_)), ())]
        yield _by_items(fact, asked) or _by_kb(store, fact)


def _question(fact: Claim, open_: frozenset[int]) -> tuple[Any, ...]:
    return tuple(value for place, value in enumerate(fact[1]) if place not in open_)


def _by_items(fact: Claim, asked: Sequence[GoldClaim]) -> Verdict | None:
    right = next((one for one in asked if one.claim == fact), None)
    if right is not None:
        return Verdict("for", f"derives {text_of(fact)}, as {right.item} says", right.item)
    if asked:
        first = asked[0]
        return Verdict(
            "against", f"derives {text_of(fact)}; {first.item} says {text_of(first.claim)}", first.item
        )
    return None


def _by_kb(store: Store, fact: Claim) -> Verdict:
    if holds(store, fact):
        return Verdict("for", f"derives {text_of(fact)}, which holds without it")
    broken = contradictions(store, [fact])
    if broken:
        return Verdict("against", f"derives {text_of(fact)}, which contradicts {broken[0].by}")
    return Verdict("unknown", f"derives {text_of(fact)}, which nothing speaks for or against")


def holds(store: Store, fact: Claim) -> bool:
    """Whether queries see a fact."""
    graph = Graph(store)
    found = graph.find(*fact)
    return found is not None and graph.wins(found)


def _lift(store: Store, trial: RuleTrial, claims: Sequence[GoldClaim]) -> float | None:
    if not claims:
        return None
    kb, program = config.Kb.model_validate(trial.kb), Program.model_validate(trial.program)
    with copied(store, kb, program) as with_rule:
        evaluate(with_rule)
        after = sum(holds(with_rule, claim.claim) for claim in claims)
    before = sum(holds(store, claim.claim) for claim in claims)
    return round((after - before) / len(claims), 4)


def _told(verdicts: Sequence[Verdict]) -> Iterator[str]:
    """A few facts of each side, the counter-examples first: they decide."""
    for side, word in (("against", "against: "), ("for", ""), ("unknown", "")):
        found = [one.line for one in verdicts if one.side == side]
        yield from (f"{word}{line}" for line in found[:SHOWN])
        if len(found) > SHOWN:
            yield f"and {len(found) - SHOWN} more {'of these' if side != 'against' else 'against it'}"


def text_of(fact: Claim) -> str:
    return f"{fact[0]}({', '.join('null' if value is None else shown(value) for value in fact[1])})"
