"""The names in what uses knowledge and models: retrievals, answers, evaluations, tests."""

from __future__ import annotations

from nesyc.checks.check_retrieves import search_targets
from nesyc.checks.check_tests import parsed_output, test_kb, test_task
from nesyc.checks.check_use import evaluate_scope, evaluated_task
from nesyc.checks.kb_symbols import KbInfo
from nesyc.checks.kinds import Bound, CallOf, Symbol
from nesyc.checks.references import find_symbol
from nesyc.checks.tasks import TaskInfo
from nesyc.checks.types import Type
from nesyc.diagnostics.span import Span
from nesyc.index.collect import Collector
from nesyc.index.items import Find, Named, first_name, index_item, last_span
from nesyc.index.knowledge import BodyWalk, body_types, index_facts, index_rule
from nesyc.index.model import SymbolId
from nesyc.index.recorder import Recorder
from nesyc.index.tasks import input_id, input_names
from nesyc.syntax import nodes as ast


def index_retrieve(to: Collector, node: ast.Retrieve) -> None:
    """Query over inputs, search and filter over columns; the settings themselves are indexed as blocks."""
    symbols = to.tables.symbols
    bound = to.tables.blocks["retrieve", node.name.text]
    _use_if(to, "task", node.task, node.task.text in symbols.tasks)
    _use_if(to, "kb", node.kb, node.kb.text in symbols.kbs)
    task, kb = to.tables.tasks.get(node.task.text), symbols.kbs.get(node.kb.text)
    for setting in node.settings:
        if setting.key.text == "query" and task is not None:
            index_item(to, setting.value, input_names(task))
        if setting.key.text == "where" and kb is not None:
            index_item(to, setting.value, _hit_names(kb, _searched(kb, bound)))
    if kb is not None and isinstance(bound["search"], Bound):
        for _, expr in search_targets(bound["search"]):
            index_item(to, expr, _hit_names(kb, ()))


def _use_if(to: Collector, kind: str, name: ast.Ident, known: bool) -> None:
    if known:
        to.use(SymbolId(kind, name.text), name.span)


def _searched(kb: KbInfo, bound: Bound) -> tuple[str, ...]:
    """The relations that a search looks into."""
    search = bound["search"]
    found = [first_name(expr) for _, expr in search_targets(search)] if isinstance(search, Bound) else []
    return tuple(name.text for name in found if name is not None and name.text in kb.nodes)


def _hit_names(kb: KbInfo, searched: tuple[str, ...]) -> Find:
    """`lesson.body`, `family.lesson.body`, and columns of the relations `searched` by themselves."""

    def find(expr: ast.Name | ast.Member, path: tuple[str, ...]) -> tuple[Named, Type | None]:
        named: Named = []
        first = first_name(expr)
        if path[0] == kb.name and len(path) > 1 and path[0] not in kb.nodes and first is not None:
            named.append((SymbolId("kb", kb.name), first.span))
            path = path[1:]
            first = None
        relation = kb.scope.relations.get(path[0])
        if relation is not None:
            place = first.span if first is not None else _second_span(expr)
            named.append((SymbolId("relation", relation.name, kb.name), place))
            column = relation.column(path[1]) if len(path) == 2 else None
            if column is not None:
                named.append((SymbolId("column", column.name, f"{kb.name}.{relation.name}"), last_span(expr)))
            return named, column.type if column else None
        for name in searched if len(path) == 1 else ():
            column = kb.scope.relations[name].column(path[0])
            if column is not None:
                return [(SymbolId("column", column.name, f"{kb.name}.{name}"), expr.span)], column.type
        return named, None

    return find


def _second_span(expr: ast.Name | ast.Member) -> Span:
    while isinstance(expr, ast.Member) and isinstance(expr.of, ast.Member):
        expr = expr.of
    return last_span(expr)


def index_answer(to: Collector, recorder: Recorder, node: ast.Answer) -> None:
    _use_if(to, "task", node.task, node.task.text in to.tables.symbols.tasks)
    recorder.reference(("model", "student"), node.model, "")


