"""Retrieval, answers, evaluations."""

from __future__ import annotations

from typing import Any

from nesyc.checks.check_retrieves import SearchTarget, find_target, hit_name, search_targets
from nesyc.checks.check_use import evaluate_scope, evaluated_task, score_name
from nesyc.checks.kinds import Bound, CallOf, Symbol
from nesyc.checks.signatures import BUILT_IN_SCORES
from nesyc.ir import nodes
from nesyc.ir.context import Lowering
from nesyc.ir.lower_items import ItemLowering
from nesyc.syntax import nodes as ast


def lower_retrieves(to: Lowering) -> tuple[nodes.Retrieve, ...]:
    return tuple(_retrieve(to, name, node) for name, node in to.tables.symbols.retrieves.items())


def _retrieve(to: Lowering, name: str, node: ast.Retrieve) -> nodes.Retrieve:
    tables = to.tables
    bound, kb, task = (
        tables.blocks["retrieve", name],
        tables.symbols.kbs[node.kb.text],
        tables.tasks[node.task.text],
    )
    targets: list[SearchTarget] = []
    for kind, expr in search_targets(bound["search"]):
        target = find_target(kb, kind, expr)
        assert isinstance(target, SearchTarget)
        targets.append(target)
    enums, params = tables.symbols.enums, tables.params
    where = bound["where"]
    hits = ItemLowering(lambda path: hit_name(targets, path), enums, params, kb.scope.relations)
    budget = bound["budget"]
    return nodes.Retrieve(
        name=name,
        task=task.name,
        kb=kb.name,
        query=ItemLowering(task.input_name, enums, params).lower(bound["query"]),
        search=_search(bound["search"], targets),
        where=hits.lower(where) if where is not None else None,
        gate=_gate(bound["gate"]),
        take=bound["take"],
        budget=budget["n"] if isinstance(budget, Bound) else None,
        cite=bound["cite"],
        own_entries=bound["own_entries"],
        location=to.at(node.name.span),
        diversity=bound["diversity"],
    )


def _search(search: Bound, targets: list[SearchTarget]) -> nodes.Search:
    lowered: list[nodes.FullTextTarget | nodes.NearestTarget] = []
    for target in targets:
        if target.kind == "fulltext":
            lowered.append(nodes.FullTextTarget(target.relation.name, target.column))
        else:
            lowered.append(nodes.NearestTarget(target.relation.name, target.column or ""))
    weights = search.values.get("weights")
    if weights is None:
        return nodes.Search(tuple(lowered), "reciprocal_rank", ())
    return nodes.Search(tuple(lowered), "weights", weights)


def _gate(gate: Any) -> nodes.Gate | None:
    if not isinstance(gate, Bound):
        return None
    below = gate["below"]
    if isinstance(below, Bound):
        return nodes.Gate(None, below["split"].id)
    return nodes.Gate(below, None)


def lower_answers(to: Lowering) -> tuple[nodes.Answer, ...]:
    found = []
    for number, node in enumerate(to.tables.symbols.answers):
        bound = to.tables.blocks["answer", str(number)]
        model = to.tables.resolver().reference(("model", "student"), node.model, "`with`")
        reject = bound["reject"]
        kbs = (reject["kb"], *reject.rest) if isinstance(reject, Bound) else ()
        found.append(
            nodes.Answer(
                task=node.task.text,
                model=model.id,
                retrieve=bound["retrieve"].id if isinstance(bound["retrieve"], Symbol) else None,
                format=bound["format"],
                samples=bound["samples"],
                temperature=_temperature(bound["temperature"], bound["samples"]),
                vote="weighted" if isinstance(bound["vote"], Bound) else bound["vote"],
                reject=tuple(dict.fromkeys(kb.id for kb in kbs)),
                location=to.at(node.span),
            )
        )
    return tuple(found)


def _temperature(given: float | None, samples: int) -> float:
    """Greedy decoding gives one answer however often it is asked, so several samples need warmth (NesyCD uses 0.6)."""
    if given is not None:
        return given
    return 0.6 if samples > 1 else 0.0


def lower_evaluates(to: Lowering) -> tuple[nodes.Evaluate, ...]:
    return tuple(_evaluate(to, node) for node in to.tables.symbols.evaluates.values())


def _evaluate(to: Lowering, node: ast.Evaluate) -> nodes.Evaluate:
    tables = to.tables
    scope, task = evaluate_scope(tables, node), evaluated_task(tables, node) or ""
    bound = tables.blocks["evaluate", node.name.text]
    model = scope.reference(("model", "student"), node.model, "`of`").id
    students, report, requires = [], [], []
    seeds, samples = 1, 1000
    declared = tables.tasks[task].node.metrics if task in tables.tasks else ()
    metrics = (*(metric.name.text for metric in declared), *BUILT_IN_SCORES)
    scores = ItemLowering(
        lambda path: score_name(tables, node, metrics, path), tables.symbols.enums, tables.params
    )
    for item in node.items:
        match item:
            case ast.Report():
                report += [name.text for name in item.names]
            case ast.Compare():
                students += [
                    scope.reference(("model", "student"), other, "`compare`").id for other in item.models
                ]
                if item.method is not None:
                    method = scope.value(CallOf(("bootstrap",)), item.method, "`with`")
                    seeds, samples = method["seeds"], method["samples"]
            case ast.Require():
                condition = scores.lower(item.condition)
                requires.append(nodes.Requirement(to.text(item.condition.span), condition, to.at(item.span)))
            case ast.Setting():
                continue
    if not report and declared:
        report.append(declared[0].name.text)
    return nodes.Evaluate(
        name=node.name.text,
        model=model,
        split=scope.reference(("split",), node.split, "`on`").id,
        report=tuple(dict.fromkeys(report)),
        students=tuple(dict.fromkeys((*students, model))),
        seeds=seeds,
        bootstrap=samples,
        requires=tuple(requires),
        format=bound["format"],
        retrieve=bound["retrieve"].id if isinstance(bound["retrieve"], Symbol) else None,
        limit=bound["limit"],
        location=to.at(node.name.span),
        task=task,
    )
