"""Names: duplicates, and what the heads of declarations refer to."""

from __future__ import annotations

from collections.abc import Iterator

from nesyc.checks.messages import duplicate, unknown_name
from nesyc.checks.tables import Tables
from nesyc.checks.terms import TESTS
from nesyc.diagnostics import Diagnostic, Help
from nesyc.diagnostics.span import Span
from nesyc.syntax import nodes as ast


def check_names(tables: Tables) -> Iterator[Diagnostic]:
    """E0201 and E0202 of declarations."""
    symbols = tables.symbols
    yield from symbols.problems
    for task in symbols.tasks.values():
        if task.dataset is not None and task.dataset.text not in symbols.datasets:
            yield unknown_name("dataset", task.dataset.text, task.dataset.span, symbols.datasets)
        elif task.dataset is None and len(symbols.datasets) != 1:
            yield Diagnostic(
                "E0105",
                f"task `{task.name.text}` names no dataset",
                task.name.span,
                label="`on DATASET` is missing",
                help=Help(f"write `task {task.name.text} on DATASET`"),
            )
    for retrieve in symbols.retrieves.values():
        yield from _known("task", retrieve.task, symbols.tasks)
        yield from _known("kb", retrieve.kb, symbols.kbs)
    for pipeline in symbols.pipelines.values():
        yield from _known("task", pipeline.task, symbols.tasks)
    first: dict[str, Span] = {}
    for answer in symbols.answers:
        yield from _known("task", answer.task, symbols.tasks)
        if answer.task.text in first:
            yield duplicate("answer for", answer.task.text, answer.task.span, first[answer.task.text])
        first.setdefault(answer.task.text, answer.task.span)
    yield from _test_names(tables)
    for kb in symbols.kbs.values():
        for name, node in kb.nodes.items():
            if name in TESTS:
                message = f"`{name}` is a test of the language, no relation can have its name"
                yield Diagnostic(
                    "E0202", message, node.name.span, label="taken", help=Help("choose another name")
                )


def _known(kind: str, name: ast.Ident, table: object) -> Iterator[Diagnostic]:
    assert isinstance(table, dict)
    if name.text not in table:
        yield unknown_name(kind, name.text, name.span, table)


def _test_names(tables: Tables) -> Iterator[Diagnostic]:
    symbols = tables.symbols
    first: dict[str, Span] = {}
    for test in symbols.tests:
        if test.name.value in first:
            yield duplicate("test", test.name.value, test.name.span, first[test.name.value])
        first.setdefault(test.name.value, test.name.span)
        target = test.target
        if target is not None and target.text not in symbols.kbs and target.text not in symbols.tasks:
            yield unknown_name("kb or task", target.text, target.span, (*symbols.kbs, *symbols.tasks))
