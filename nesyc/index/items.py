"""The names in expressions over one item: metrics, claims, queries and filters, requirements."""

from __future__ import annotations

from collections.abc import Callable

from nesyc.checks.references import dotted
from nesyc.checks.types import Type
from nesyc.diagnostics.span import Span
from nesyc.index.collect import Collector
from nesyc.index.model import SymbolId
from nesyc.syntax import nodes as ast

Named = list[tuple[SymbolId, Span]]
Find = Callable[[ast.Name | ast.Member, tuple[str, ...]], tuple[Named, Type | None]]
"""What a dotted name means: the symbols of its parts, and the type of the whole."""


def index_item(to: Collector, expr: ast.Expr, find: Find) -> Type | None:
    """Note the names and constants of `expr`; the type, where it is a name."""
    match expr:
        case ast.Name() | ast.Member():
            path = dotted(expr)
            named, type_ = find(expr, path) if path else ([], None)
            for symbol, span in named:
                to.use(symbol, span)
            if not named and isinstance(expr, ast.Name) and expr.text in to.tables.symbols.params:
                to.use(SymbolId("param", expr.text), expr.span)
            return type_
        case ast.Binary():
            left, right = index_item(to, expr.left, find), index_item(to, expr.right, find)
            for side, type_ in ((expr.left, right), (expr.right, left)):
                if isinstance(side, ast.EnumConstant) and type_ is not None:
                    to.constant(type_.enum, side)
        case ast.Unary():
            index_item(to, expr.operand, find)
        case ast.Call():
            for argument in expr.arguments:
                index_item(to, argument.value, find)
        case ast.ListOf() | ast.TupleOf():
            for item in expr.items:
                index_item(to, item, find)
        case _:
            return None
    return None


def last_span(expr: ast.Name | ast.Member) -> Span:
    """The place of the last part of a dotted name."""
    return expr.name.span if isinstance(expr, ast.Member) else expr.span


def first_name(expr: ast.Expr) -> ast.Name | None:
    """The first part of a dotted name."""
    while isinstance(expr, ast.Member):
        expr = expr.of
    return expr if isinstance(expr, ast.Name) else None
