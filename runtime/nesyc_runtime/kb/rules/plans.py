"""How a query is answered: what must be derived for it, by which statements, and how SQLite looks rows up."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from nesyc_runtime.kb.rules.evaluate import engine_used
from nesyc_runtime.kb.rules.query import CompiledQuery
from nesyc_runtime.kb.storage.program import StratumPlan
from nesyc_runtime.kb.storage.store import Store

_PARAMETER = re.compile(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|:([A-Za-z_][A-Za-z0-9_]*)")


def explain_plan(store: Store, compiled: object) -> dict[str, Any]:
    """The `plan` object of a query: its SQL, and the strata it stands on in order of evaluation.

    A `plan` is a list of `{"depth", "text"}`, what SQLite's EXPLAIN QUERY PLAN says of the statement.
    """
    query = compiled if isinstance(compiled, CompiledQuery) else CompiledQuery.model_validate(compiled)
    engine, why = engine_used(store)
    read = {relation for branch in query.branches for relation in branch.atoms}
    strata = list(_needed(store, read | _mentioned(store, query.sql)))
    return {
        "v": 1,
        "kb": store.kb.name,
        "semantics": store.program.semantics,
        "engine": {"name": engine, "why": why},
        "query": {"sql": query.sql, "plan": query_plan(store, query.sql)},
        "strata": [_stratum(store, number, stratum) for number, stratum in strata],
    }


def _mentioned(store: Store, sql: str) -> set[str]:
    """Relations that a statement reads anywhere, as under `not` and in aggregates."""
    return {plan.name for plan in store.program.relations if f'"{plan.reads}"' in sql}


def _needed(store: Store, relations: set[str]) -> Sequence[tuple[int, StratumPlan]]:
    """The strata that derive these relations or what those read, in order, with their numbers."""
    found: list[tuple[int, StratumPlan]] = []
    wanted = set(relations)
    for number, stratum in reversed(list(enumerate(store.program.strata, 1))):
        if not wanted.intersection(stratum.relations):
            continue
        found.append((number, stratum))
        for name in (*stratum.base, *stratum.delta):
            sql = store.program.statements[name].sql
            wanted |= {
                p.name for p in store.program.relations if f'"{p.reads}"' in sql or f'"{p.rows}"' in sql
            }
    return found[::-1]


def _stratum(store: Store, number: int, stratum: StratumPlan) -> dict[str, Any]:
    names = (*stratum.base, *stratum.delta, *stratum.resolve)
    return {
        "number": number,
        "relations": list(stratum.relations),
        "recursive": bool(stratum.delta),
        "statements": [_statement(store, name, in_rounds=name in stratum.delta) for name in names],
    }


def _statement(store: Store, name: str, *, in_rounds: bool) -> dict[str, Any]:
    statement = store.program.statements[name]
    declared = next((rule for rule in store.kb.rules if rule.name == statement.rule), None)
    return {
        "name": name,
        "rule": statement.rule or None,
        "span": declared.location.model_dump() if declared is not None else None,
        "in_rounds": in_rounds,
        "sql": statement.sql,
        "plan": query_plan(store, statement.sql),
    }


def query_plan(store: Store, sql: str) -> list[dict[str, Any]]:
    """SQLite's plan of a statement, its steps by depth."""
    unbound = dict.fromkeys((name[1] for name in _PARAMETER.finditer(sql) if name[1]), None)
    rows = store.connection.execute(f"EXPLAIN QUERY PLAN {sql}", unbound).fetchall()
    depths = {0: -1}
    steps = []
    for number, parent, _, text in rows:
        depths[number] = depths.get(parent, -1) + 1
        steps.append({"depth": depths[number], "text": text})
    return steps
