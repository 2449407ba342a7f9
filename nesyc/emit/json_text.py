"""JSON in lines, for people and diffs, at the speed of one line."""

from __future__ import annotations

import json
from typing import Any

DEPTH = 5
"""Levels that are broken into lines: a rule of a KB has each of its fields on one, a rule's plan stands on one."""

# Without `indent` the encoder is written in C; with it, in Python, and eight times as slow.
_on_one_line = json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode


def json_text(value: Any) -> str:
    """The value as JSON, each element of its first `DEPTH` levels on a line of its own; ends with a line end."""
    return _broken(value, "\n", DEPTH) + "\n"


def _broken(value: Any, line_end: str, depth: int) -> str:
    if not value or depth == 0:
        return _on_one_line(value)
    inner = line_end + " "
    if isinstance(value, dict):
        parts = [f"{_on_one_line(key)}: {_broken(part, inner, depth - 1)}" for key, part in value.items()]
        return "{" + inner + f",{inner}".join(parts) + line_end + "}"
    if isinstance(value, list):
        parts = [_broken(part, inner, depth - 1) for part in value]
        return "[" + inner + f",{inner}".join(parts) + line_end + "]"
    return _on_one_line(value)
