"""What two states of a knowledge base derive differently."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from nesyc_runtime import config
from nesyc_runtime.kb.proofs.graph import sentence
from nesyc_runtime.kb.rules.evaluate import evaluate
from nesyc_runtime.kb.search.retrieval_rows import read_rows
from nesyc_runtime.kb.storage.copies import copied
from nesyc_runtime.kb.storage.program import Program
from nesyc_runtime.kb.storage.store import Store

Derived = Mapping[str, Mapping[tuple[Any, ...], float]]


@contextmanager
def with_rules(store: Store, kb: Any, program: Any) -> Iterator[Store]:
    """A private copy of the stored rows, evaluated by other rules: `kb` and `program` as JSON values."""
    with copied(store, config.Kb.model_validate(kb), Program.model_validate(program)) as other:
        evaluate(other)
        yield other


def derived(store: Store) -> Derived:
    """The facts that queries see of each derived relation, with their confidence."""
    with store.reading():
        return {
            plan.name: {
                tuple(row.values.values()): float(row.implicit["conf"]) for row in read_rows(store, plan.name)
            }
            for plan in store.program.relations
            if plan.derived
        }


def difference(
    before: Derived, after: Derived, declared: Mapping[str, config.Relation], *, limit: int
) -> Any:
    """The facts gained and lost, and how many only changed their confidence; at most `limit` of each, 0 for all."""
    gained = list(_missing(before, after))
    lost = list(_missing(after, before))
    surer = sum(
        abs(conf - after[name][values]) > 1e-9
        for name, facts in before.items()
        for values, conf in facts.items()
        if values in after.get(name, {})
    )
    return {
        "gained": {"total": len(gained), "facts": [_fact(*one, declared) for one in gained[: limit or None]]},
        "lost": {"total": len(lost), "facts": [_fact(*one, declared) for one in lost[: limit or None]]},
        "other_confidence": surer,
    }


def _missing(here: Derived, there: Derived) -> Iterator[tuple[str, tuple[Any, ...], float]]:
    for name in sorted(there):
        known = here.get(name, {})
        found = [(values, conf) for values, conf in there[name].items() if values not in known]
        yield from ((name, values, conf) for values, conf in sorted(found, key=lambda one: str(one[0])))


def _fact(
    name: str, values: tuple[Any, ...], conf: float, declared: Mapping[str, config.Relation]
) -> dict[str, Any]:
    text = sentence(declared[name], values) if name in declared else None
    return {"relation": name, "args": list(values), "text": text, "conf": conf}
