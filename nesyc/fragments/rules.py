"""The rules of a file, by name, and when two of them say the same."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Any

from nesyc.checks.accepted_rules import own_span
from nesyc.diagnostics.span import Span
from nesyc.parsing import parse_file
from nesyc.syntax import nodes as ast


def kb_items(file: ast.File, kb: str) -> Iterator[ast.KbItem]:
    """The items of a KB that stand in a file: in the KB itself, or in a fragment of it."""
    for declaration in file.declarations:
        if isinstance(declaration, ast.Kb) and declaration.name.text == kb:
            yield from declaration.items
    if file.fragment_of is not None and file.fragment_of.text == kb:
        yield from file.fragment_items


def rules_in(path: str, text: str, kb: str) -> dict[str, ast.Rule]:
    """The rules of a KB in the text of a file, in order; those of a part that cannot be read are missing."""
    items = kb_items(parse_file(path, text).file, kb)
    return {item.name.text: item for item in items if isinstance(item, ast.Rule)}


def own_text(text: str, rule: ast.Rule) -> str:
    """A rule as it is written, without its annotations and the comments between."""
    span = own_span(rule)
    lines = text[span.start : span.end].strip().splitlines()
    while lines and (not lines[0].strip() or lines[0].lstrip().startswith("#")):
        del lines[0]
    return "\n".join(lines).strip()


def meaning(rule: ast.Rule) -> str:
    """Equal for rules that differ in nothing but their name, their confidence and the names of their variables."""
    names: dict[str, int] = {}
    return repr((_plain(rule.head, names), _plain(rule.body, names)))


def _plain(node: Any, names: dict[str, int]) -> Any:
    if isinstance(node, ast.Name):
        return "variable", names.setdefault(node.text, len(names))
    if isinstance(node, tuple):
        return tuple(_plain(item, names) for item in node)
    if is_dataclass(node) and not isinstance(node, Span):
        values = (getattr(node, field.name) for field in fields(node) if field.name != "span")
        return type(node).__name__, tuple(_plain(value, names) for value in values)
    return node
