"""E0607: a model that is asked in a format which gives no answer."""

from __future__ import annotations

from collections.abc import Iterator

from nesyc.checks.check_use import evaluate_scope
from nesyc.checks.kinds import Bound, Symbol
from nesyc.checks.tables import Tables
from nesyc.diagnostics import Diagnostic, Help, Related
from nesyc.diagnostics.span import Span
from nesyc.syntax import nodes as ast

HALVES = frozenset({"rationale", "answer_given"})
"""A student that learns both writes a rationale and then the answer to it; one of them alone gives nothing to judge."""


def check_formats(tables: Tables) -> Iterator[Diagnostic]:
    """The models of evaluations and answers, and those whose errors are mined."""
    for evaluate in tables.symbols.evaluates.values():
        bound = tables.blocks["evaluate", evaluate.name.text]
        resolver = evaluate_scope(tables, evaluate)
        asked = [evaluate.model]
        asked += [model for item in evaluate.items if isinstance(item, ast.Compare) for model in item.models]
        told: set[str] = set()
        for expr in asked:
            model = resolver.reference(("model", "student"), expr, "")
            if isinstance(model, Symbol) and model.id not in told:
                told.add(model.id)
                yield from _check(tables, model, expr.span, bound)
    for number, answer in enumerate(tables.symbols.answers):
        model = tables.resolver().reference(("model", "student"), answer.model, "")
        if isinstance(model, Symbol):
            yield from _check(tables, model, answer.model.span, tables.blocks["answer", str(number)])
    for stage in tables.stages.values():
        if stage.bound is not None and stage.bound.name == "mine_errors":
            model = stage.bound["model"]
            if isinstance(model, Symbol):
                yield from _check(tables, model, stage.bound.span_of("model"), None)


def _check(tables: Tables, model: Symbol, span: Span, bound: Bound | None) -> Iterator[Diagnostic]:
    stage = tables.stages.get(model.id)
    tasks = stage.bound["tasks"] if stage is not None and stage.bound is not None else ()
    tasks = tasks if isinstance(tasks, tuple) else ()
    given = bound["format"] if bound is not None else None
    format_ = given if isinstance(given, str) else tasks[0] if tasks else None
    if format_ not in HALVES or set(tasks) >= HALVES:
        return
    what = (
        "gives a rationale and no answer" if format_ == "rationale" else "needs a rationale that nobody wrote"
    )
    place = bound.span_of("format") if bound is not None and isinstance(given, str) else span
    related = []
    if stage is not None and stage.bound is not None:
        related.append(Related(stage.bound.span_of("tasks"), f"`{model.id}` learns these"))
    other = [f"`.{task}`" for task in tasks if task not in HALVES]
    help_ = (
        f"write `format = .{other[0][2:-1]}`" if other else "train `.answer_given` beside it, or `.direct`"
    )
    if bound is None and other:
        help_ = f"put {other[0]} first among the tasks: a model is asked in the format of its first"
    yield Diagnostic(
        "E0607",
        f"`{model.id}` is asked in the format `.{format_}`, which {what}",
        place,
        "no answer to judge",
        tuple(related),
        help=Help(help_),
    )
