"""Accepted rows whose sources changed: marked, so that a person looks again; what they say stays, and stays in use."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from nesyc_runtime.kb.storage.program import RelationPlan
from nesyc_runtime.kb.storage.rows import (
    ACCEPTED,
    STALE,
    Claim,
    claims_of,
    elect,
    provenance_of,
    quote,
    texts_of,
)
from nesyc_runtime.kb.storage.store import Store

SEEN, CHANGED = (
    "seen",
    "changed",
)  # in a row's provenance: hashes of its sources by name, and which of them changed

Changed = Callable[[Mapping[str, str]], Mapping[str, str]]
"""Of the hashes of sources by name, those that are otherwise now."""


def mark_stale(store: Store, relation: str, stage: str, changed: Changed, *, who: str, why: str) -> int:
    """Mark the rows that people accepted or edited of what a stage wrote, where a source changed since; gives how many.

    The new hashes take the place of the old ones: whoever accepts such a row again is asked again only after another change.
    """
    plan = store.relation(relation)
    marked = 0
    with store.changing(who, why):
        for row in _drawn_by(store, plan, stage):
            claims = claims_of(store, plan, row)
            new = {owner: _looked_at(claim, stage, changed) for owner, claim in claims.items()}
            if new != claims:
                elect(store, plan, row, new)
                marked += 1
        if marked:
            store.facts_changed()  # a filter may read the status
    return marked


def _drawn_by(store: Store, plan: RelationPlan, stage: str) -> list[int]:
    """The rows that a claim says a stage drew from its sources."""
    own = "json_valid(provenance) AND json_extract(provenance, '$.stage') = ?1"
    found = store.execute(
        f"SELECT _row FROM {quote(plan.rows)} WHERE {own} "
        f'UNION SELECT row FROM "nesyc.claim" WHERE relation = ?2 AND {own} ORDER BY 1',
        (stage, plan.name),
    )
    return [int(row) for (row,) in found]


def _looked_at(claim: Claim, stage: str, changed: Changed) -> Claim:
    about = provenance_of(claim.provenance)
    seen = about.get(SEEN)
    if not claim.decided or about.get("stage") != stage or not isinstance(seen, dict):
        return claim
    news = changed(seen)
    if not news:
        return claim
    names = sorted({*texts_of(about, CHANGED), *news})
    return replace(claim, status=STALE, provenance=_text({**about, SEEN: {**seen, **news}, CHANGED: names}))


def looked_at_again(claim: Claim) -> Claim:
    """The claim accepted as it is: what changed before is no reason to look again."""
    about = provenance_of(claim.provenance)
    if CHANGED not in about:
        return replace(claim, status=ACCEPTED)
    left = {name: value for name, value in about.items() if name != CHANGED}
    return replace(claim, status=ACCEPTED, provenance=_text(left))


def _text(about: Mapping[str, Any]) -> str:
    return json.dumps(about, ensure_ascii=False, sort_keys=True)
