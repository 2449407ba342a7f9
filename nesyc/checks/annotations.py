"""`@learned(...)`, `@status(...)`, `@source(...)` before rules, constraints and facts."""

from __future__ import annotations

from collections.abc import Iterator

from nesyc.checks.messages import did_you_mean, unknown_name
from nesyc.diagnostics import Diagnostic, Help
from nesyc.syntax import nodes as ast

COUNTS = ("support", "against", "tried")
# What each annotation is given; None where anything may stand.
ANNOTATIONS: dict[str, tuple[str, ...] | None] = {
    "learned": ("by", "run", "prompt", "answer", "seen", "as_of", *COUNTS, "lift", "data", "usd"),
    "status": ("by", "on", "note", "rule", "because"),
    "source": None,
    "note": None,
}
STATUSES = ("accepted", "proposed", "rejected", "stale")


def find_annotation(annotations: tuple[ast.Annotation, ...], name: str) -> ast.Annotation | None:
    return next((item for item in annotations if item.name.text == name), None)


def argument_of(annotation: ast.Annotation, name: str) -> ast.Expr | None:
    """The value of a named argument, if it is given."""
    for argument in annotation.arguments:
        if argument.name is not None and argument.name.text == name:
            return argument.value
    return None


def status_of(annotations: tuple[ast.Annotation, ...]) -> str | None:
    """The word of `@status(word, ...)`; "" for one without a word, None without the annotation."""
    status = find_annotation(annotations, "status")
    if status is None:
        return None
    for argument in status.arguments[:1]:
        if argument.name is None and isinstance(argument.value, ast.Name):
            return argument.value.text
    return ""


def was_accepted(annotations: tuple[ast.Annotation, ...]) -> bool:
    """Whether a person accepted it: a source that changed since makes it stale, with the hash of what was accepted."""
    status = find_annotation(annotations, "status")
    if status is None:
        return False
    word = status_of(annotations)
    return word == "accepted" or (word == "stale" and argument_of(status, "rule") is not None)


def tells_where_from(annotations: tuple[ast.Annotation, ...]) -> bool:
    """Whether `@source(...)` or `@learned(...)` stands there with something in it."""
    return any(item.name.text in ("source", "learned") and item.arguments for item in annotations)


def is_active(annotations: tuple[ast.Annotation, ...]) -> bool:
    """Whether a rule counts: what a teacher wrote only once it is accepted, what a person wrote unless taken back."""
    if not annotations:
        return True
    status = status_of(annotations)
    if find_annotation(annotations, "learned") is not None:
        return was_accepted(annotations)
    return status not in ("proposed", "rejected")


def check_annotations(annotations: tuple[ast.Annotation, ...]) -> Iterator[Diagnostic]:
    """E0103, E0201, E0302 and E0308 of the annotations before one item."""
    for annotation in annotations:
        name = annotation.name
        if name.text not in ANNOTATIONS:
            yield unknown_name("annotation", name.text, name.span, ANNOTATIONS)
            continue
        yield from _check_names(annotation)
        if name.text == "status" and status_of((annotation,)) not in STATUSES:
            help_ = Help('write `@status(accepted, by = "...")`, `@status(proposed)` or `@status(rejected)`')
            message = "a status is accepted, proposed, rejected or stale"
            yield Diagnostic("E0308", message, annotation.span, "no such status", help=help_)
        if name.text == "learned":
            yield from _check_counts(annotation)


def _check_names(annotation: ast.Annotation) -> Iterator[Diagnostic]:
    known = ANNOTATIONS[annotation.name.text]
    for argument in annotation.arguments:
        name = argument.name
        if known is not None and name is not None and name.text not in known:
            message = f"`@{annotation.name.text}` has no argument `{name.text}`"
            notes = (f"it has {', '.join(f'`{word}`' for word in known)}",)
            help_ = did_you_mean(name.text, known, name.span)
            yield Diagnostic("E0103", message, name.span, "unknown key", (), notes, help_)


def _check_counts(annotation: ast.Annotation) -> Iterator[Diagnostic]:
    for word in COUNTS:
        value = argument_of(annotation, word)
        if value is None or (
            isinstance(value, ast.Number) and isinstance(value.value, int) and value.value >= 0
        ):
            continue
        yield Diagnostic("E0302", f"`{word}` counts cases", value.span, "no whole number")
