"""Values of `param` declarations: from the file, then the profile, then the command line."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from nesyc.checks.constants import BadArithmeticError, Constant, NotConstantError, fold
from nesyc.checks.kb_symbols import check_type_ref
from nesyc.checks.messages import type_mismatch, unknown_name
from nesyc.checks.scope import EnumInfo
from nesyc.checks.types import BASES, is_date
from nesyc.checks.value_words import describe, fits
from nesyc.diagnostics import Diagnostic, Help
from nesyc.diagnostics.span import Span
from nesyc.syntax import nodes as ast


def resolve_params(
    params: Mapping[str, ast.Param],
    enums: Mapping[str, EnumInfo],
    profile: Mapping[str, object],
    given: Mapping[str, object],
    start: Span,
    problems: list[Diagnostic],
) -> dict[str, Constant]:
    """The constant of each param. `given` (the command line, as text) wins over `profile` over the file.

    E0207 for a param without a value, E0302 for one of another type, E0201 for a name no param has
    (reported at `start`, the head of the main file).
    """
    constants: dict[str, Constant] = {}
    for source, values in (("profile", profile), ("--param", given)):
        for name in values:
            if name not in params:
                problems.append(unknown_name("param", name, start, params, (f"it is given by {source}",)))
    for name, param in params.items():
        problems.extend(check_type_ref(param.type, enums))
        base = param.type.name.text
        if base not in BASES and base not in enums:
            constants[name] = Constant("unknown", None, param.span, known=False)
            continue
        if name in given:
            value = _convert(given[name], base, param, enums, "--param", problems)
        elif name in profile:
            value = _convert(profile[name], base, param, enums, "the profile", problems)
        elif param.value is not None:
            value = _written(param, base, constants, enums, problems)
        else:
            value = None
            if not param.type.nullable:
                problems.append(_without_value(param))
        known = value is not None or (param.type.nullable and name not in {**profile, **given})
        constants[name] = Constant("text" if base in enums else base, value, param.span, known)
    return constants


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
        return _convert(expr.name, base, param, enums, "the file", problems, expr.span)
    try:
        constant = fold(expr, constants)
    except (NotConstantError, BadArithmeticError):
        problems.append(type_mismatch(describe(expr), base, expr.span, param.type.span))
        return None
    if not constant.known:
        return None
    if base == "date" and constant.base == "text":
        return _convert(constant.value, base, param, enums, "the file", problems, expr.span)
    if not fits(constant.base, base) and base not in enums:
        problems.append(type_mismatch(constant.base, base, expr.span, param.type.span))
        return None
    return float(str(constant.value)) if base in ("number", "usd") else constant.value


def _convert(
    value: object,
    base: str,
    param: ast.Param,
    enums: Mapping[str, EnumInfo],
    source: str,
    problems: list[Diagnostic],
    span: Span | None = None,
) -> Any:
    """A value from outside the file: text of the command line, or what YAML made of it."""
    converted = _parse(value, base, enums)
    if converted is None:
        message = f"param `{param.name.text}` is {base}, {source} gives `{value}`"
        code = "E0303" if base in enums else "E0302"
        problems.append(Diagnostic(code, message, span or param.name.span, label=f"declared as {base}"))
    return converted


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
