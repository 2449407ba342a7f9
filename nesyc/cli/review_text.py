"""A proposal in words, for the list and for the screen; nothing a teacher wrote steers the terminal."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nesyc_runtime.kb.review.review import Proposal, RuleProposal

LONGEST = 5000  # characters of a value
SHOWN = 5  # facts gained or lost
HASHES = ("as_of", "answer")  # by which a run sees that a source changed: nothing to read
DEEPEST = 6  # of a derivation


def details(proposal: Proposal) -> list[str]:
    """Its values, what it says, and where it comes from, a line each."""
    from nesyc_runtime.files import printable
    from nesyc_runtime.kb.storage.values import shown

    lines: list[str] = []
    for name, value in proposal.values.items():
        text = "null" if value is None else shown(value)
        first, *more = text.split("\n")
        lines.append(f"{name}: {printable(first, LONGEST)}")
        lines += [f"    {printable(line, LONGEST)}" for line in more]
    if proposal.text:
        lines.append(f"says: {printable(proposal.text, LONGEST)}")
    lines.append(f"confidence {proposal.conf:.3g}, by {printable(proposal.owner, 80)}")
    if proposal.stale:
        told = ["its teacher's answer" if one.startswith("sha256:") else one for one in proposal.stale]
        lines.append(f"stale, accepted before; changed since: {printable(', '.join(told), 300)}")
    lines += _provenance(proposal)
    return lines


def rule_details(proposal: RuleProposal, effect: Mapping[str, Any]) -> list[str]:
    """The rule, its evidence, what accepting it would change, and how it derives some of that."""
    from nesyc_runtime.files import printable

    lines = [printable(line, LONGEST) for line in proposal.text.splitlines()]
    lines.append(f"stands in {printable(proposal.file, 80)}:{proposal.line}")
    told = {name: value for name, value in proposal.learned.items() if name not in HASHES}
    lines += [f"{name}: {printable(value, 300)}" for name, value in told.items()]
    lines += [f"evidence: {printable(line, 300)}" for line in proposal.evidence]
    if proposal.stale:
        lines.append(f"stale, accepted before and in force; {printable(proposal.stale, 300)}")
    if effect.get("problem"):
        return [*lines, str(effect["problem"])]
    for side, sign in (("gained", "+"), ("lost", "-")):
        found = effect[side]
        word = "rejecting" if proposal.stale else "accepting"
        lines.append(f"{word} it: {found['total']} derived facts {side}")
        lines += [f"  {sign} {fact_text(fact)}" for fact in found["facts"][:SHOWN]]
    for tree in effect["proofs"]:
        lines += ["derivation:", *_tree(tree, 1)]
    return lines


def fact_text(fact: Mapping[str, Any]) -> str:
    """A FACT object in words: as `say` has it, else as it is written in a query."""
    from nesyc_runtime.files import printable
    from nesyc_runtime.kb.storage.values import shown

    arguments = ", ".join("null" if value is None else shown(value) for value in fact["args"])
    said = f"   {fact['text']}" if fact.get("text") else ""
    return printable(f"{fact['relation']}({arguments}){said}", 300)


def _tree(node: Mapping[str, Any], depth: int) -> list[str]:
    if depth > DEEPEST:
        return []
    told = fact_text(node["fact"]) if node.get("fact") else str(node["kind"])
    by = f"   by {node['rule']}" if node.get("rule") else ""
    inner = [line for child in node["children"] for line in _tree(child, depth + 1)]
    return [f"{'  ' * depth}{told}{by}", *inner]


def _provenance(proposal: Proposal) -> list[str]:
    from nesyc_runtime.files import printable

    about = proposal.provenance
    lines = [
        f"{name}: {printable(str(about[name]), 120)}"
        for name in ("teacher", "run", "prompt")
        if name in about
    ]
    if about.get("usd"):
        lines.append(f"cost: {printable(str(about['usd']), 40)} USD")
    if isinstance(found := about.get("validated"), dict):
        lines.append(f"validated: {printable(_effect(found), 300)}")
    sources, inputs = about.get("sources"), about.get("inputs")
    if isinstance(sources, list) and sources:
        lines.append(f"drawn from: {printable(', '.join(map(str, sources)), 300)}")
    if isinstance(inputs, list):
        lines += [f"asked: {printable(_asked(one), 500)}" for one in inputs[:5]]
    return lines


def _effect(found: Mapping[str, Any]) -> str:
    """What a validation measured of an entry: a `Verdict` as its provenance holds it."""
    counts = f"{found.get('helped')} helped, {found.get('harmed')} harmed of {found.get('n')}"
    return f"lift {found.get('lift')} on {found.get('data')}: {counts}, p = {found.get('p')}"


def _asked(one: object) -> str:
    """The inputs of an item as `name: value`."""
    try:
        value = json.loads(one) if isinstance(one, str) else one
    except (ValueError, RecursionError):
        return str(one)
    return (
        "; ".join(f"{name}: {given}" for name, given in value.items())
        if isinstance(value, dict)
        else str(one)
    )
