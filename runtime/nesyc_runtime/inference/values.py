"""Typed values read from the words of an answer."""

from __future__ import annotations

import datetime
import json
import math
import re
import unicodedata
from collections.abc import Sequence
from typing import Any

from nesyc_runtime.config import Type

# "1,234.5", "-3", ".5", "6e23"; a point or comma that ends a sentence is none of the number's
NUMBER = re.compile(r"[-+]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?:[eE][-+]?\d{1,3})?|[-+]?\.\d+")
FRACTION = re.compile(
    r"(?<![\d/.,])([-+]?)(?:(\d{1,15})\s+)?(\d{1,15})\s*/\s*(\d{1,15})(?![\d/])"
)  # "3/4", "1 1/2"; not a date
LATEX_FRACTION = re.compile(r"(\d*)\s*\\[dt]?frac\s*\{\s*(\d{1,15})\s*\}\s*\{\s*(\d{1,15})\s*\}")
SIGNS = str.maketrans(
    {
        "\N{MINUS SIGN}": "-",
        "\N{FRACTION SLASH}": "/",
        "\N{NO-BREAK SPACE}": " ",
        "\N{NARROW NO-BREAK SPACE}": " ",
    }
)
TRUE, FALSE = ("true", "yes"), ("false", "no")
LONGEST_NUMBER = 40  # digits and signs
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
MONTH = (
    r"(?i:(jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?"
    r"|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?))\.?"
)
DATES = (
    ("ymd", re.compile(r"(?<!\d)(\d{4})-(\d{2})-(\d{2})(?!\d)")),
    ("ymd", re.compile(r"(?<!\d)(\d{4})/(\d{1,2})/(\d{1,2})(?!\d)")),
    ("mdy", re.compile(r"(?<![\d/])(\d{1,2})/(\d{1,2})/(\d{4})(?!\d)")),
    ("dmy", re.compile(r"(?<![\d.])(\d{1,2})\.(\d{1,2})\.(\d{4})(?!\d)")),
    ("mdy", re.compile(rf"\b{MONTH} (\d{{1,2}}) (\d{{4}})\b")),
    ("dmy", re.compile(rf"\b(\d{{1,2}}) (?:of )?{MONTH} (\d{{4}})\b")),
)


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


def as_read(value: Any) -> Any:
    """What a row says, as `read_value` reads it from an answer: "U.S." is "U.S" in both, or they would never be equal."""
    return (_without_point(value.strip()) or value) if isinstance(value, str) else value


def _without_point(text: str) -> str:
    """`text` without the point that ends a sentence and without quotes or bold signs around the whole."""
    if text.endswith(".") and not text.endswith(".."):
        text = text[:-1].rstrip()
    for sign in ("**", '"', "`"):
        if len(text) > 2 * len(sign) and text.startswith(sign) and text.endswith(sign):
            text = text[len(sign) : -len(sign)]
    return text


def _number(text: str, *, whole: bool) -> int | float | None:
    """The first number in `text`, its unit left out: thousands commas dropped, a trailing point is no decimal point.

    Fractions are read as people and LaTeX write them: "3/4", "1 1/2", "\\frac{3}{4}". A percent sign is a unit.
    """
    text = _plain_signs(text)
    fraction = FRACTION.search(text[:LONGEST_NUMBER])
    match = NUMBER.search(text)
    if match is None or len(match[0]) > LONGEST_NUMBER:
        return None
    if fraction is not None and fraction.start() <= match.start() and int(fraction[4]):
        sign, units, over, under = fraction.groups()
        value = (-1 if sign == "-" else 1) * (int(units or 0) + int(over) / int(under))
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


def _plain_signs(text: str) -> str:
    """Signs of print and LaTeX as plain figures: "1½" is "1 1/2", "1{,}000" is "1,000"."""
    text = re.sub(r"[¼-¾⅐-⅞]", lambda sign: " " + unicodedata.normalize("NFKC", sign[0]), text)
    text = text.translate(SIGNS).replace("{,}", ",").replace("\\!", "").replace("\\$", "$")
    if "frac" in text:  # the pattern tries every digit of a long number
        text = LATEX_FRACTION.sub(lambda found: f"{found[1]} {found[2]}/{found[3]}".strip(), text)
    return re.sub(r"([-+])\s*\$\s*(?=\d)", r"\1", text)  # "-$5" is five dollars owed


def _constant(text: str, constants: Sequence[str]) -> str | None:
    word = _bare(text)
    if not constants:
        return word or None
    return next((name for name in constants if _bare(name) == word), None)


def _bare(text: str) -> str:
    """Letters and digits joined by single underscores, lower case: "Grand-Father." is "grand_father"."""
    return "_".join(re.findall(r"[^\W_]+", text.lower()))


def _date(text: str) -> str | None:
    """A date as people write it, as "2026-01-31"; the words around a month's name are left out.

    All figures: year first, or month first with slashes ("01/31/2026"), or day first with points ("31.01.2026").
    """
    text = " ".join(text.replace(",", " ").split())
    text = re.sub(r"(?i)(?<=\d)(?:st|nd|rd|th)\b", "", text)
    for order, pattern in DATES:
        found = pattern.search(text)
        if found is not None:
            parts = dict(zip(order, found.groups(), strict=True))
            month = parts["m"] if parts["m"].isdigit() else 1 + MONTHS.index(parts["m"][:3].lower())
            try:
                return datetime.date(int(parts["y"]), int(month), int(parts["d"])).isoformat()
            except ValueError:
                return None
    return None


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
