"""What may stand in tasks, retrievals, evaluations and tests: fields, metrics, models, expectations."""

from __future__ import annotations

from collections.abc import Iterator

from nesyc.checks.check_retrieves import IMPLICIT, QUESTION
from nesyc.checks.items import ORIGINS, STATUSES
from nesyc.checks.scope import EnumInfo
from nesyc.checks.signatures import BUILT_IN_SCORES, CALLS, ITEM_FUNCTIONS
from nesyc.checks.tables import Tables
from nesyc.checks.tasks import TaskInfo
from nesyc.checks.types import Type
from nesyc.diagnostics.codes import CODES
from nesyc.server.complete.context import Context
from nesyc.server.complete.knowledge import (
    argument_proposals,
    column_proposals,
    kb_of,
    literal_proposals,
    type_proposals,
)
from nesyc.server.complete.proposal import Proposal, call, names, relation_call
from nesyc.server.complete.values import Slot, references


def task_of(context: Context, tables: Tables) -> TaskInfo | None:
    """The task that the cursor's declaration is, or is for."""
    if context.kind == "TASK":
        return tables.tasks.get(context.word_at(1))
    if context.kind == "EVALUATE":
        pipeline = tables.symbols.pipelines.get(context.word_at(3))
        return tables.tasks.get(pipeline.task.text) if pipeline else next(iter(tables.tasks.values()), None)
    for place, token in enumerate(context.tokens[:5]):
        if token.kind == "FOR" and context.word_at(place + 1) in tables.tasks:
            return tables.tasks[context.word_at(place + 1)]
    return next(iter(tables.tasks.values())) if len(tables.tasks) == 1 else None


def task_proposals(context: Context, tables: Tables, task: TaskInfo | None) -> Iterator[Proposal]:
    """The items of a task other than settings and values of the signature tables."""
    item, before = context.item_tokens, context.before
    if not item or before is None or task is None:
        return
    match item[0].kind:
        case "INPUT" | "OUTPUT" if context.inner:
            if before.kind in ("LPAR", "COMMA") and item[0].kind == "INPUT":
                for name, type_ in task.rows.items():
                    yield Proposal(f"{name}: {type_}", "field", "field of the row")
            yield from column_proposals(context, tables, None)
        case "PARSE":
            if before.kind == "PARSE":
                yield from fields(task.outputs, "output")
            elif before.kind == "AS":
                yield from type_proposals(tables)
        case "CLAIM":
            yield from _claim(context, tables, task)
        case "METRIC":
            if context.inner or before.kind == "GROUP":
                yield from metric_names(task)
        case _:
            return


def _claim(context: Context, tables: Tables, task: TaskInfo) -> Iterator[Proposal]:
    if context.inner:
        yield from metric_names(task)
        return
    for kb in tables.symbols.kbs.values():
        yield from (relation_call(relation) for relation in kb.scope.relations.values())


def metric_names(task: TaskInfo) -> Iterator[Proposal]:
    """Outputs, then fields of the row."""
    yield from fields(task.outputs, "output", 1)
    yield from fields(
        {name: type_ for name, type_ in task.rows.items() if name not in task.outputs}, "row", 3
    )


def fields(found: dict[str, Type] | object, what: str, order: int = 3) -> Iterator[Proposal]:
    assert isinstance(found, dict)
    for name, type_ in found.items():
        yield Proposal(name, "field", f"{what}: {type_}", order=order)


