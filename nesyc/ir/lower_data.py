"""Datasets and tasks."""

from __future__ import annotations

from typing import Any

from nesyc.checks.check_lineage import held_out
from nesyc.checks.check_tasks import find_claim_relation
from nesyc.checks.kb_symbols import resolve_type
from nesyc.checks.kinds import Bound, CallOf
from nesyc.checks.rule_types import RuleTypes
from nesyc.checks.signatures import CALLS, PARSERS
from nesyc.checks.tasks import TaskInfo
from nesyc.checks.types import Type
from nesyc.ir import nodes
from nesyc.ir.context import Lowering, lower_path, lower_type
from nesyc.ir.lower_items import ItemLowering
from nesyc.ir.lower_rules import BodyLowering
from nesyc.syntax import nodes as ast


def lower_datasets(to: Lowering) -> tuple[nodes.Dataset, ...]:
    """Datasets with their splits in order of declaration."""
    held = held_out(to.tables)
    found = []
    for name, dataset in to.tables.symbols.datasets.items():
        splits = [
            _split(to, symbol.id, held=symbol.id in held)
            for symbol in to.tables.symbols.table["split"].values()
            if symbol.id.startswith(f"{name}.")
        ]
        found.append(nodes.Dataset(name, _fields(to, dataset.row), tuple(splits), to.at(dataset.name.span)))
    return tuple(found)


def _fields(to: Lowering, columns: tuple[ast.Column, ...]) -> tuple[nodes.Field, ...]:
    enums = to.tables.symbols.enums
    return tuple(
        nodes.Field(column.name.text, lower_type(resolve_type(column.type, enums)), column.key)
        for column in columns
    )


def _split(to: Lowering, identity: str, held: bool) -> nodes.Split:
    source = to.tables.sources[identity]
    assert source is not None
    name = identity.partition(".")[2]
    location = to.at(to.tables.symbols.table["split"][identity].span)
    return nodes.Split(name, _source(source, name), held, source["limit"], location)


def _source(source: Bound, part: str) -> nodes.Source:
    if source.name != "hash_split":
        return _plain(source)
    by = tuple(name.text for name in source["by"])
    return nodes.HashSplitSource(_plain(source["source"]), by, dict(source.extra), part)


def _plain(source: Bound) -> nodes.PlainSource:
    match source.name:
        case "generate":
            return nodes.GenerateSource(source["target"], source["n"], source["seed"], dict(source.extra))
        case "hf_dataset":
            config = source["config"]
            configs = config if isinstance(config, tuple) else ()
            single = None if configs else config
            return nodes.HubSource(
                source["name"], source["split"], single, source["revision"], configs, source["config_as"]
            )
        case _:
            extra = {key: source.values.get(key) for key in ("at", "file_as", "index_as")}
            return nodes.FileSource(source.name, lower_path(source["path"]), **extra)  # type: ignore[arg-type]


def lower_tasks(to: Lowering) -> tuple[nodes.Task, ...]:
    return tuple(_task(to, task) for task in to.tables.tasks.values())


def _task(to: Lowering, task: TaskInfo) -> nodes.Task:
    node = task.node
    metrics = tuple(_metric(to, task, metric) for metric in node.metrics)
    return nodes.Task(
        name=task.name,
        dataset=task.dataset,
        inputs=_fields(to, node.inputs),
        outputs=_fields(to, node.outputs),
        prompts={prompt.variant.name if prompt.variant else "": prompt.text.value for prompt in node.prompts},
        parsers=tuple(_parser(to, task, parse) for parse in node.parsers),
        claims=tuple(_claim(to, task, claim) for claim in node.claims),
        metrics=metrics,
        target=_target(metrics),
        location=to.at(node.name.span),
    )


def _parser(to: Lowering, task: TaskInfo, parse: ast.Parse) -> nodes.Parser:
    bound = to.tables.resolver().value(CallOf(PARSERS), parse.parser, "the parser")
    assert isinstance(bound, Bound)
    arguments = tuple(bound[parameter.name] for parameter in CALLS[bound.name].parameters)
    type_ = task.outputs[parse.output.text]
    enum = to.tables.symbols.enums.get(type_.enum or "")
    constants = enum.constants if enum else ()
    return nodes.Parser(
        parse.output.text, bound.name, arguments, lower_type(type_), to.at(parse.span), constants
    )


def _claim(to: Lowering, task: TaskInfo, claim: ast.Atom) -> nodes.AtomLiteral:
    found = find_claim_relation(to.tables, claim)
    assert found is not None
    scope = to.tables.symbols.kbs[found[0]].scope
    typing = RuleTypes(scope)
    typing.learn((claim,))
    types: dict[str, Type] = dict(typing.types)
    atom = BodyLowering(scope, types, to.at, to.text).atom(claim)
    return nodes.AtomLiteral(f"{found[0]}.{atom.relation}", atom.terms, atom.location, atom.text)


def _metric(to: Lowering, task: TaskInfo, metric: ast.Metric) -> nodes.Metric:
    items = ItemLowering(task.metric_name, to.tables.symbols.enums, to.tables.params)
    call = metric.value
    assert isinstance(call, ast.Call)
    function: Any = call.function.text
    return nodes.Metric(
        metric.name.text,
        function,
        items.lower(call.arguments[0].value),
        items.lower(metric.group) if metric.group is not None else None,
        to.at(metric.span),
    )


def _target(metrics: tuple[nodes.Metric, ...]) -> dict[str, str]:
    """Output to gold field, from the first metric's comparisons of the two."""
    found: dict[str, str] = {}
    pending = [metrics[0].value] if metrics else []
    while pending:
        expr = pending.pop()
        if not isinstance(expr, nodes.Operation):
            continue
        pending.extend(expr.arguments)
        if expr.operator == "==":
            refs = {item.scope: item.name for item in expr.arguments if isinstance(item, nodes.ColumnRef)}
            if refs.keys() == {"output", "row"}:
                found.setdefault(refs["output"], refs["row"])
    return found
