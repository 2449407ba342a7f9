"""Diagnostics that several checks report, so that one mistake reads the same everywhere."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from nesyc.diagnostics import Diagnostic, Edit, Help, Related, near_names
from nesyc.diagnostics.span import Span
from nesyc.syntax import nodes as ast


def article(noun: str) -> str:
    """`a teacher`, `an embedder`."""
    return f"{'an' if noun[:1] in 'aeiou' else 'a'} {noun}"


def one_of(names: Iterable[str]) -> str:
    """`a, b or c`"""
    listed = list(names)
    return listed[0] if len(listed) == 1 else f"{', '.join(listed[:-1])} or {listed[-1]}"


def did_you_mean(name: str, candidates: Iterable[str], span: Span, prefix: str = "") -> Help | None:
    """The nearest names as a help; its edit writes the nearest over `span`."""
    near = near_names(name, candidates)
    if not near:
        return None
    quoted = one_of(f"`{prefix}{other}`" for other in near)
    return Help(f"did you mean {quoted}?", (Edit(span, prefix + near[0]),))


def unknown_name(
    kind: str, name: str, span: Span, candidates: Iterable[str], notes: tuple[str, ...] = ()
) -> Diagnostic:
    """E0201: nothing of this kind has this name."""
    known = tuple(candidates)
    return Diagnostic(
        "E0201",
        f"there is no {kind} named `{name}`",
        span,
        label="not declared",
        notes=notes or (() if known else (f"no {kind} is declared in this spec",)),
        help=did_you_mean(name, known, span),
        names=frozenset((name,)),
    )


def duplicate(kind: str, name: str, span: Span, first: Span) -> Diagnostic:
    """E0202: the same name twice in one scope."""
    return Diagnostic(
        "E0202",
        f"{kind} `{name}` is declared twice",
        span,
        label="declared again",
        related=(Related(first, "first declared here"),),
        help=Help(f"rename one of the two, or remove this {kind}", ()),
    )


def unknown_constant(
    enum: str, name: str, span: Span, constants: tuple[str, ...], declared: Span | None
) -> Diagnostic:
    """E0303: the enum has no such constant."""
    related = (Related(declared, f"`{enum}` is declared here"),) if declared else ()
    known = one_of(f".{constant}" for constant in constants[:12])
    return Diagnostic(
        "E0303",
        f"`.{name}` is not a value of {enum}",
        span,
        label="unknown value",
        related=related,
        notes=(f"{enum} has {known}" + (" and others" if len(constants) > 12 else ""),),
        help=did_you_mean(name, constants, span, prefix="."),
    )


def type_mismatch(
    found: str, wanted: str, span: Span, declared: Span | None, what: str = "declared here"
) -> Diagnostic:
    """E0302: a value of another type than the place declares."""
    return Diagnostic(
        "E0302",
        f"expected {wanted}, found {found}",
        span,
        label=f"this is {found}",
        related=(Related(declared, what),) if declared else (),
    )


def confidence_range(span: Span) -> Diagnostic:
    """E0307"""
    return Diagnostic(
        "E0307",
        "a confidence lies above 0 and is at most 1",
        span,
        label="out of range",
        help=Help("write a number such as `0.9`; leave it out for certainty", ()),
    )


def check_pattern(expr: ast.Expr, code: str) -> Iterator[Diagnostic]:
    """A written pattern is a regular expression; any other expression is not looked at."""
    if not isinstance(expr, ast.Text):
        return
    try:
        re.compile(expr.value)
    except (re.error, OverflowError, RecursionError) as error:
        message = f"the pattern is no regular expression: {error}"
        yield Diagnostic(code, message, expr.span, "cannot be compiled")
