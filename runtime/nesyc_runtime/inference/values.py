"""Typed values read from the words of an answer."""

from __future__ import annotations

import datetime
import json
import math
import re
from collections.abc import Sequence
from typing import Any

from nesyc_runtime.config import Type

NUMBER = re.compile(r"[-+]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?:[eE][-+]?\d{1,3})?|[-+]?\.\d+")
FRACTION = re.compile(r"([-+]?\d{1,15})\s*/\s*(\d{1,15})")
TRUE, FALSE = ("true", "yes"), ("false", "no")
LONGEST_NUMBER = 40  # digits and signs


def read_value(text: str, type_: Type, constants: Sequence[str] = ()) -> Any:
    """The value of `type_` that `text` gives, or None. `constants` are the enum's, matched in any case."""
    text = text.strip()
    match type_.base:
        case "text":
            return _without_point(text) or None
        case "int" | "number" | "usd":
            return _number(text, whole=type_.base == "int")
        case "bool":
            word = _bare(text)
            return True if word in TRUE else False if word in FALSE else None
        case "enum":
            return _constant(text, constants)
        case "date":
            return _date(_without_point(text))
        case "json" | "vector":
            return _json(text)


def _without_point(text: str) -> str:
    """`text` without the point that ends a sentence and without quotes or bold signs around the whole."""
    if text.endswith(".") and not text.endswith(".."):
        text = text[:-1].rstrip()
    for sign in ("**", '"', "`"):
        if len(text) > 2 * len(sign) and text.startswith(sign) and text.endswith(sign):
            text = text[len(sign) : -len(sign)]
    return text


def _number(text: str, *, whole: bool) -> int | float | None:
    """The first number in `text`: thousands commas dropped, a trailing point is no decimal point."""
    fraction = FRACTION.search(text[:LONGEST_NUMBER])
    match = NUMBER.search(text)
    if match is None or len(match[0]) > LONGEST_NUMBER:
        return None
    if fraction is not None and fraction.start() <= match.start() and int(fraction[2]):
        value = int(fraction[1]) / int(fraction[2])
    else:
        digits = match[0].replace(",", "")
        if re.fullmatch(r"[-+]?\d+", digits):
            return int(digits)
        value = float(digits)
    if not math.isfinite(value):
        return None
    if whole:
        return int(value) if value.is_integer() else None
    return value


def _constant(text: str, constants: Sequence[str]) -> str | None:
    word = _bare(text)
    if not constants:
        return word or None
    return next((name for name in constants if _bare(name) == word), None)


def _bare(text: str) -> str:
    """Letters and digits joined by single underscores, lower case: "Grand-Father." is "grand_father"."""
    return "_".join(re.findall(r"[^\W_]+", text.lower()))


def _date(text: str) -> str | None:
    try:
        return datetime.date.fromisoformat(text).isoformat()
    except ValueError:
        return None


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
