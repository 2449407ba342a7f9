"""Makes the nodes of expressions; see `nesyc.parsing.build`."""

from __future__ import annotations

from typing import Any

from nesyc.diagnostics.span import Span
from nesyc.parsing.context import Context
from nesyc.syntax import nodes

Items = list[Any]
AGGREGATES = ("count", "sum", "min", "max", "avg")


def binary(context: Context, items: Items, span: Span) -> nodes.Binary:
    left, operator, right = items
    return nodes.Binary(operator.text, left, right, span)


def unary(context: Context, items: Items, span: Span) -> nodes.Unary | nodes.Number:
    operator, operand = items
    if operator.text == "-" and isinstance(operand, nodes.Number) and operand.span.start == operator.end:
        return nodes.Number(-operand.value, span)  # `-0.5` is one number, `- 0.5` and `-(0.5)` are not
    return nodes.Unary(operator.text, operand, span)


def member(context: Context, items: Items, span: Span) -> nodes.Member:
    return nodes.Member(items[0], items[1], span)


def number(context: Context, items: Items, span: Span) -> nodes.Number:
    return nodes.Number(context.number(items[0].text, span), span)


def signed(context: Context, items: Items, span: Span) -> nodes.Number:
    value = context.number(items[-1].text, span)
    return nodes.Number(-value if len(items) == 2 else value, span)


def boolean(context: Context, items: Items, span: Span) -> nodes.Bool:
    return nodes.Bool(items[0].text == "true", span)


def null(context: Context, items: Items, span: Span) -> nodes.Null:
    return nodes.Null(span)


def wildcard(context: Context, items: Items, span: Span) -> nodes.Wildcard:
    return nodes.Wildcard(span)


def constant(context: Context, items: Items, span: Span) -> nodes.EnumConstant:
    return nodes.EnumConstant(items[0].text, span)


def variable(context: Context, items: Items, span: Span) -> nodes.Name:
    return nodes.Name(items[0].text, span)


def text(context: Context, items: Items, span: Span) -> nodes.Text:
    return context.text(items[0], span)


def aggregate(context: Context, items: Items, span: Span) -> nodes.Aggregate:
    function, term, *body = items
    context.known_aggregate(function, AGGREGATES)
    return nodes.Aggregate(function.text, term, tuple(body), span)


def list_of(context: Context, items: Items, span: Span) -> nodes.ListOf:
    return nodes.ListOf(tuple(items) if items != [None] else (), span)


def tuple_of(context: Context, items: Items, span: Span) -> nodes.TupleOf:
    return nodes.TupleOf(tuple(items), span)


def map_of(context: Context, items: Items, span: Span) -> nodes.MapOf:
    return nodes.MapOf(tuple(items), span)


def group(context: Context, items: Items, span: Span) -> nodes.Expr:
    inner: nodes.Expr = items[0]  # the brackets belong to the span of what stands around them
    return inner


def call(context: Context, items: Items, span: Span) -> nodes.Call:
    return nodes.Call(items[0], items[1] or (), span)


def arguments(context: Context, items: Items, span: Span) -> tuple[nodes.Argument, ...]:
    return tuple(items)


def argument(context: Context, items: Items, span: Span) -> nodes.Argument:
    return nodes.Argument(None, items[0], span)


def named_argument(context: Context, items: Items, span: Span) -> nodes.Argument:
    return nodes.Argument(items[0], items[1], span)