def raw_proposals(context: Context, tables: Tables, slot: Slot) -> Iterator[Proposal]:
    """Values that the signature tables leave to their own checks: queries, filters, searches."""
    kb = tables.symbols.kbs.get(context.word_at(5)) if context.kind == "RETRIEVE" else None
    task = task_of(context, tables)
    if context.kind != "RETRIEVE":
        return
    match slot.path:
        case ("query", *_):
            if task is not None:
                yield from fields(task.inputs, "input")
            yield from (call(CALLS[name], 6) for name in ITEM_FUNCTIONS)
        case ("where", *_):
            for relation in kb.scope.relations.values() if kb else ():
                if not relation.derived:
                    for column in relation.columns:
                        yield Proposal(column.name, "field", f"{relation.name}.{column.name}: {column.type}")
            yield from fields(IMPLICIT, "of every row", 4)
            yield from fields(QUESTION, "what is searched for", 4)
            yield from (call(CALLS[name], 6) for name in ITEM_FUNCTIONS)
        case ("search", *rest) if rest and kb is not None:
            vector = "nearest" in rest
            for relation in kb.scope.relations.values():
                found = (relation.nearest,) if vector else relation.fulltext
                for name in found:
                    if name:
                        yield Proposal(f"{relation.name}.{name}", "field", "indexed column", order=2)
                if relation.name in kb.says and not vector:
                    yield Proposal(relation.name, "relation", "by its sentence", order=3)
        case _:
            return


def evaluate_proposals(context: Context, tables: Tables) -> Iterator[Proposal]:
    """Scores after `report` and `require`, models after `compare`."""
    item = context.item_tokens
    if not item:
        return
    if item[0].kind in ("REPORT", "REQUIRE"):
        task = task_of(context, tables)
        if task is not None:
            yield from names("property", (metric.name.text for metric in task.node.metrics), "metric", 2)
        yield from names("property", BUILT_IN_SCORES, "score", 4)
    if item[0].kind == "REQUIRE":
        yield from names("variable", tables.params, "param", 5)
    if item[0].kind in ("COMPARE", "REQUIRE"):
        yield from references(context, tables, ("model", "student"))


def test_proposals(context: Context, tables: Tables) -> Iterator[Proposal]:
    """What a test expects."""
    item, before = context.item_tokens, context.before
    if not item or before is None or item[0].kind != "EXPECT":
        return
    kb, task = kb_of(context, tables), task_of(context, tables)
    if before.kind == "ERROR":
        for code in CODES.values():
            yield Proposal(code.code, "code", code.title)
    elif before.kind == "BY" and kb is not None:
        yield from names("name", (rule.name.text for rule in kb.rules), "rule")
    elif context.inner:
        frame = context.inner[-1]
        if kb is not None and frame.head in kb.scope.relations:
            yield from argument_proposals(context, kb, frame)
        elif task is not None and frame.head == "prompt":
            for name in task.inputs:
                if name not in frame.given:
                    yield Proposal(name, "property", "input", f"{name} = ", 2)
    elif before.kind in ("EXPECT", "NOT"):
        if kb is not None:
            yield from (one for one in literal_proposals(context, kb) if one.kind == "relation")
        if task is not None and before.kind == "EXPECT":
            yield Proposal("parse", "function", "what the parser makes of a response", 'parse("$1") == $2')
            yield Proposal("prompt", "function", "the prompt for an input", 'prompt($1) contains "$2"')


def item_enum(context: Context, tables: Tables) -> EnumInfo | None:
    """The enum of what a constant is compared with, in a metric, a filter or an expectation."""
    item = context.item_tokens
    place = len(item) - 1
    while place >= 0 and item[place].kind == "DOT":
        place -= 1
    if place < 1 or item[place].kind not in ("SAME", "DIFFERENT"):
        return None
    name = item[place - 1].text
    if context.kind == "RETRIEVE" and name in ("status", "origin"):
        return STATUSES if name == "status" else ORIGINS
    task = task_of(context, tables)
    type_: Type | None = None
    if context.kind == "TASK" and task is not None:
        type_ = task.outputs.get(name) or task.rows.get(name)
    elif context.kind == "TEST" and task is not None and name == ")":
        parsers = task.node.parsers
        type_ = task.outputs.get(parsers[0].output.text) if parsers else None
    elif context.kind == "RETRIEVE":
        kb = tables.symbols.kbs.get(context.word_at(5))
        columns = (
            [column for relation in kb.scope.relations.values() for column in relation.columns] if kb else []
        )
        type_ = next((column.type for column in columns if column.name == name), None)
    return tables.symbols.enums.get(type_.enum or "") if type_ is not None else None
