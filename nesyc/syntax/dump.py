"""The text form of a syntax tree, for `nesyc compile --emit ast`, tests and people."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Any

from nesyc.diagnostics.source_map import SourceMap
from nesyc.diagnostics.span import Span
from nesyc.syntax import nodes

STEP = "  "
# Leaves are written on one line: what they are and what they hold.
_LEAVES = (nodes.Text, nodes.Number, nodes.Bool, nodes.Null, nodes.EnumConstant, nodes.Name, nodes.Wildcard)


def dump(node: Any, sources: SourceMap | None = None) -> str:
    """One line for each node, indented below the one it is part of, in the order of the source.

    A field that is absent or empty is left out. With `sources`, each node says its line and column.
    The text depends on the tree alone: the same tree gives the same bytes.
    """
    return "\n".join(_lines(node, "", 0, sources)) + "\n"


def _lines(value: Any, label: str, depth: int, sources: SourceMap | None) -> Iterator[str]:
    head = STEP * depth + (f"{label} = " if label else "")
    if isinstance(value, nodes.Ident):
        yield f"{head}{value.text}{_place(value.span, sources)}"
    elif isinstance(value, _LEAVES):
        yield f"{head}{_leaf(value)}{_place(value.span, sources)}"
    elif is_dataclass(value):
        yield f"{head}{type(value).__name__}{_place(getattr(value, 'span', None), sources)}"
        for field in fields(value):
            part = getattr(value, field.name)
            if not isinstance(part, Span) and part is not None and part != () and part is not False:
                yield from _lines(part, field.name, depth + 1, sources)
    elif isinstance(value, tuple):
        yield f"{STEP * depth}{label}:"
        for part in value:
            yield from _lines(part, "", depth + 1, sources)
    else:
        yield head + json.dumps(value)


def _leaf(node: Any) -> str:
    match node:
        case nodes.Text(value=value, block=block):
            return f"{'TextBlock' if block else 'Text'} {json.dumps(value)}"
        case nodes.Number(value=value) | nodes.Bool(value=value):
            return f"{type(node).__name__} {json.dumps(value)}"
        case nodes.EnumConstant(name=name):
            return f"EnumConstant .{name}"
        case nodes.Name(text=text):
            return f"Name {text}"
        case _:
            return type(node).__name__


def _place(span: Span | None, sources: SourceMap | None) -> str:
    if span is None or sources is None:
        return ""
    place = sources.place(span)
    return f"  @{place.line}:{place.col}"
