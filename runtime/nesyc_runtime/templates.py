"""Holes in the templates of a spec, and how a value stands in one: the same in prompts and in sentences."""

from __future__ import annotations

import json
import re

HOLE = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")


def value_text(value: object) -> str:
    """An input value as a prompt shows it: text as it is, null as nothing, booleans and lists as JSON."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    if isinstance(value, (bool, list, dict)):
        return json.dumps(value, ensure_ascii=False)
    return str(value)
