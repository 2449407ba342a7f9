"""Methods: a pipeline that calls one becomes the method's stages with its arguments written in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any

from nesyc.checks.messages import did_you_mean, unknown_name
from nesyc.diagnostics import Diagnostic, Related
from nesyc.diagnostics.span import Span
from nesyc.syntax import nodes as ast

METHOD_KINDS = (
    "teacher",
    "student",
    "embedder",
    "split",
    "relation",
    "retrieve",
    "kb",
    "model",
    "examples",
    "errors",
    "entries",
    "rules",
)
METHOD_SCALARS = ("text", "int", "number", "bool", "usd")


@dataclass(frozen=True, slots=True)
class Expanded:
    """A pipeline's stages; `method` and `arguments` (by parameter) where a method gave them."""

    stages: tuple[ast.Stage, ...]
    method: ast.Method | None
    arguments: Mapping[str, ast.Expr]


def expand(pipeline: ast.Pipeline, methods: Mapping[str, ast.Method], problems: list[Diagnostic]) -> Expanded:
    """The stages of a pipeline; wrong arguments of its method go to `problems`."""
    call = pipeline.call
    if call is None:
        return Expanded(pipeline.stages, None, {})
    method = methods.get(call.function.text)
    if method is None:
        problems.append(unknown_name("method", call.function.text, call.function.span, methods))
        return Expanded((), None, {})
    arguments = _bind(method, call, problems)
    if arguments is None:
        return Expanded((), method, {})
    stages = tuple(substitute(stage, arguments) for stage in method.stages)
    return Expanded(stages, method, arguments)


def _bind(method: ast.Method, call: ast.Call, problems: list[Diagnostic]) -> dict[str, ast.Expr] | None:
    parameters = {parameter.name.text: parameter for parameter in method.params}
    declared = (Related(method.name.span, f"method `{method.name.text}` is declared here"),)
    given: dict[str, ast.Expr] = {}
    sound = True
    for argument in call.arguments:
        problem = _wrong_argument(argument, parameters, given, declared)
        if problem is None and argument.name is not None:
            given[argument.name.text] = argument.value
        elif problem is not None:
            problems.append(problem)
            sound = False
    for name, parameter in parameters.items():
        if name in given:
            continue
        if parameter.default is None and not parameter.type.nullable:
            related = (Related(parameter.span, "needed here"),)
            message = f"`{method.name.text}` needs `{name}`, a {parameter.type.name.text}"
            problems.append(
                Diagnostic("E0308", message, call.span, label=f"no `{name} = ...`", related=related)
            )
            sound = False
        given[name] = parameter.default or ast.Null(call.span)
    return given if sound else None


def _wrong_argument(
    argument: ast.Argument,
    parameters: Mapping[str, ast.MethodParam],
    given: Mapping[str, ast.Expr],
    declared: tuple[Related, ...],
) -> Diagnostic | None:
    name = argument.name
    if name is None:
        message = "a method takes its arguments by name"
        return Diagnostic("E0308", message, argument.span, label="no name", related=declared)
    if name.text not in parameters:
        help_ = did_you_mean(name.text, parameters, name.span)
        message = f"the method has no parameter `{name.text}`"
        return Diagnostic("E0103", message, name.span, label="unknown", related=declared, help=help_)
    if name.text in given:
        return Diagnostic("E0308", f"`{name.text}` is given twice", argument.span, label="given again")
    return None


def substitute(node: Any, arguments: Mapping[str, ast.Expr]) -> Any:
    """`node` with every name of a parameter replaced by the argument; other nodes stay the same objects."""
    if isinstance(node, ast.Name):
        return arguments.get(node.text, node)
    if isinstance(node, tuple):
        changed = tuple(substitute(item, arguments) for item in node)
        return changed if any(new is not old for new, old in zip(changed, node, strict=True)) else node
    if isinstance(node, (ast.Ident, Span)) or not is_dataclass(node) or isinstance(node, type):
        return node
    new = {}
    for field in fields(node):
        value = getattr(node, field.name)
        if (other := substitute(value, arguments)) is not value:
            new[field.name] = other
    return replace(node, **new) if new else node
