"""`whynot`: for each rule that could give a fact, the nearest literal that failed."""

from __future__ import annotations

import json
import math
import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

from nesyc_runtime import config
from nesyc_runtime.kb.proofs.graph import Graph, encoded, literal_at, sentence
from nesyc_runtime.kb.storage.program import RelationPlan, RulePlan, StepPlan, VariantPlan
from nesyc_runtime.kb.storage.store import Store, refused
from nesyc_runtime.kb.storage.values import from_column

_CAME_TO = " came to"  # no variable has a blank in its name


def whynot(store: Store, relation: str, args: Sequence[Any], *, limit: int = 0) -> dict[str, Any]:
    """The `whynot` object of the contracts: the attempts that met most of a rule first, at most `limit` (0: all).

    Where an aggregate failed, `came_to` is its value for the bindings, null where it has none.
    """
    graph = Graph(store)
    with store.reading():
        plan = store.relation(relation)
        known = graph.find(relation, args)
        holds = known is not None and graph.wins(known)
        told = {"relation": relation, "args": list(args), "text": sentence(store.declared[relation], args)}
        answer: dict[str, Any] = {"v": 1, "fact": told, "holds": holds, "attempts": []}
        if holds:
            return answer
        if known is not None:
            winner = next(rival for rival in graph.rivals(known) if graph.wins(rival))
            answer["winner"] = {"fact": graph.fact(winner).to_json(), "conf": graph.fact(winner).conf}
            return answer
    # a text that no row has takes an id meanwhile; else nothing is written, and no writer is waited for
    known_texts = all(store.find_symbol(text) is not None for text in _texts(plan, args))
    with store.reading() if known_texts else store.supposing():
        attempts = [
            _attempt(store, plan, rule, variant, args)
            for rule in store.program.rules_of.get(relation, ())
            for variant in rule.variants
        ]
    nearest = sorted(attempts, key=lambda one: -one["matched"] / max(one["of"], 1))
    answer["attempts"] = nearest[:limit] if limit else nearest
    answer["truncated"] = len(answer["attempts"]) < len(nearest)
    return answer


def _attempt(
    store: Store, plan: RelationPlan, rule: RulePlan, variant: VariantPlan, args: Sequence[Any]
) -> dict[str, Any]:
    """How far one alternative of a rule gets: the longest run of its literals that something meets."""
    declared = next(one for one in store.kb.rules if one.name == rule.name)
    head = {f"h{index}": value for index, value in enumerate(_head_values(store, plan, args))}
    steps = variant.steps
    met, witness = 0, _witness(store, steps[:1], head, plan, args, declared.head)
    if witness is not None:
        while met + 1 < len(steps):
            further = _witness(store, steps[: met + 2], head, plan, args, declared.head)
            if further is None:
                break
            met, witness = met + 1, further
    failed = steps[0] if witness is None else steps[min(met + 1, len(steps) - 1)]
    literal = literal_at(declared.body, failed.path) if failed.path else declared.head
    came_to = {}
    if witness is not None and failed.comes_to is not None:
        asked = {_CAME_TO: failed.comes_to}
        witness = _witness(store, steps[: met + 1], head, plan, args, declared.head, asked)
        assert witness is not None
        came_to = {"came_to": witness.pop(_CAME_TO)}
    return {
        "rule": rule.name,
        "span": declared.location.model_dump(),
        "literal": literal.text,
        "bindings": witness or {},
        "matched": min(met, len(variant.literals)),
        "of": len(variant.literals),
        **came_to,
    }


def _texts(plan: RelationPlan, args: Sequence[Any]) -> list[str]:
    """Those of a fact's values that columns hold by an id."""
    columns = zip(plan.columns, args, strict=True)
    return [str(arg) for column, arg in columns if column.interned and arg is not None]


def _head_values(store: Store, plan: RelationPlan, args: Sequence[Any]) -> list[Any]:
    """The fact's values as columns hold them; a text that no row has gets an id, within `store.supposing()`."""
    for text in _texts(plan, args):
        store.symbol(text)
    values = encoded(store, plan, args)
    assert values is not None
    return values


def _witness(
    store: Store,
    steps: Sequence[StepPlan],
    head: Mapping[str, Any],
    plan: RelationPlan,
    args: Sequence[Any],
    atom: config.AtomLiteral,
    also: Mapping[str, tuple[str, str, bool]] = {},
) -> dict[str, Any] | None:
    """Values of the variables that meet all `steps`, and of what is asked `also`; None where nothing does."""
    binds = {name: bound for step in steps for name, bound in step.binds.items()} | dict(also)
    columns = ", ".join(sql for sql, _, _ in binds.values()) or "1"
    sources = [step.source for step in steps if step.source is not None]
    conditions = [condition for step in steps for condition in step.conditions]
    sql = f"SELECT {columns}"
    sql += f" FROM {' JOIN '.join(sources)}" if sources else ""
    sql += f" WHERE {' AND '.join(conditions)}" if conditions else ""
    used = {name: value for name, value in head.items() if f":{name}" in sql}
    try:
        row = store.execute(f"{sql} LIMIT 1", used).fetchone()
    except sqlite3.OperationalError as error:
        raise refused(error, f"the fact has no answer: a rule of `{plan.name}`") from None
    if row is None:
        return None
    given = {
        term.name: arg
        for term, arg in zip(atom.terms, args, strict=True)
        if isinstance(term, config.Var) and term.name
    }
    found = {}
    for (name, (_, base, interned)), value in zip(binds.items(), row, strict=False):
        if name in given:
            found[name] = given[name]
        else:
            found[name] = store.text(value) if interned and value is not None else from_column(value, base)
        if isinstance(found[name], float) and not math.isfinite(found[name]):
            found[name] = json.dumps(found[name])  # JSON has no such number
    return found
