"""E0803: a rule that a person accepted reads otherwise than what was accepted."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator

from nesyc.checks.annotations import argument_of, find_annotation, was_accepted
from nesyc.checks.tables import Tables
from nesyc.diagnostics import Diagnostic, Help, Related
from nesyc.diagnostics.span import Span
from nesyc.parsing.lexer import tokenize
from nesyc.syntax import nodes as ast

STAMP = "sha256:"
DIGITS = 16


def rule_stamp(text: str) -> str:
    """A hash of a rule's words: its name, confidence, head and body, whatever blanks and comments stand between."""
    words = " ".join(token.text for token in tokenize(text) if token.text != ",")
    return STAMP + hashlib.sha256(words.encode("utf-8", "surrogatepass")).hexdigest()[:DIGITS]


def own_span(rule: ast.Rule) -> Span:
    """Where a rule stands, without the annotations before it."""
    start = max((annotation.span.end for annotation in rule.annotations), default=rule.span.start)
    return Span(rule.span.file, start, rule.span.end)


def check_accepted_rules(tables: Tables) -> Iterator[Diagnostic]:
    """E0803 for each accepted rule whose stamp is that of another text."""
    for kb in tables.symbols.kbs.values():
        for rule in kb.rules:
            if was_accepted(rule.annotations):
                yield from _changed(rule, tables.text_of)


def _changed(rule: ast.Rule, text_of: Callable[[Span], str]) -> Iterator[Diagnostic]:
    status = find_annotation(rule.annotations, "status")
    assert status is not None
    stamp = argument_of(status, "rule")
    if not isinstance(stamp, ast.Text) or stamp.value == rule_stamp(text_of(own_span(rule))):
        return
    by = argument_of(status, "by")
    who = f"`{by.value}`" if isinstance(by, ast.Text) else "a person"
    name = rule.name.text
    yield Diagnostic(
        "E0803",
        f"rule `{name}` is not the one that {who} accepted",
        rule.name.span,
        "changed since",
        (Related(stamp.span, "the hash of what was accepted"),),
        help=Help(
            f"put the accepted text back, or accept it as it is now:  nesyc review --accept rule:{name}"
        ),
    )
