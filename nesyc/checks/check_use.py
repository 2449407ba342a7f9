"""Answers and evaluations: models, metrics, comparisons, requirements."""

from __future__ import annotations

from collections.abc import Iterator

from nesyc.checks.items import ItemName, ItemTypes
from nesyc.checks.kinds import Bound, CallOf, Symbol
from nesyc.checks.messages import unknown_name
from nesyc.checks.references import dotted, find_symbol
from nesyc.checks.signatures import BUILT_IN_SCORES
from nesyc.checks.tables import Tables
from nesyc.checks.types import NUMBER, Type
from nesyc.checks.values import Resolver
from nesyc.diagnostics import Diagnostic, Help
from nesyc.syntax import nodes as ast


def check_answers(tables: Tables) -> Iterator[Diagnostic]:
    """The model of an answer, and E0604 where it rejects by a claim its task does not make."""
    for number, answer in enumerate(tables.symbols.answers):
        resolver = tables.resolver()
        resolver.reference(("model", "student"), answer.model, "`with`")
        yield from resolver.problems
        bound, task = tables.blocks["answer", str(number)], tables.tasks.get(answer.task.text)
        reject = bound["reject"]
        if isinstance(reject, Bound) and task is not None and not task.node.claims:
            yield Diagnostic(
                "E0604",
                f"`reject` needs to know what an answer of `{task.name}` claims",
                bound.span_of("reject"),
                label="nothing to contradict",
                help=Help(f"add a claim to task `{task.name}`:  claim RELATION(...)"),
            )
        vote = bound["vote"]
        if isinstance(vote, Bound) and isinstance(vote["by"], ast.Name) and vote["by"].text != "conf":
            yield unknown_name("weight of votes", vote["by"].text, vote["by"].span, ("conf",))


def evaluate_scope(tables: Tables, evaluate: ast.Evaluate) -> Resolver:
    """A resolver that knows the stages of the evaluated model's pipeline by their short names."""
    path = dotted(evaluate.model)
    stages = tables.symbols.stages_of(path[0]) if path and len(path) == 2 else {}
    return Resolver(tables.symbols, tables.paths, tables.params, stages)


def evaluated_task(tables: Tables, evaluate: ast.Evaluate) -> str | None:
    """The task a model is evaluated in: its pipeline's; for an untrained student the only one on the dataset."""
    resolver = evaluate_scope(tables, evaluate)
    model = resolver.reference(("model", "student"), evaluate.model, "`of`")
    if isinstance(model, Symbol) and model.is_stage:
        return tables.stages[model.id].task
    path = dotted(evaluate.split)
    on = [name for name, task in tables.tasks.items() if path and task.dataset == path[0]]
    return on[0] if on else None


def check_evaluates(tables: Tables) -> Iterator[Diagnostic]:
    """Models, splits, names of scores, comparisons and requirements."""
    for evaluate in tables.symbols.evaluates.values():
        resolver = evaluate_scope(tables, evaluate)
        resolver.reference(("model", "student"), evaluate.model, "`of`")
        resolver.reference(("split",), evaluate.split, "`on`")
        task = evaluated_task(tables, evaluate)
        metrics = _scores(tables, task)
        for item in evaluate.items:
            match item:
                case ast.Report():
                    for name in item.names:
                        if task is not None and name.text not in metrics:
                            yield unknown_name("metric", name.text, name.span, metrics)
                case ast.Compare():
                    for model in item.models:
                        resolver.reference(("model", "student"), model, "`compare`")
                    if item.method is not None:
                        resolver.value(CallOf(("bootstrap",)), item.method, "`with`")
                case ast.Require():
                    yield from _check_require(tables, evaluate, item, metrics)
                case ast.Setting():
                    continue
        yield from resolver.problems


def _scores(tables: Tables, task: str | None) -> tuple[str, ...]:
    found = tables.tasks.get(task or "")
    own = [metric.name.text for metric in found.node.metrics] if found else []
    return (*own, *BUILT_IN_SCORES)


def score_name(
    tables: Tables, evaluate: ast.Evaluate, metrics: tuple[str, ...], path: tuple[str, ...]
) -> ItemName | None:
    """In a requirement: a metric of the evaluated model, or `model.metric`."""
    if len(path) == 1:
        if path[0] not in metrics:
            return None
        return ItemName("score", path[0], _score_type(path[0]))
    if path[-1] not in metrics:
        return None
    scope = evaluate_scope(tables, evaluate)
    model = find_symbol(tables.symbols, path[:-1], ("model", "student"), scope.stages)
    if model is None or model.kind not in ("model", "student", "unknown"):
        return None
    return ItemName("score", path[-1], _score_type(path[-1]), of=model.id)


def _score_type(name: str) -> Type:
    return Type("usd") if name == "cost_usd" else NUMBER


def _check_require(
    tables: Tables, evaluate: ast.Evaluate, item: ast.Require, metrics: tuple[str, ...]
) -> Iterator[Diagnostic]:
    items = ItemTypes(
        lambda path: score_name(tables, evaluate, metrics, path),
        metrics,
        tables.symbols.enums,
        tables.params,
        noun="metric",
    )
    type_ = items.type_of(item.condition)
    yield from items.problems
    if type_.base not in ("bool", "unknown"):
        message = f"a requirement is a condition, this is {type_}"
        yield Diagnostic("E0302", message, item.condition.span, f"this is {type_}")
