"""Tasks: prompts against inputs, parsers against outputs, claims against relations, metrics against both."""

from __future__ import annotations

from collections.abc import Iterator

from nesyc.checks.check_datasets import check_fields
from nesyc.checks.check_schema import check_holes
from nesyc.checks.items import ItemTypes
from nesyc.checks.kb_symbols import check_type_ref, resolve_type
from nesyc.checks.kinds import POISON, Bound, CallOf
from nesyc.checks.messages import check_pattern, did_you_mean, duplicate, type_mismatch, unknown_name
from nesyc.checks.rule_types import RuleTypes
from nesyc.checks.scope import RelationInfo
from nesyc.checks.signatures import PARSERS, TRAINING_TASKS
from nesyc.checks.tables import Tables
from nesyc.checks.tasks import TaskInfo
from nesyc.checks.types import NUMERIC, Type, compatible
from nesyc.diagnostics import Diagnostic, Edit, Help, Related
from nesyc.diagnostics.span import Span
from nesyc.syntax import nodes as ast

RESERVED_HOLE = "retrieved"
METRICS = ("mean", "sum", "min", "max")


def check_tasks(tables: Tables) -> Iterator[Diagnostic]:
    """E0105, E0201 to E0204, E0301 to E0304, E0308, E0601 and E0602."""
    for task in tables.tasks.values():
        node = task.node
        yield from check_fields((*node.inputs, *node.outputs), "field")
        for column in (*node.inputs, *node.outputs):
            yield from check_type_ref(column.type, tables.symbols.enums)
        yield from _check_inputs(tables, task)
        yield from _check_prompts(tables, task)
        yield from _check_parsers(tables, task)
        for claim in node.claims:
            yield from _check_claim(tables, task, claim)
        yield from _check_metrics(tables, task)


def _check_inputs(tables: Tables, task: TaskInfo) -> Iterator[Diagnostic]:
    """An input is the row's field of its name."""
    dataset = tables.symbols.datasets.get(task.dataset)
    if task.open_rows or dataset is None:
        return
    declared = {column.name.text: column for column in dataset.row}
    for column in task.node.inputs:
        name, own = column.name.text, task.inputs[column.name.text]
        if name not in declared:
            yield unknown_name(f"field of dataset `{task.dataset}`", name, column.name.span, declared)
        elif not compatible(own, task.rows[name]):
            yield type_mismatch(
                f"{own}", f"{task.rows[name]} for `{name}`", column.type.span, declared[name].span
            )


def _check_prompts(tables: Tables, task: TaskInfo) -> Iterator[Diagnostic]:
    first: dict[str, Span] = {}
    names = (*task.inputs, RESERVED_HOLE)
    declared = task.node.inputs[0].span if task.node.inputs else task.node.name.span
    for prompt in task.node.prompts:
        variant = prompt.variant.name if prompt.variant else ""
        if prompt.variant is not None and variant not in TRAINING_TASKS:
            known = did_you_mean(variant, TRAINING_TASKS, prompt.variant.span, prefix=".")
            message = f"there is no training task `.{variant}`"
            notes = (f"they are {', '.join(f'.{name}' for name in TRAINING_TASKS)}",)
            yield Diagnostic("E0303", message, prompt.variant.span, "unknown", (), notes, known)
        if variant in first:
            yield duplicate("prompt", f".{variant}" if variant else "prompt", prompt.span, first[variant])
        first.setdefault(variant, prompt.span)
        # The prompt of a training task may show the reasoning it takes as given.
        allowed = (*names, "reasoning") if variant else names
        yield from check_holes(tables, prompt.text, allowed, f"input of task `{task.name}`", declared)
    if "" not in first:
        help_ = Help('add `prompt = """..."""` with a `{hole}` for each input')
        message = f"task `{task.name}` has no prompt"
        yield Diagnostic("E0105", message, task.node.name.span, "`prompt` is missing", help=help_)


