"""Ways to look at a tree."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Any

from nesyc.diagnostics import Span
from nesyc.syntax import nodes


def walk(node: Any) -> Iterator[Any]:
    """All nodes below and with `node`, parents first."""
    if isinstance(node, tuple):
        for part in node:
            yield from walk(part)
    elif is_dataclass(node) and not isinstance(node, Span):
        yield node
        for field in fields(node):
            yield from walk(getattr(node, field.name))


def without_spans(node: Any) -> Any:
    """A tree as nested tuples without its places: equal for the same text in another place."""
    if isinstance(node, tuple):
        return tuple(map(without_spans, node))
    if is_dataclass(node):
        parts = (getattr(node, field.name) for field in fields(node) if field.name not in ("span", "path"))
        return (type(node).__name__, *map(without_spans, parts))
    return node


def kb_items(file: nodes.File) -> tuple[nodes.KbItem, ...]:
    (kb,) = (declaration for declaration in file.declarations if isinstance(declaration, nodes.Kb))
    return kb.items
