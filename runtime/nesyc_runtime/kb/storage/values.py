"""Values between the language and the tables: texts as symbol ids, truth as 0 and 1, vectors as float32 blobs."""

from __future__ import annotations

import json
import math
import re
from array import array
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from nesyc_runtime.files import printable
from nesyc_runtime.kb.storage.program import ColumnPlan

_INTEGER = re.compile(r"[+-]?0*\d{1,19}", re.ASCII)
_TRUTH = {"true": 1, "false": 0, "1": 1, "0": 0}
_WHOLE = 2**63


class BadValue(ValueError):
    """A value is not of its column's type; the text says what was found and what was expected."""


def to_column(value: Any, column: ColumnPlan, enums: Mapping[str, tuple[str, ...]]) -> Any:
    """What a value is before texts are interned: str, int, float, bytes or None. Raises `BadValue`.

    Texts read from a file are taken as numbers, truth values and dates where the column is one.
    """
    if value is None or (value == "" and column.base not in ("text", "json")):
        if column.nullable or column.computed:
            return None
        raise BadValue("is null, and the column is not nullable" if value is None else "is empty")
    match column.base:
        case "text":
            return _text(value)
        case "enum":
            return _enum(value, column.enum or "", enums)
        case "int":
            return _int(value)
        case "number" | "usd":
            return _number(value)
        case "bool":
            return _bool(value)
        case "date":
            return _date(value)
        case "vector":
            return _vector(value, column.size)
        case _:
            return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True)


def to_columns(
    values: Sequence[Any], column: ColumnPlan, enums: Mapping[str, tuple[str, ...]]
) -> Sequence[Any] | None:
    """`to_column` of many values at once; None where they have to be looked at one by one."""
    kinds = set(map(type, values))
    if column.nullable or column.computed:
        kinds.discard(type(None))
    try:
        match column.base:
            case "text" if kinds <= {str}:
                "".join(filter(None, values)).encode()  # a lone surrogate raises
                return values
            case "enum" if kinds <= {str} and set(values) <= {None, *enums.get(column.enum or "", ())}:
                return values
            case "int" if kinds == {str} and all(map(_INTEGER.fullmatch, values)):
                return _whole(list(map(int, values)))
            case "int" if kinds == {int}:
                return _whole(values)
            case "number" | "usd" if kinds <= {str, int, float}:
                numbers = list(map(float, values))
                return numbers if all(map(math.isfinite, numbers)) else None
    except (TypeError, ValueError, OverflowError):
        pass
    return None


def _whole(values: Sequence[int]) -> Sequence[int] | None:
    return values if min(values) >= -_WHOLE and max(values) < _WHOLE else None


def from_column(value: Any, base: str) -> Any:
    """The value of the contracts for what a table holds, its texts already looked up."""
    if value is None:
        return None
    if base == "bool":
        return bool(value)
    if base == "vector":
        return vector(value)
    return value


def vector(blob: bytes) -> list[float]:
    return array("f", blob).tolist()


def shown(value: Any) -> str:
    """A value in a sentence or a message: text as it is, null as nothing, whole numbers without a point."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _found(value: Any, wanted: str) -> BadValue:
    return BadValue(f"found {printable(repr(value), 60)}, expected {wanted}")


def _text(value: Any) -> str:
    if isinstance(value, str):
        # a lone surrogate cannot be stored as UTF-8
        return value.encode("utf-8", "replace").decode("utf-8")
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return str(value)
    raise _found(value, "text")


def _enum(value: Any, name: str, enums: Mapping[str, tuple[str, ...]]) -> str:
    if isinstance(value, str) and (name not in enums or value in enums[name]):
        return value
    raise _found(value, f"a constant of {name}")


def _int(value: Any) -> int:
    if isinstance(value, str) and _INTEGER.fullmatch(value.strip()):
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and -_WHOLE <= value < _WHOLE:
        return value
    raise _found(value, "an int of at most 64 bits")


def _number(value: Any) -> float:
    if isinstance(value, (int, float, str)) and not isinstance(value, bool):
        try:
            number = float(value)
        except (ValueError, OverflowError):
            raise _found(value, "a number") from None
        if math.isfinite(number):
            return number
    raise _found(value, "a finite number")


def _bool(value: Any) -> int:
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, str) and value.strip().lower() in _TRUTH:
        return _TRUTH[value.strip().lower()]
    raise _found(value, "true or false")


def _date(value: Any) -> str:
    if isinstance(value, date):
        return value.isoformat()[:10]
    try:
        return date.fromisoformat(value).isoformat()
    except (TypeError, ValueError):
        raise _found(value, "a date like 2026-01-31") from None


def _vector(value: Any, size: int | None) -> bytes:
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            raise _found(value, "a list of numbers") from None
    if not isinstance(value, (list, tuple)) or (size is not None and len(value) != size):
        raise _found(value, f"a list of {size} numbers" if size is not None else "a list of numbers")
    return array("f", [_number(item) for item in value]).tobytes()
