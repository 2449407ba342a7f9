"""Any IR node as plain JSON values: the one text form of the IR."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from functools import cache
from typing import Any

_SCALARS = frozenset({str, int, float, bool, type(None)})


def encode(node: object) -> Any:
    """A dataclass becomes an object of its fields, a tuple a list, a mapping an object, a scalar itself."""
    kind: Any = type(node)
    if kind in _SCALARS:
        return node
    names = _field_names(kind)
    if names is not None:
        return {name: encode(getattr(node, name)) for name in names}
    if isinstance(node, (tuple, list)):
        return [encode(value) for value in node]
    if isinstance(node, Mapping):
        return {str(key): encode(value) for key, value in node.items()}
    return node


@cache
def _field_names(kind: Any) -> tuple[str, ...] | None:
    return tuple(field.name for field in dataclasses.fields(kind)) if dataclasses.is_dataclass(kind) else None
