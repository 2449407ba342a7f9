"""Typed rows: what a `row (...)` declaration makes of a record, and the id a row keeps."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from nesyc_runtime import config
from nesyc_runtime.files import printable
from nesyc_runtime.hashing import canonical_json, digest
from nesyc_runtime.records import Record

_INTEGER = re.compile(r"[+-]?\d+", re.ASCII)
_TRUTH = {"true": True, "false": False, "1": True, "0": False}


@dataclass(frozen=True, slots=True)
class Row:
    """A typed row. `id` is the key field's value, else a hash of the content; unique within a split."""

    id: str
    values: Mapping[str, Any]


class BadValue(ValueError):
    """A value is not of its declared type; the text says what was found."""


def type_record(
    record: Record, fields: Sequence[config.Field], enums: Mapping[str, tuple[str, ...]]
) -> dict[str, Any]:
    """The record's declared fields, typed; undeclared ones are left out (all kept where none is declared).

    Raises `BadValue` naming the first field that is missing or not of its type.
    """
    if not fields:
        return dict(record.values)
    typed = {}
    for field in fields:
        if field.name not in record.values and not field.type.nullable:
            present = ", ".join(printable(name, 30) for name in list(record.values)[:8])
            raise BadValue(f"field `{field.name}` is missing (there are: {present})")
        try:
            typed[field.name] = convert(record.values.get(field.name), field.type, enums)
        except BadValue as error:
            raise BadValue(f"field `{field.name}`: {error}") from None
    return typed


def convert(value: Any, type_: config.Type, enums: Mapping[str, tuple[str, ...]]) -> Any:
    """`value` as a JSON value of the declared type; text is read as a number, truth or date where it is one.

    Raises `BadValue`. Dates stay ISO text, enum constants their name without the dot, vectors lists.
    """
    if value is None or (value == "" and type_.base != "text"):
        if type_.nullable:
            return None
        raise BadValue("is null, and its type is not nullable" if value is None else "is empty")
    match type_.base:
        case "text":
            return _text(value)
        case "int":
            return _int(value)
        case "number" | "usd":
            return _number(value)
        case "bool":
            return _bool(value)
        case "date":
            return _date(value)
        case "enum":
            return _enum(value, type_.enum or "", enums)
        case "vector":
            return _vector(value, type_.size)
        case "json":
            return value


def _found(value: Any, wanted: str) -> BadValue:
    return BadValue(f"found {printable(repr(value), 60)}, expected {wanted}")


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return str(value)
    raise _found(value, "text")


def _int(value: Any) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and _INTEGER.fullmatch(value.strip()):
        return int(value)
    raise _found(value, "an int")


def _number(value: Any) -> float:
    if isinstance(value, (int, float, str)) and not isinstance(value, bool):
        try:
            number = float(value)
        except (ValueError, OverflowError):
            raise _found(value, "a number") from None
        if math.isfinite(number):
            return number
    raise _found(value, "a number")


def _bool(value: Any) -> bool:
    if isinstance(value, bool):
        return value
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


def _enum(value: Any, name: str, enums: Mapping[str, tuple[str, ...]]) -> str:
    if isinstance(value, str) and value in enums.get(name, ()):
        return value
    raise _found(value, f"a constant of {name}")


def _vector(value: Any, size: int | None) -> list[float]:
    if not isinstance(value, (list, tuple)) or (size is not None and len(value) != size):
        raise _found(value, f"a list of {size} numbers" if size is not None else "a list of numbers")
    return [_number(item) for item in value]


def key_field(fields: Sequence[config.Field]) -> str | None:
    return next((field.name for field in fields if field.key), None)


def content_id(values: Mapping[str, Any]) -> str:
    """The id of a row without a key: the first 16 hex digits of the SHA-256 of its canonical JSON."""
    return digest(values)[:16]


def normalise(value: Any) -> Any:
    """What counts as the same input: NFC, runs of white space as one blank, none at the ends."""
    if isinstance(value, str):
        return " ".join(unicodedata.normalize("NFC", value).split())
    return value


def fingerprint(values: Mapping[str, Any], names: Sequence[str]) -> str:
    """Equal for rows whose named fields are equal up to white space."""
    return canonical_json([normalise(values.get(name)) for name in names])
