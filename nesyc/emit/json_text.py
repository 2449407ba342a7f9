"""JSON in lines, for people and diffs, at the speed of one line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

DEPTH = 5
"""Levels that are broken into lines: a rule of a KB has each of its fields on one, a rule's plan stands on one."""

# Without `indent` the encoder is written in C; with it, in Python, and eight times as slow.
_on_one_line = json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode


def json_text(value: Any) -> str:
    """The value as JSON, each element of its first `DEPTH` levels on a line of its own; ends with a line end."""
    return "".join((*_pieces(value, "\n", DEPTH), "\n"))


def _pieces(value: Any, line_end: str, depth: int) -> Iterator[str]:
    if not value or depth == 0 or not isinstance(value, (dict, list)):
        yield _on_one_line(value)
        return
    opening, closing = "{}" if isinstance(value, dict) else "[]"
    inner = line_end + " "
    before = opening + inner
    for item in value:
        yield before
        before = "," + inner
        if isinstance(value, dict):
            yield f"{_on_one_line(item)}: "
        yield from _pieces(value[item] if isinstance(value, dict) else item, inner, depth - 1)
    yield line_end + closing
