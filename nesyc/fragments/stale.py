"""Accepted rules whose sources changed, marked in the text of their file."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from nesyc.checks.accepted_rules import rule_stamp
from nesyc.checks.annotations import argument_of, find_annotation, was_accepted
from nesyc.fragments.annotate import Edit, edited, with_arguments, with_status
from nesyc.fragments.rules import own_text, rules_in
from nesyc.syntax import nodes as ast

Changed = Callable[[Mapping[str, str]], Mapping[str, str]]
"""Of the hashes of sources by name, those that are otherwise now."""

SHOWN = 3


def marked_stale(path: str, text: str, kb: str, changed: Changed) -> tuple[str, tuple[str, ...]]:
    """The text with `@status(stale, ...)` on accepted rules of which a source changed, and their names.

    Who accepted it, when and why stays, and so does the rule: it is in force until a person decides. The new hashes
    take the place of the old ones, so a rule that is accepted again is stale only after another change.
    """
    edits: list[Edit] = []
    names: list[str] = []
    for name, rule in rules_in(path, text, kb).items():
        learned = find_annotation(rule.annotations, "learned")
        news = changed(_seen(learned)) if learned is not None and was_accepted(rule.annotations) else {}
        if learned is None or not news:
            continue
        edits += with_arguments(text, learned, _arguments({**_seen(learned), **news}))
        edits.append(_status(text, rule, sorted(news)))
        names.append(name)
    return edited(text, edits), tuple(names)


def _seen(learned: ast.Annotation) -> dict[str, str]:
    """The hashes that `@learned` has: of its items, and of the answer by its prompt."""
    items, hashes = _texts(learned, "seen"), _texts(learned, "as_of")
    seen = dict(zip(items, hashes, strict=True)) if len(items) == len(hashes) else {}
    return seen | dict(zip(_texts(learned, "prompt"), _texts(learned, "answer"), strict=False))


def _arguments(seen: Mapping[str, str]) -> dict[str, object]:
    items = [name for name in seen if not name.startswith("sha256:")]
    arguments: dict[str, object] = {"as_of": [seen[name] for name in items]} if items else {}
    for name, hash_ in seen.items():
        if name not in items:
            arguments["answer"] = hash_
    return arguments


def _texts(annotation: ast.Annotation, name: str) -> list[str]:
    """A text, or the texts of a list; empty for anything else."""
    value = argument_of(annotation, name)
    items = value.items if isinstance(value, ast.ListOf) else (value,)
    texts = [item.value for item in items if isinstance(item, ast.Text)]
    return texts if len(texts) == len(items) else []


def _status(text: str, rule: ast.Rule, changed: list[str]) -> Edit:
    """What the status said, with what changed."""
    status = find_annotation(rule.annotations, "status")
    assert status is not None
    about = {name: "".join(_texts(status, name)) for name in ("by", "on", "note", "rule")}
    about["rule"] = about["rule"] or rule_stamp(own_text(text, rule))
    shown = ", ".join("its teacher's answer" if one.startswith("sha256:") else one for one in changed[:SHOWN])
    more = f" and {len(changed) - SHOWN} more" if len(changed) > SHOWN else ""
    return with_status(text, rule, "stale", {**about, "because": f"changed: {shown}{more}"})
