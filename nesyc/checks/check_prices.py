"""E0704: money is asked about while a teacher that costs some has no price."""

from __future__ import annotations

from collections.abc import Iterator

from nesyc.checks.kinds import Bound, Symbol
from nesyc.checks.references import dotted
from nesyc.checks.tables import Tables
from nesyc.diagnostics import Diagnostic, Help, Related
from nesyc.diagnostics.span import Span
from nesyc.syntax import nodes as ast

SERVERS = ("openai_compatible", "vllm")


def check_prices(tables: Tables) -> Iterator[Diagnostic]:
    """A spending limit of the teacher itself, or a `require` on the cost of a model that it helps to train."""
    for name, teacher in tables.symbols.teachers.items():
        bound = tables.blocks["teacher", name]
        if not _costs_without_price(bound):
            continue
        asked = _asked(tables, name, bound)
        if asked is not None:
            yield Diagnostic(
                "E0704",
                f"teacher `{name}` has no price",
                teacher.name.span,
                label="its calls cannot be counted in money",
                related=(Related(asked, "money is asked about here"),),
                help=Help(
                    "add `price = usd_per_million(input = ..., output = ...)`; 0 where it costs nothing"
                ),
            )


def _costs_without_price(bound: Bound) -> bool:
    endpoint = bound["endpoint"]
    return isinstance(endpoint, Bound) and endpoint.name in SERVERS and bound["price"] is None


def _asked(tables: Tables, name: str, bound: Bound) -> Span | None:
    limits = bound["limits"]
    if isinstance(limits, Bound) and limits["max_usd"] is not None:
        return limits.span_of("max_usd")
    users = {
        stage.pipeline
        for stage in tables.stages.values()
        for _, symbol in stage.symbols(("teacher",))
        if isinstance(symbol, Symbol) and symbol.id == name
    }
    for evaluate in tables.symbols.evaluates.values():
        path = dotted(evaluate.model)
        if path is None or path[0] not in users:
            continue
        for item in evaluate.items:
            if isinstance(item, ast.Require) and (place := _cost(item.condition)) is not None:
                return place
    return None


def _cost(expr: ast.Expr) -> Span | None:
    """Where an expression reads `cost_usd`."""
    match expr:
        case ast.Name(text="cost_usd"):
            return expr.span
        case ast.Member() if expr.name.text == "cost_usd":
            return expr.span
        case ast.Binary():
            return _cost(expr.left) or _cost(expr.right)
        case ast.Unary():
            return _cost(expr.operand)
        case _:
            return None
