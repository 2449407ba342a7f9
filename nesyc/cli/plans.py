"""A query's plan as people read it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any


def plan_text(result: Mapping[str, Any]) -> str:
    """The strata a query stands on, their statements, and how SQLite runs each."""
    return "\n".join(_lines(result)) + "\n"


def _lines(result: Mapping[str, Any]) -> Iterator[str]:
    engine = result["engine"]
    yield f"kb {result['kb']}, semantics {result['semantics']}, derived by {engine['name']}: {engine['why']}"
    for stratum in result["strata"]:
        how = "in rounds until nothing is new" if stratum["recursive"] else "once"
        yield f"\nstratum {stratum['number']}: {', '.join(stratum['relations'])}, {how}"
        for statement in stratum["statements"]:
            span = statement["span"]
            place = f"  {span['file']}:{span['line']}" if span is not None else ""
            yield f"\n  {statement['name']}{place}{', every round' if statement['in_rounds'] else ''}"
            yield from _statement(statement["sql"], statement["plan"], "    ")
    yield "\nquery"
    yield from _statement(result["query"]["sql"], result["query"]["plan"], "  ")


def _statement(sql: str, plan: Sequence[Mapping[str, Any]], indent: str) -> Iterator[str]:
    yield from (f"{indent}{line}" for line in sql.splitlines())
    yield from (f"{indent}  {'  ' * step['depth']}· {step['text']}" for step in plan)
