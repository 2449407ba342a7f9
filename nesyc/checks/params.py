"""Values of `param` declarations: from the file, then the profile, then the command line."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from nesyc.checks.constants import BadArithmeticError, Constant, NotConstantError, fold
from nesyc.checks.kb_symbols import check_type_ref
from nesyc.checks.messages import one_of, type_mismatch, unknown_constant, unknown_name
from nesyc.checks.scope import EnumInfo
from nesyc.checks.types import BASES, is_date
from nesyc.checks.value_words import describe, fits
from nesyc.diagnostics import Diagnostic, Help, Related, near_names
from nesyc.parsing.given import PARAM, Given
from nesyc.syntax import nodes as ast


def resolve_params(
    params: Mapping[str, ast.Param],
    enums: Mapping[str, EnumInfo],
    profile: Mapping[str, Given],
    options: Mapping[str, Given],
    problems: list[Diagnostic],
) -> dict[str, Constant]:
    """The constant of each param, its span where its value stands. `options` win over `profile` over the file.

    E0207 for a param without a value, E0302 or E0303 for one of another type, E0201 for a name no param has.
    """
    constants: dict[str, Constant] = {}
    given = {**profile, **options}
    for name, one in given.items():
        if name not in params:
            problems.append(unknown_name("param", name, one.name, params))
    for name, param in params.items():
        problems.extend(check_type_ref(param.type, enums))
        base = param.type.name.text
        if base not in BASES and base not in enums:
            constants[name] = Constant("unknown", None, param.span, known=False)
            continue
        span = given[name].span if name in given else param.value.span if param.value else param.span
        found = len(problems)
        value = _value(param, base, given.get(name), constants, enums, problems)
        known = value is not None or (param.type.nullable and len(problems) == found)
        constants[name] = Constant("text" if base in enums else base, value, span, known)
    return constants


def _value(
    param: ast.Param,
    base: str,
    given: Given | None,
    constants: Mapping[str, Constant],
    enums: Mapping[str, EnumInfo],
    problems: list[Diagnostic],
) -> Any:
    """The value given, else the one written; None with a problem where it is wrong, without one where it is null."""
    if given is not None:
        return _outside(param, base, given, enums, problems)
    if param.value is not None:
        return _written(param, base, constants, enums, problems)
    if not param.type.nullable:
        problems.append(_without_value(param))
    return None


def _outside(
    param: ast.Param, base: str, given: Given, enums: Mapping[str, EnumInfo], problems: list[Diagnostic]
) -> Any:
    """A value from outside the file: text of the command line, or what YAML made of it."""
    is_null = given.value is None or (given.value == "null" and base != "text" and given.span.file == PARAM)
    if is_null and param.type.nullable:
        return None
    value = None if is_null else _parse(given.value, base, enums)
    if value is None:
        name, shown = param.name.text, "null" if is_null else given.value
        related = (Related(param.type.span, f"`{name}` is declared {base} here"),)
        message = f"param `{name}` is {base}, found `{shown}`"
        code, help_ = ("E0303", _near(shown, enums[base])) if base in enums else ("E0302", None)
        problems.append(Diagnostic(code, message, given.span, f"not of type {base}", related, help=help_))
    return value


def _near(word: object, enum: EnumInfo) -> Help | None:
    near = near_names(str(word), enum.constants)
    return Help(f"did you mean {one_of(f'`{name}`' for name in near)}?") if near else None


def _without_value(param: ast.Param) -> Diagnostic:
    name = param.name.text
    return Diagnostic(
        "E0207",
        f"param `{name}` has no value",
        param.name.span,
        label="no value",
        help=Help(
            f"give it one here, in a profile of nesyc.yaml, or on the command line: --param {name}=..."
        ),
    )


def _written(
    param: ast.Param,
    base: str,
    constants: Mapping[str, Constant],
    enums: Mapping[str, EnumInfo],
    problems: list[Diagnostic],
) -> Any:
    expr = param.value
    assert expr is not None
    if isinstance(expr, ast.Null) and param.type.nullable:
        return None
    if isinstance(expr, ast.EnumConstant) and base in enums:
        enum = enums[base]
        if not enum.has(expr.name):
            problems.append(unknown_constant(enum.name, expr.name, expr.span, enum.constants, enum.span))
        return expr.name if enum.has(expr.name) else None
    try:
        constant = fold(expr, constants)
    except (NotConstantError, BadArithmeticError):
        problems.append(type_mismatch(describe(expr), base, expr.span, param.type.span))
        return None
    if not constant.known:
        return None
    if base == "date" and constant.base == "text":
        if is_date(str(constant.value)):
            return constant.value
        problems.append(type_mismatch(f"`{constant.value}`", base, expr.span, param.type.span))
        return None
    if not fits(constant.base, base) and base not in enums:
        problems.append(type_mismatch(constant.base, base, expr.span, param.type.span))
        return None
    return float(str(constant.value)) if base in ("number", "usd") else constant.value


def _parse(value: object, base: str, enums: Mapping[str, EnumInfo]) -> Any:
    text = str(value).strip()
    if base in enums:
        word = text.removeprefix(".")
        return word if enums[base].has(word) else None
    try:
        match base:
            case "bool":
                return {"true": True, "false": False}.get(text.lower())
            case "int":
                return None if isinstance(value, (bool, float)) else int(text)
            case "number" | "usd":
                number = float("nan") if isinstance(value, bool) else float(text)
                return number if math.isfinite(number) else None
            case "date":
                return text if is_date(text) else None
            case _:
                return str(value)
    except ValueError:
        return None
