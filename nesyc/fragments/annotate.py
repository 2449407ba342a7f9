"""Annotations rewritten in the text of a file, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from nesyc.checks.annotations import find_annotation
from nesyc.diagnostics.shown import shown
from nesyc.parsing.lexer import tokenize
from nesyc.syntax import nodes as ast

Edit = tuple[int, int, str]  # start, end, what stands there instead


def quoted(value: str) -> str:
    """A text of the language on one line; nothing in it steers a terminal."""
    return '"' + shown(" ".join(value.split())).replace("\\", "\\\\").replace('"', '\\"') + '"'


def written(value: object) -> str:
    """A value as an annotation has it."""
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(quoted(str(item)) for item in value)}]"
    return json.dumps(value)


def with_arguments(text: str, annotation: ast.Annotation, changes: Mapping[str, object]) -> list[Edit]:
    """The edits that set arguments of an annotation, by name; what has its value already is not touched."""
    edits: list[Edit] = []
    left = dict(changes)
    for argument in annotation.arguments:
        name = argument.name.text if argument.name is not None else None
        if name not in left:
            continue
        span, new = argument.value.span, written(left.pop(name))
        if _words(text[span.start : span.end]) != _words(new):
            edits.append((span.start, span.end, new))
    if left:
        end = annotation.arguments[-1].span.end if annotation.arguments else annotation.span.end - 1
        lines = "\n" in text[annotation.span.start : annotation.span.end]
        first = ("," if annotation.arguments else "") + (
            "\n  " if lines else " " if annotation.arguments else ""
        )
        between = ",\n  " if lines else ", "
        told = between.join(f"{name} = {written(value)}" for name, value in left.items())
        edits.append((end, end, first + told))
    return edits


def _words(text: str) -> list[str]:
    return [token.text for token in tokenize(text) if token.text != ","]


def with_status(text: str, rule: ast.Rule, word: str, about: Mapping[str, str]) -> Edit:
    """The edit that gives a rule the status `word`, with who, when and why."""
    told = [word, *(f"{name} = {quoted(value)}" for name, value in about.items() if value)]
    status, note = f"@status({', '.join(told)})", find_annotation(rule.annotations, "status")
    if note is not None:
        return note.span.start, note.span.end, status
    if rule.annotations:
        after = rule.annotations[-1].span.end
        return after, after, f"\n{status}"
    return rule.span.start, rule.span.start, f"{status}\n"


def edited(text: str, edits: Sequence[Edit]) -> str:
    """The text with the edits made; they do not overlap. New lines end as the file's do."""
    windows = "\r\n" in text
    for start, end, new in sorted(edits, reverse=True):
        text = text[:start] + (new.replace("\n", "\r\n") if windows else new) + text[end:]
    return text
