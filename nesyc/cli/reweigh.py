"""Confidences of rules changed in the source, and nothing else: a text edit where each stands."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import StringIO
from typing import TYPE_CHECKING

from nesyc.checks.accepted_rules import own_span, rule_stamp
from nesyc.checks.annotations import argument_of, find_annotation, was_accepted
from nesyc.diagnostics.shown import shown
from nesyc.fragments.rules import kb_items
from nesyc.syntax import nodes as ast

if TYPE_CHECKING:
    from nesyc.parsing.project import Loaded


@dataclass(frozen=True, slots=True)
class SourceRule:
    """A rule where it stands: `weighed` where a confidence is written, `accepted` where a person accepted it."""

    file: str
    rule: ast.Rule
    weighed: bool
    accepted: bool

    @property
    def name(self) -> str:
        return self.rule.name.text


def source_rules(loaded: Loaded, kb: str) -> tuple[SourceRule, ...]:
    """The rules of a KB in the project's own files, in order."""
    return tuple(
        SourceRule(file.path, item, item.confidence is not None, was_accepted(item.annotations))
        for file in loaded.files
        if not file.path.startswith("@")
        for item in kb_items(file, kb)
        if isinstance(item, ast.Rule)
    )


def reweighed(
    texts: Mapping[str, str], rules: Sequence[SourceRule], weights: Mapping[str, float]
) -> dict[str, str]:
    """The files that change, with the weights written into their rules."""
    edits: dict[str, list[tuple[int, int, str]]] = {}
    for one in rules:
        if one.name not in weights:
            continue
        written, place = format(weights[one.name], "g"), one.rule.confidence
        if place is not None:
            edit = (place.span.start, place.span.end, written)
        else:
            edit = (one.rule.name.span.end, one.rule.name.span.end, f" {written}")
        edits.setdefault(one.file, []).extend((edit, *_stamped(texts[one.file], one.rule, edit)))
    changed = {}
    for file, found in edits.items():
        text = texts[file]
        for start, end, written in sorted(found, reverse=True):
            text = text[:start] + written + text[end:]
        if text != texts[file]:
            changed[file] = text
    return changed


def _stamped(text: str, rule: ast.Rule, edit: tuple[int, int, str]) -> Iterator[tuple[int, int, str]]:
    """The edit of the hash that says which text a person accepted, where there is one."""
    status = find_annotation(rule.annotations, "status")
    stamp = argument_of(status, "rule") if status is not None else None
    if isinstance(stamp, ast.Text):
        own, (start, end, written) = own_span(rule), edit
        changed = text[own.start : start] + written + text[end : own.end]
        yield stamp.span.start, stamp.span.end, f'"{rule_stamp(changed)}"'


def unified(texts: Mapping[str, str], changed: Mapping[str, str], *, terminal: bool = False) -> str:
    """The changes as a unified diff that `git apply` and `patch -p1` take; `terminal`: made harmless to one."""
    whole = [
        line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"
        for file in sorted(changed)
        for line in difflib.unified_diff(_lines(texts[file]), _lines(changed[file]), f"a/{file}", f"b/{file}")
    ]
    return "".join(f"{shown(line.removesuffix(chr(10)))}\n" if terminal else line for line in whole)


def _lines(text: str) -> list[str]:
    return StringIO(text, newline="\n").readlines()