def _check_parsers(tables: Tables, task: TaskInfo) -> Iterator[Diagnostic]:
    first: dict[str, Span] = {}
    for parse in task.node.parsers:
        name = parse.output.text
        if name not in task.outputs:
            yield unknown_name(f"output of task `{task.name}`", name, parse.output.span, task.outputs)
        elif name in first:
            yield duplicate("parser of", name, parse.output.span, first[name])
        first.setdefault(name, parse.output.span)
        resolver = tables.resolver()
        bound = resolver.value(CallOf(PARSERS), parse.parser, f"the parser of `{name}`")
        yield from resolver.problems
        type_ = task.outputs.get(name)
        if parse.type is not None:
            yield from check_type_ref(parse.type, tables.symbols.enums)
            written = resolve_type(parse.type, tables.symbols.enums)
            if type_ is not None and not compatible(written, type_):
                column = next(item for item in task.node.outputs if item.name.text == name)
                related = (Related(column.span, "declared here"),)
                message = f"the parser gives {written}, output `{name}` is {type_}"
                help_ = Help(f"write `as {type_}`", (Edit(parse.type.span, str(type_)),))
                yield Diagnostic("E0601", message, parse.type.span, f"{written}", related, help=help_)
                continue
        if isinstance(bound, Bound) and type_ is not None:
            yield from _can_produce(bound, type_, name)
    yield from _unparsed(task, first)


def _unparsed(task: TaskInfo, parsed: dict[str, Span]) -> Iterator[Diagnostic]:
    """Every output but `reasoning` (the text before the answer) has a parser."""
    for column in task.node.outputs:
        name = column.name.text
        if name not in parsed and name != "reasoning":
            help_ = Help(f'add `parse {name} = last_match("...") as {column.type.name.text}`')
            message = f"output `{name}` has no parser"
            names = frozenset((f"parse {name}",))
            yield Diagnostic("E0105", message, column.name.span, "never parsed", help=help_, names=names)


def _can_produce(bound: Bound, type_: Type, name: str) -> Iterator[Diagnostic]:
    pattern = bound.values.get("pattern")
    if isinstance(pattern, str):
        yield from check_pattern(ast.Text(pattern, bound.span_of("pattern")), "E0601")
    impossible = {
        "number": type_.base not in NUMERIC | {"text", "unknown"},
        "choice": type_.base not in ("enum", "text", "unknown"),
    }
    if type_.base == "vector" or impossible.get(bound.name, False):
        message = f"`{bound.name}` cannot give {type_} for `{name}`"
        yield Diagnostic("E0601", message, bound.span, f"no way to {type_}")


def find_claim_relation(tables: Tables, claim: ast.Atom) -> tuple[str, RelationInfo] | None:
    """(kb, relation) that a claim states; the first KB that has it."""
    for kb in tables.symbols.kbs.values():
        relation = kb.scope.relations.get(claim.relation.text)
        if relation is not None:
            return kb.name, relation
    return None


def _check_claim(tables: Tables, task: TaskInfo, claim: ast.Atom) -> Iterator[Diagnostic]:
    found = find_claim_relation(tables, claim)
    if found is None:
        known = [name for kb in tables.symbols.kbs.values() for name in kb.nodes]
        yield unknown_name("relation", claim.relation.text, claim.relation.span, known)
        return
    scope = tables.symbols.kbs[found[0]].scope
    typing = RuleTypes(scope)
    for argument in claim.arguments:
        if isinstance(argument, ast.Name):
            type_ = task.claim_type(argument.text)
            if type_ is None:
                fields = (*task.outputs, *task.inputs, *task.rows)
                yield unknown_name(f"field of task `{task.name}`", argument.text, argument.span, fields)
                return
            typing.types[argument.text] = type_
    typing.check_atom(claim)
    yield from typing.problems


def _check_metrics(tables: Tables, task: TaskInfo) -> Iterator[Diagnostic]:
    first: dict[str, Span] = {}
    for place, metric in enumerate(task.node.metrics):
        name = metric.name
        if name.text in first:
            yield duplicate("metric", name.text, name.span, first[name.text])
        first.setdefault(name.text, name.span)
        items = ItemTypes(
            task.metric_name,
            (*task.outputs, *task.rows, *task.inputs),
            tables.symbols.enums,
            tables.params,
            code="E0602",
        )
        resolver = tables.resolver()
        bound = resolver.value(CallOf(METRICS), metric.value, f"metric `{name.text}`")
        yield from resolver.problems
        if isinstance(bound, Bound) and bound["value"] is not POISON:
            value = bound["value"]
            type_ = items.type_of(value)
            if type_.base not in NUMERIC | {"bool", "unknown"}:
                message = f"`{bound.name}` needs a number or a bool, this is {type_}"
                items.problems.append(Diagnostic("E0602", message, value.span, f"this is {type_}"))
            elif place == 0 and (bound.name != "mean" or type_.base not in ("bool", "unknown")):
                message = "the first metric is an item's verdict: a `mean` of a bool"
                help_ = Help("begin with `metric accuracy = mean(answer == label)`")
                items.problems.append(
                    Diagnostic("E0602", message, metric.value.span, "no verdict", help=help_)
                )
        if metric.group is not None:
            items.type_of(metric.group)
        yield from items.problems