def index_evaluate(to: Collector, recorder: Recorder, node: ast.Evaluate) -> None:
    """The model, the split, and the scores named."""
    recorder.stages = evaluate_scope(to.tables, node).stages
    recorder.reference(("model", "student"), node.model, "")
    recorder.reference(("split",), node.split, "")
    task = to.tables.tasks.get(evaluated_task(to.tables, node) or "")
    metrics = {metric.name.text for metric in task.node.metrics} if task else set()
    for item in node.items:
        match item:
            case ast.Report():
                for name in item.names:
                    if task is not None and name.text in metrics:
                        to.use(SymbolId("metric", name.text, task.name), name.span)
            case ast.Compare():
                for model in item.models:
                    recorder.reference(("model", "student"), model, "")
                if item.method is not None:
                    recorder.value(CallOf(("bootstrap",)), item.method, "")
            case ast.Require():
                index_item(to, item.condition, _score_names(to, recorder, task))
            case ast.Setting():
                continue


def _score_names(to: Collector, recorder: Recorder, task: TaskInfo | None) -> Find:
    metrics = {metric.name.text for metric in task.node.metrics} if task else set()

    def find(expr: ast.Name | ast.Member, path: tuple[str, ...]) -> tuple[Named, Type | None]:
        named: Named = []
        if task is not None and path[-1] in metrics:
            named.append((SymbolId("metric", path[-1], task.name), last_span(expr)))
        if isinstance(expr, ast.Member):
            model = find_symbol(to.tables.symbols, path[:-1], ("model", "student"), recorder.stages)
            if isinstance(model, Symbol):
                named.extend(recorder.named(expr.of, model))
        return named, None

    return find


def index_test(to: Collector, recorder: Recorder, node: ast.Test) -> None:
    """What is given and what is expected."""
    symbols = to.tables.symbols
    if node.target is not None:
        _use_if(to, "kb", node.target, node.target.text in symbols.kbs)
        _use_if(
            to, "task", node.target, node.target.text in symbols.tasks and node.target.text not in symbols.kbs
        )
    kb, task = test_kb(to.tables, node), test_task(to.tables, node)
    owner = f"{node.span.file}:{node.name.span.start}"
    if kb is not None:
        for given in node.given:
            item = given.item
            if isinstance(item, ast.Facts):
                index_facts(to, recorder, kb, item)
            else:
                to.define(SymbolId("rule", item.name.text, owner), item.name, item)
                index_rule(to, kb, item, body_types(kb.scope, item.body))
    for expected in node.expectations:
        match expected:
            case ast.ExpectFact() if kb is not None:
                _expected_fact(to, kb, node, expected, owner)
            case ast.ExpectValue() if task is not None:
                _expected_value(to, task, expected)
            case _:
                continue


def _expected_fact(to: Collector, kb: KbInfo, test: ast.Test, expected: ast.ExpectFact, owner: str) -> None:
    place = f"{owner}:{expected.span.start}"
    BodyWalk(to, kb, place, body_types(kb.scope, (expected.atom,))).atom(expected.atom)
    if expected.by is None:
        return
    name = expected.by.text
    given = {item.item.name.text for item in test.given if not isinstance(item.item, ast.Facts)}
    if name in given:
        to.use(SymbolId("rule", name, owner), expected.by.span)
    elif any(rule.name.text == name for rule in kb.rules):
        to.use(SymbolId("rule", name, kb.name), expected.by.span)


def _expected_value(to: Collector, task: TaskInfo, expected: ast.ExpectValue) -> None:
    call = expected.left
    if not isinstance(call, ast.Call):
        return
    for argument in call.arguments:
        if argument.name is None or call.function.text != "prompt":
            continue
        symbol = input_id(task, argument.name.text)
        if symbol is not None:
            to.use(symbol, argument.name.span)
        if isinstance(argument.value, ast.EnumConstant) and argument.name.text in task.inputs:
            to.constant(task.inputs[argument.name.text].enum, argument.value)
    if call.function.text == "parse":
        type_ = task.outputs.get(parsed_output(task, call))
        if isinstance(expected.right, ast.EnumConstant) and type_ is not None:
            to.constant(type_.enum, expected.right)
