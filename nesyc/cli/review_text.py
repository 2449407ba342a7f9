"""A proposal in words, for the list and for the screen; nothing a teacher wrote steers the terminal."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nesyc_runtime.kb.review import Proposal

LONGEST = 5000  # characters of a value


def details(proposal: Proposal) -> list[str]:
    """Its values, what it says, and where it comes from, a line each."""
    from nesyc_runtime.files import printable
    from nesyc_runtime.kb.values import shown

    lines: list[str] = []
    for name, value in proposal.values.items():
        text = "null" if value is None else shown(value)
        first, *more = text.split("\n")
        lines.append(f"{name}: {printable(first, LONGEST)}")
        lines += [f"    {printable(line, LONGEST)}" for line in more]
    if proposal.text:
        lines.append(f"says: {printable(proposal.text, LONGEST)}")
    lines.append(f"confidence {proposal.conf:.3g}, by {printable(proposal.owner, 80)}")
    lines += _provenance(proposal)
    return lines


def _provenance(proposal: Proposal) -> list[str]:
    from nesyc_runtime.files import printable

    about = proposal.provenance
    lines = [
        f"{name}: {printable(str(about[name]), 120)}"
        for name in ("teacher", "run", "prompt")
        if name in about
    ]
    sources, inputs = about.get("sources"), about.get("inputs")
    if isinstance(sources, list) and sources:
        lines.append(f"drawn from: {printable(', '.join(map(str, sources)), 300)}")
    if isinstance(inputs, list):
        lines += [f"asked: {printable(_asked(one), 500)}" for one in inputs[:5]]
    return lines


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
