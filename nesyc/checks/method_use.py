"""The use of a method: its arguments against the kinds declared, and what its stages make of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from nesyc.checks.kinds import Kind, Raw, Ref, Scalar, United
from nesyc.checks.methods import METHOD_KINDS, METHOD_SCALARS, Expanded
from nesyc.checks.values import Resolver
from nesyc.diagnostics import Diagnostic, Related
from nesyc.diagnostics.span import Span
from nesyc.syntax import nodes as ast

Place = tuple[str, Span]
"""A code and where it is reported."""


# What a parameter of these kinds takes, alone or united by `+`.
UNITED = {
    "examples": ("examples", "errors", "split"),
    "errors": ("errors",),
    "entries": ("entries",),
    "rules": ("rules",),
}


def check_arguments(expanded: Expanded, resolver: Resolver) -> Iterator[Diagnostic]:
    """E0201, E0302 and E0702 of the arguments that a pipeline gives its method."""
    if expanded.method is None:
        return
    declared = {parameter.name.text: parameter for parameter in expanded.method.params}
    for name, value in expanded.arguments.items():
        parameter = declared[name]
        kind = parameter_kind(parameter.type.name.text)
        if value is parameter.default or isinstance(value, ast.Null):
            continue
        inner = Resolver(resolver.symbols, resolver.paths, resolver.constants)
        inner.value(kind, value, f"`{name}`", in_stage=True)
        for problem in inner.problems:
            here = (Related(parameter.span, f"parameter `{name}`"),)
            yield _with_related(problem, (*problem.related, *here))


def parameter_kind(name: str) -> Kind:
    """What a parameter declared as `name` takes; anything where there is no such kind, which is reported there."""
    if name in METHOD_SCALARS:
        return Scalar(name)
    if name in UNITED:
        return United(UNITED[name])
    if name == "model":
        return Ref(("model", "student"))
    return Ref((name,)) if name in METHOD_KINDS else Raw()


def of_the_use(
    pipeline: ast.Pipeline, problems: Iterable[Diagnostic], reported: Iterable[Place]
) -> Iterator[Diagnostic]:
    """What the stages of a method get wrong in this use: at the argument it comes from, else at the call.

    Left out is what is `reported` already: of the method by itself, or of the arguments.
    """
    known = set(reported)
    spans = {span for _, span in known}
    call = pipeline.call
    assert call is not None
    for problem in problems:
        if (problem.code, problem.span) in known:
            continue
        if not _within(problem.span, call.span):
            inside = Related(problem.span, problem.label or "in this stage")
            yield Diagnostic(
                problem.code,
                problem.message,
                call.span,
                f"used with these arguments by `{pipeline.name.text}`",
                (inside, *problem.related),
                problem.notes,
            )
        elif problem.span not in spans:
            yield problem


def _within(span: Span, whole: Span) -> bool:
    return span.file == whole.file and whole.start <= span.start < whole.end


def _with_related(problem: Diagnostic, related: tuple[Related, ...]) -> Diagnostic:
    return replace(problem, related=related)
