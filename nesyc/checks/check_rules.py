"""Rules, constraints and facts: what the tables found about each KB."""

from __future__ import annotations

from collections.abc import Iterator

from nesyc.checks.annotations import check_annotations
from nesyc.checks.tables import Tables
from nesyc.diagnostics import Diagnostic
from nesyc.syntax import nodes as ast


def check_rules(tables: Tables) -> Iterator[Diagnostic]:
    """E0301 to E0307 in rules, E0401 to E0407, W0401 and W0402."""
    for name, kb in tables.symbols.kbs.items():
        found = tables.rules[name]
        for info in (*found.rules, *found.forbids):
            yield from info.problems
        yield from found.problems
        items: tuple[ast.Rule | ast.Forbid | ast.Facts, ...] = (*kb.rules, *kb.forbids, *kb.facts)
        for item in items:
            if item.annotations:
                yield from check_annotations(item.annotations)


def check_facts(tables: Tables) -> Iterator[Diagnostic]:
    """E0301 to E0307 in facts, E0407, E0502, E0503 and E0505."""
    for found in tables.facts.values():
        yield from found.problems
