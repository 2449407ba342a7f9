"""Makes the nodes: one function for each production of grammar/nesy.lark, named like it.

A function takes what the production holds (parts that are absent as None, keywords and signs left
out) and the span from its first to its last token. What the grammar cannot say is reported here.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeVar

from nesyc.diagnostics.span import Span
from nesyc.parsing import expressions, knowledge
from nesyc.parsing.context import Context
from nesyc.parsing.lexer import Token
from nesyc.syntax import nodes

Items = list[Any]
N = TypeVar("N")


def _all(items: Iterable[Any], kind: type[N]) -> tuple[N, ...]:
    return tuple(item for item in items if isinstance(item, kind))


# --- files --------------------------------------------------------------------------------------


def file(context: Context, items: Items, span: Span) -> nodes.File:
    edition, *declarations = items
    return nodes.File(context.file, edition, None, tuple(declarations), (), span)


def fragment_file(context: Context, items: Items, span: Span) -> nodes.File:
    edition, fragment_of, *found = items
    return nodes.File(context.file, edition, fragment_of, (), tuple(found), span)


def edition(context: Context, items: Items, span: Span) -> int | None:
    context.editions.append(span)
    return context.whole_number(items[0])


def fragment(context: Context, items: Items, span: Span) -> nodes.Ident:
    name: nodes.Ident = items[0]
    return name


def include(context: Context, items: Items, span: Span) -> nodes.Include:
    return nodes.Include(items[0], span)


def allow(context: Context, items: Items, span: Span) -> nodes.Allow:
    return nodes.Allow(items[0], items[1], span)


def param(context: Context, items: Items, span: Span) -> nodes.Param:
    return nodes.Param(items[0], items[1], items[2], span)


def enum(context: Context, items: Items, span: Span) -> nodes.Enum:
    return nodes.Enum(items[0], tuple(items[1:]), span)


# --- models and data ----------------------------------------------------------------------------


def teacher(context: Context, items: Items, span: Span) -> nodes.Teacher:
    return nodes.Teacher(items[0], tuple(items[1:]), span)


def student(context: Context, items: Items, span: Span) -> nodes.Student:
    return nodes.Student(items[0], tuple(items[1:]), span)


def embedder(context: Context, items: Items, span: Span) -> nodes.Embedder:
    return nodes.Embedder(items[0], tuple(items[1:]), span)


def setting(context: Context, items: Items, span: Span) -> nodes.Setting:
    return nodes.Setting(items[0], items[1], span)


def dataset(context: Context, items: Items, span: Span) -> nodes.Dataset:
    rows = _all(items, tuple)
    context.only_once("row", [column for columns in rows[1:] for column in columns])
    row: tuple[nodes.Column, ...] = rows[0] if rows else ()
    return nodes.Dataset(items[0], row, _all(items, nodes.Split), _all(items, nodes.Setting), span)


def row(context: Context, items: Items, span: Span) -> tuple[nodes.Column, ...]:
    return tuple(items)


def split(context: Context, items: Items, span: Span) -> nodes.Split:
    return nodes.Split(items[0], items[1], span)


def column(context: Context, items: Items, span: Span) -> nodes.Column:
    name, type_, references, key, value = items
    return nodes.Column(name, type_, references, value, key is not None, span)


def type_ref(context: Context, items: Items, span: Span) -> nodes.TypeRef:
    name, size, question = items
    return nodes.TypeRef(name, context.whole_number(size) if size else None, question is not None, span)


# --- tasks --------------------------------------------------------------------------------------


def task(context: Context, items: Items, span: Span) -> nodes.Task:
    name, dataset, *parts = items
    inputs = [part for part in parts if isinstance(part, list)]
    outputs = _all(parts, tuple)
    context.only_once("input", [column for columns in inputs[1:] for column in columns])
    context.only_once("output", [column for columns in outputs[1:] for column in columns])
    return nodes.Task(
        name,
        dataset,
        tuple(inputs[0]) if inputs else (),
        outputs[0] if outputs else (),
        _all(parts, nodes.Prompt),
        _all(parts, nodes.Parse),
        _all(parts, nodes.Atom),
        _all(parts, nodes.Metric),
        _all(parts, nodes.Setting),
        span,
    )


def inputs(context: Context, items: Items, span: Span) -> list[nodes.Column]:
    return items  # a list, so that `task` can tell it from `outputs`


def outputs(context: Context, items: Items, span: Span) -> tuple[nodes.Column, ...]:
    return tuple(items)


def prompt(context: Context, items: Items, span: Span) -> nodes.Prompt:
    return nodes.Prompt(items[0], items[1], span)


def parse(context: Context, items: Items, span: Span) -> nodes.Parse:
    return nodes.Parse(items[0], items[1], items[2], span)


def claim(context: Context, items: Items, span: Span) -> nodes.Atom:
    return context.atom(items[0])


def metric(context: Context, items: Items, span: Span) -> nodes.Metric:
    return nodes.Metric(items[0], items[1], items[2], span)


# --- use ----------------------------------------------------------------------------------------


def retrieve(context: Context, items: Items, span: Span) -> nodes.Retrieve:
    return nodes.Retrieve(items[0], items[1], items[2], tuple(items[3:]), span)


def answer(context: Context, items: Items, span: Span) -> nodes.Answer:
    return nodes.Answer(items[0], items[1], tuple(items[2:]), span)


def method(context: Context, items: Items, span: Span) -> nodes.Method:
    return nodes.Method(items[0], items[1] or (), tuple(items[2:]), span)


def method_params(context: Context, items: Items, span: Span) -> tuple[nodes.MethodParam, ...]:
    return tuple(items)


def method_param(context: Context, items: Items, span: Span) -> nodes.MethodParam:
    return nodes.MethodParam(items[0], items[1], items[2], span)


def pipeline(context: Context, items: Items, span: Span) -> nodes.Pipeline:
    return nodes.Pipeline(items[0], items[1], tuple(items[2:]), None, span)


def method_use(context: Context, items: Items, span: Span) -> nodes.Pipeline:
    return nodes.Pipeline(items[0], items[1], (), items[2], span)


def stage(context: Context, items: Items, span: Span) -> nodes.Stage:
    return nodes.Stage(items[0], items[1], span)


def evaluate(context: Context, items: Items, span: Span) -> nodes.Evaluate:
    return nodes.Evaluate(items[0], items[1], items[2], tuple(items[3:]), span)


def report(context: Context, items: Items, span: Span) -> nodes.Report:
    return nodes.Report(tuple(items), span)


def compare(context: Context, items: Items, span: Span) -> nodes.Compare:
    return nodes.Compare(tuple(items), None, span)


def compare_with(context: Context, items: Items, span: Span) -> nodes.Compare:
    return nodes.Compare(tuple(items[:-1]), items[-1], span)


def require(context: Context, items: Items, span: Span) -> nodes.Require:
    return nodes.Require(items[0], span)


def path(context: Context, items: Items, span: Span) -> nodes.Name | nodes.Member:
    found: nodes.Name | nodes.Member = nodes.Name(items[0].text, items[0].span)
    for name in items[1:]:
        found = nodes.Member(found, name, Span(span.file, span.start, name.span.end))
    return found


# --- tests --------------------------------------------------------------------------------------


def test(context: Context, items: Items, span: Span) -> nodes.Test:
    name, target, *parts = items
    givens = _all(parts, nodes.Given)
    expectations = tuple(part for part in parts if not isinstance(part, nodes.Given))
    return nodes.Test(name, target, givens, expectations, span)


def given(context: Context, items: Items, span: Span) -> nodes.Given:
    return nodes.Given(items[0], span)


def expect_fact(context: Context, items: Items, span: Span) -> nodes.ExpectFact:
    negated, call, low, high, by = items
    return nodes.ExpectFact(negated is not None, context.atom(call), low, high, by, span)


def expect_error(context: Context, items: Items, span: Span) -> nodes.ExpectError:
    return nodes.ExpectError(items[0], span)


def expect_value(context: Context, items: Items, span: Span) -> nodes.ExpectValue:
    left, operator, right = items
    return nodes.ExpectValue(left, operator.text, right, span)


# --- names and starts ---------------------------------------------------------------------------


def word(context: Context, items: list[Token], span: Span) -> nodes.Ident:
    return nodes.Ident(items[0].text, span)


guarded = word


def query(context: Context, items: Items, span: Span) -> tuple[nodes.Literal, ...]:
    return tuple(items)


def fact(context: Context, items: Items, span: Span) -> nodes.Atom:
    return context.atom(items[0])


def part(context: Context, items: Items, span: Span) -> Any:
    return items[0]


setting_part = dataset_part = task_part = kb_part = evaluate_part = test_part = stage_part = part

BUILDERS = {
    name: function
    for name, function in {**vars(expressions), **vars(knowledge), **globals()}.items()
    if callable(function) and name.islower() and not name.startswith("_")
}
