"""Constant folding: what an expression of literals and parameters is worth, known before anything runs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from nesyc.diagnostics.span import Span
from nesyc.syntax import nodes as ast

Value = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Constant:
    """`base` is its base type; `value` None where only the type is known (a parameter of an unused method)."""

    base: str
    value: Value
    span: Span
    known: bool = True


class NotConstantError(Exception):
    """The expression is no constant."""


class BadArithmeticError(Exception):
    """The expression is a constant expression without a value: text where a number is due, x / 0."""

    def __init__(self, message: str, span: Span) -> None:
        super().__init__(message)
        self.message = message
        self.span = span


def fold(expr: ast.Expr, constants: Mapping[str, Constant]) -> Constant:
    """The value of `expr`. Raises `NotConstantError`, or `BadArithmeticError` where it has none."""
    match expr:
        case ast.Text():
            return Constant("text", expr.value, expr.span)
        case ast.Number():
            return Constant("int" if isinstance(expr.value, int) else "number", expr.value, expr.span)
        case ast.Bool():
            return Constant("bool", expr.value, expr.span)
        case ast.Name() if expr.text in constants:
            found = constants[expr.text]
            return Constant(found.base, found.value, expr.span, found.known)
        case ast.Unary(operator="-"):
            operand = _number(fold(expr.operand, constants))
            return Constant(operand.base, -_value(operand), expr.span, operand.known)
        case ast.Binary(operator="+" | "-" | "*" | "/" | "%"):
            left, right = _number(fold(expr.left, constants)), _number(fold(expr.right, constants))
            return _arithmetic(expr, left, right)
        case _:
            raise NotConstantError


def _number(constant: Constant) -> Constant:
    if constant.base not in ("int", "number", "usd"):
        raise BadArithmeticError(f"arithmetic needs numbers, this is {constant.base}", constant.span)
    return constant


def _value(constant: Constant) -> int | float:
    value = constant.value
    return value if isinstance(value, (int, float)) else 1


def _arithmetic(expr: ast.Binary, left: Constant, right: Constant) -> Constant:
    known = left.known and right.known
    bases = {left.base, right.base}
    base = "usd" if "usd" in bases else "number" if "number" in bases or expr.operator == "/" else "int"
    a, b = _value(left), _value(right)
    if expr.operator in "/%" and b == 0:
        raise BadArithmeticError("this divides by zero", expr.span)
    try:
        match expr.operator:
            case "+":
                value = a + b
            case "-":
                value = a - b
            case "*":
                value = a * b
            case "/":
                value = a / b
            case _:
                value = a % b
    except OverflowError:
        value = math.inf
    if isinstance(value, float):
        # 1 - 0.7 is meant as 0.3: twelve digits hide what binary fractions add.
        value = float(f"{value:.12g}")
    if isinstance(value, float) and not math.isfinite(value):
        raise BadArithmeticError("this number is too large", expr.span)
    return Constant(base, value if known else None, expr.span, known)
