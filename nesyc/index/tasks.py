"""The names of datasets and tasks: rows, fields, prompts, parsers, claims, metrics."""

from __future__ import annotations

from nesyc.checks.check_tasks import METRICS, find_claim_relation
from nesyc.checks.kinds import CallOf
from nesyc.checks.signatures import LOADERS, PARSERS
from nesyc.checks.tasks import TaskInfo
from nesyc.checks.templates import holes
from nesyc.checks.types import Type
from nesyc.index.collect import Collector
from nesyc.index.items import Find, Named, index_item, last_span
from nesyc.index.model import SymbolId
from nesyc.index.recorder import Recorder
from nesyc.syntax import nodes as ast


def index_dataset(to: Collector, recorder: Recorder, node: ast.Dataset) -> None:
    """Rows and splits, those of `hash_split` among them."""
    name = node.name.text
    fields = {column.name.text for column in node.row}
    for column in node.row:
        to.define(SymbolId("field", column.name.text, name), column.name, column)
        to.type_ref(column.type)
    for split in node.splits:
        to.define(SymbolId("split", split.name.text, name), split.name, split)
        recorder.value(CallOf((*LOADERS, "hash_split")), split.source, "")
    for source in (*(split.source for split in node.splits), *(item.value for item in node.settings)):
        for argument in source.arguments if isinstance(source, ast.Call) else ():
            if argument.name is None or not isinstance(source, ast.Call):
                continue
            if argument.name.text == "by":
                by_fields(to, name, fields, argument.value)
            elif (
                source.function.text == "hash_split"
                and f"{name}.{argument.name.text}" in to.tables.symbols.table["split"]
            ):
                to.define(SymbolId("split", argument.name.text, name), argument.name, source)


def by_fields(to: Collector, dataset: str, fields: set[str], expr: ast.Expr) -> None:
    """`by = (task, input)`"""
    items = expr.items if isinstance(expr, (ast.TupleOf, ast.ListOf)) else (expr,)
    for item in items:
        if isinstance(item, ast.Name) and item.text in fields:
            to.use(SymbolId("field", item.text, dataset), item.span)


def field_id(task: TaskInfo, name: str) -> tuple[SymbolId, Type] | None:
    """What a field's name means in a task; an input of a declared row is the row's field itself."""
    if name in task.outputs:
        return SymbolId("output", name, task.name), task.outputs[name]
    if name in task.rows:
        return SymbolId("field", name, task.dataset), task.rows[name]
    if name in task.inputs:
        return SymbolId("input", name, task.name), task.inputs[name]
    return None


def input_id(task: TaskInfo, name: str) -> SymbolId | None:
    """The symbol of an input."""
    if name not in task.inputs:
        return None
    return SymbolId("field", name, task.dataset) if name in task.rows else SymbolId("input", name, task.name)


def index_task(to: Collector, recorder: Recorder, task: TaskInfo) -> None:
    node = task.node
    if node.dataset is not None and node.dataset.text in to.tables.symbols.datasets:
        to.use(SymbolId("dataset", node.dataset.text), node.dataset.span)
    for column in node.inputs:
        symbol = input_id(task, column.name.text)
        if symbol is not None:
            to.define(symbol, column.name, column)
    for column in node.outputs:
        to.define(SymbolId("output", column.name.text, task.name), column.name, column)
    for column in (*node.inputs, *node.outputs):
        to.type_ref(column.type)
    for prompt in node.prompts:
        _prompt(to, task, prompt)
    for parse in node.parsers:
        if parse.output.text in task.outputs:
            to.use(SymbolId("output", parse.output.text, task.name), parse.output.span)
        recorder.value(CallOf(PARSERS), parse.parser, "")
        if parse.type is not None:
            to.type_ref(parse.type)
    for claim in node.claims:
        _claim(to, task, claim)
    for metric in node.metrics:
        to.define(SymbolId("metric", metric.name.text, task.name), metric.name, metric)
        recorder.value(CallOf(METRICS), metric.value, "")
        index_item(to, metric.value, _metric_names(task))
        if metric.group is not None:
            index_item(to, metric.group, _metric_names(task))


def _prompt(to: Collector, task: TaskInfo, prompt: ast.Prompt) -> None:
    for name, span in holes(prompt.text, to.tables.loaded.texts.get(prompt.text.span.file, "")):
        to.holes.append((span, prompt.text))
        symbol = input_id(task, name)
        if symbol is None and name in task.outputs:
            symbol = SymbolId("output", name, task.name)
        if symbol is not None:
            to.use(symbol, span)


def _claim(to: Collector, task: TaskInfo, claim: ast.Atom) -> None:
    found = find_claim_relation(to.tables, claim)
    if found is None:
        return
    kb, relation = found
    to.use(SymbolId("relation", relation.name, kb), claim.relation.span)
    for place, argument in enumerate(claim.arguments):
        if isinstance(argument, ast.Name):
            named = field_id(task, argument.text)
            if named is not None:
                to.use(named[0], argument.span)
        elif isinstance(argument, ast.EnumConstant) and place < len(relation.columns):
            to.constant(relation.columns[place].type.enum, argument)


def _metric_names(task: TaskInfo) -> Find:
    def find(expr: ast.Name | ast.Member, path: tuple[str, ...]) -> tuple[Named, Type | None]:
        if len(path) == 2 and path[0] == "row" and path[1] in task.rows:
            return [(SymbolId("field", path[1], task.dataset), last_span(expr))], task.rows[path[1]]
        found = field_id(task, path[0]) if len(path) == 1 else None
        return ([(found[0], expr.span)], found[1]) if found else ([], None)

    return find


def input_names(task: TaskInfo) -> Find:
    """Names in a retrieval's query: inputs."""

    def find(expr: ast.Name | ast.Member, path: tuple[str, ...]) -> tuple[Named, Type | None]:
        symbol = input_id(task, path[0]) if len(path) == 1 else None
        return ([(symbol, expr.span)], task.inputs[path[0]]) if symbol else ([], None)

    return find
