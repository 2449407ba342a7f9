"""What rows said before a person edited them: a stage that says it again gives the edited row its sources.

So the row is of all items that led to it, whatever words a person gave it since: retrieval for training items asks.
"""

from __future__ import annotations

import json
from dataclasses import replace

from nesyc_runtime.kb.storage.program import RelationPlan
from nesyc_runtime.kb.storage.rows import claims_of, elect, provenance_of, quote, texts_of, united
from nesyc_runtime.kb.storage.store import Store

WAS = "was"  # in the provenance of a row that a person edited: what it said before


def said_before(provenance: str | None, content: str) -> str | None:
    """The provenance of a stage's row, with what the row said: the stage may come to say it again, of other items."""
    about = provenance_of(provenance)
    if not about:
        return provenance
    return json.dumps({**about, WAS: [*texts_of(about, WAS), content]}, ensure_ascii=False, sort_keys=True)


def edited_rows(store: Store, plan: RelationPlan) -> dict[str, int]:
    """The rows that people edited, by each content they had before.

    Any claim of a row may say so: the source's may be the strongest by now.
    """
    found = store.execute(
        f"SELECT _row, provenance FROM {quote(plan.rows)} WHERE provenance LIKE ?1 "
        'UNION SELECT row, provenance FROM "nesyc.claim" WHERE relation = ?2 AND provenance LIKE ?1 ORDER BY 1',
        (f'%"{WAS}"%', plan.name),
    )
    return {content: row for row, text in found.fetchall() for content in texts_of(provenance_of(text), WAS)}


def add_sources(store: Store, plan: RelationPlan, row: int, provenance: str | None) -> bool:
    """Let an edited row be drawn from these sources too; gives whether that is new."""
    claims = claims_of(store, plan, row)
    new = {
        owner: replace(claim, provenance=united(claim.provenance, provenance))
        if WAS in provenance_of(claim.provenance)
        else claim
        for owner, claim in claims.items()
    }
    if new == claims:
        return False
    elect(store, plan, row, new)
    return True
