"""One value of a fact in the text: checked against its column, as it is stored."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from nesyc.checks.constants import BadArithmeticError, Constant, NotConstantError, fold
from nesyc.checks.messages import type_mismatch
from nesyc.checks.rule_types import RuleTypes
from nesyc.checks.scope import ColumnInfo, RuleScope
from nesyc.checks.types import NULL, Type, assignable, fits_integer, is_date
from nesyc.checks.value_words import describe
from nesyc.diagnostics import Diagnostic, Edit, Help, Related, counted
from nesyc.syntax import nodes as ast


def fact_value(
    expr: ast.Expr,
    column: ColumnInfo,
    scope: RuleScope,
    constants: Mapping[str, Constant],
    problems: list[Diagnostic],
) -> Any:
    """The value of a fact's column as it is stored; what does not fit goes to `problems`."""
    problems.extend(_value_problems(expr, column, scope, constants))
    match expr:
        case ast.EnumConstant():
            return expr.name
        case ast.Null():
            return None
        case ast.ListOf():
            return [_folded(item, constants) for item in expr.items]
        case ast.Text() if scope.text_enums and column.type.base == "enum":
            return expr.value.removeprefix(".")
        case _:
            value = _folded(expr, constants)
            is_float = (
                column.type.base in ("number", "usd")
                and isinstance(value, int)
                and not isinstance(value, bool)
            )
            return float(value) if is_float else value


def _folded(expr: ast.Expr, constants: Mapping[str, Constant]) -> Any:
    try:
        return fold(expr, constants).value
    except (NotConstantError, BadArithmeticError):
        return None


def _value_problems(
    expr: ast.Expr, column: ColumnInfo, scope: RuleScope, constants: Mapping[str, Constant]
) -> Iterator[Diagnostic]:
    wanted = column.type
    if wanted.base == "vector":
        yield from _vector_problems(expr, column)
        return
    if isinstance(expr, (ast.EnumConstant, ast.Text, ast.Null)):
        typing = RuleTypes(scope)
        typing.constant(expr, wanted, column, nulls=True)
        yield from typing.problems
        return
    related = (Related(column.span, f"column `{column.name}` is declared here"),) if column.span else ()
    try:
        constant = fold(expr, constants)
    except BadArithmeticError as error:
        yield Diagnostic("E0302", error.message, error.span, "in this arithmetic", related)
        return
    except NotConstantError:
        yield _not_constant(expr, wanted, scope, related)
        return
    if wanted.base == "date" and constant.base == "text" and is_date(str(constant.value)):
        return
    if wanted.base == "int" and not fits_integer(constant.value):
        yield Diagnostic("E0302", "an int has at most 64 bits", expr.span, "too large", related)
    elif not assignable(Type(constant.base), wanted) and wanted.base != "json":
        yield type_mismatch(constant.base, f"{wanted} for `{column.name}`", expr.span, column.span)


def _not_constant(expr: ast.Expr, wanted: Type, scope: RuleScope, related: tuple[Related, ...]) -> Diagnostic:
    if isinstance(expr, ast.Name):
        enum = scope.enums.get(wanted.enum or "")
        mended = f".{expr.text}" if enum and expr.text in enum.constants else f'"{expr.text}"'
        help_ = Help(f"write `{mended}`", (Edit(expr.span, mended),))
        return Diagnostic(
            "E0302",
            f"a fact holds constants, `{expr.text}` is a name",
            expr.span,
            "a name",
            related,
            (),
            help_,
        )
    message = f"a fact holds constants, found {describe(expr)}"
    return Diagnostic("E0302", message, expr.span, "no constant", related)


def _vector_problems(expr: ast.Expr, column: ColumnInfo) -> Iterator[Diagnostic]:
    if isinstance(expr, ast.Null) and (column.computed or assignable(NULL, column.type)):
        return
    if not isinstance(expr, ast.ListOf):
        yield type_mismatch(describe(expr), f"{column.type} for `{column.name}`", expr.span, column.span)
        return
    size = column.type.size
    if size is not None and len(expr.items) != size:
        related = (Related(column.span, f"column `{column.name}` is {column.type}"),) if column.span else ()
        message = f"a vector of {counted(len(expr.items), 'number')}, `{column.name}` has {size}"
        yield Diagnostic("E0306", message, expr.span, "another size", related)
    for item in expr.items:
        if not isinstance(item, (ast.Number, ast.Unary)):
            yield type_mismatch(describe(item), "a number", item.span, column.span)
