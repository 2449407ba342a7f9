"""Rows of a knowledge base as facts in .nesy source."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence

from nesyc.ir import nodes

# what steers a terminal, turns the direction of writing or ends a line somewhere
_HIDDEN = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]")
_NAMED = {"\n": "\\n", "\t": "\\t", "\r": "\\r"}

Row = tuple[Sequence[nodes.Scalar], float, str]  # values in column order, confidence, a remark


def text_source(text: str) -> str:
    """A string literal; nothing in the text can end it."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{_HIDDEN.sub(_escaped, escaped)}"'


def _escaped(sign: re.Match[str]) -> str:
    return _NAMED.get(sign[0], f"\\u{ord(sign[0]):04x}")


def value_source(value: nodes.Scalar, column: nodes.KbColumn) -> str:
    """A fact's value as it is written in the language."""
    if value is None:
        return "null"
    if isinstance(value, str):
        return f".{value}" if column.type.base == "enum" else text_source(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return json.dumps(value)


def facts_source(relation: nodes.Relation, rows: Iterable[Row]) -> str:
    """`facts NAME { ... }`, a row a line; computed columns are left out."""
    columns = [column for column in relation.columns if column.embed is None]
    lines = []
    for values, confidence, remark in rows:
        listed = ", ".join(value_source(v, c) for v, c in zip(values, columns, strict=True))
        conf = f" {confidence!r}" if confidence != 1 else ""
        lines.append(f"  ({listed}){conf}  # {_HIDDEN.sub(' ', remark)}")
    return f"facts {relation.name} {{\n" + "\n".join(lines) + "\n}\n"
