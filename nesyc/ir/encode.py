"""Any IR node as plain JSON values: the one text form of the IR."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any


def encode(node: object) -> Any:
    """A dataclass becomes an object of its fields, a tuple a list, a mapping an object, a scalar itself."""
    if dataclasses.is_dataclass(node) and not isinstance(node, type):
        return {f.name: encode(getattr(node, f.name)) for f in dataclasses.fields(node)}
    if isinstance(node, Mapping):
        return {str(key): encode(value) for key, value in node.items()}
    if isinstance(node, (tuple, list)):
        return [encode(value) for value in node]
    return node
