"""Rules, constraints and facts: what the tables found about each KB."""

from __future__ import annotations

from collections.abc import Iterator

from nesyc.checks.tables import Tables
from nesyc.diagnostics import Diagnostic, Help
from nesyc.syntax import nodes as ast

ANNOTATIONS = ("learned", "status", "source", "note")
STATUSES = ("accepted", "proposed", "rejected", "stale")


def check_rules(tables: Tables) -> Iterator[Diagnostic]:
    """E0301 to E0307 in rules, E0401 to E0407, W0401 and W0402."""
    for name, kb in tables.symbols.kbs.items():
        found = tables.rules[name]
        for info in (*found.rules, *found.forbids):
            yield from info.problems
        yield from found.problems
        items: tuple[ast.Rule | ast.Forbid | ast.Facts, ...] = (*kb.rules, *kb.forbids, *kb.facts)
        for item in items:
            yield from _check_annotations(item.annotations)


def check_facts(tables: Tables) -> Iterator[Diagnostic]:
    """E0301 to E0307 in facts, E0407, E0502, E0503 and E0505."""
    for found in tables.facts.values():
        yield from found.problems


def _check_annotations(annotations: tuple[ast.Annotation, ...]) -> Iterator[Diagnostic]:
    for annotation in annotations:
        name = annotation.name
        if name.text not in ANNOTATIONS:
            message = f"there is no annotation `@{name.text}`"
            notes = (f"annotations are {', '.join(f'@{known}' for known in ANNOTATIONS)}",)
            yield Diagnostic("E0201", message, name.span, "unknown", (), notes)
        elif name.text == "status" and status_of((annotation,)) not in STATUSES:
            help_ = Help('write `@status(accepted, by = "...")`, `@status(proposed)` or `@status(rejected)`')
            message = "a status is accepted, proposed, rejected or stale"
            yield Diagnostic("E0308", message, annotation.span, "no such status", help=help_)


def status_of(annotations: tuple[ast.Annotation, ...]) -> str | None:
    """The word of `@status(word, ...)`; "" for one without a word, None without the annotation."""
    for annotation in annotations:
        if annotation.name.text == "status":
            for argument in annotation.arguments[:1]:
                if argument.name is None and isinstance(argument.value, ast.Name):
                    return argument.value.text
            return ""
    return None
