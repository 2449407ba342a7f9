"""The one place that knows how SQLite spells things: names, constants, column types, functions.

Emitted files hold constants as literals made here; everything that comes at run time is a bound parameter.
A second engine is a second module of this shape.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from functools import lru_cache

from nesyc.ir import nodes

# The least value of no column's type: what a null counts as where a relation holds a row once.
NULL_KEY = "x''"


_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_KEYWORDS = frozenset(
    """ABORT ACTION ADD AFTER ALL ALTER ALWAYS ANALYZE AND AS ASC ATTACH AUTOINCREMENT BEFORE BEGIN BETWEEN BY CASCADE
    CASE CAST CHECK COLLATE COLUMN COMMIT CONFLICT CONSTRAINT CREATE CROSS CURRENT CURRENT_DATE CURRENT_TIME
    CURRENT_TIMESTAMP DATABASE DEFAULT DEFERRABLE DEFERRED DELETE DESC DETACH DISTINCT DO DROP EACH ELSE END ESCAPE
    EXCEPT EXCLUDE EXCLUSIVE EXISTS EXPLAIN FAIL FALSE FILTER FIRST FOLLOWING FOR FOREIGN FROM FULL GENERATED GLOB GROUP
    GROUPS HAVING IF IGNORE IMMEDIATE IN INDEX INDEXED INITIALLY INNER INSERT INSTEAD INTERSECT INTO IS ISNULL JOIN KEY
    LAST LATERAL LEFT LIKE LIMIT MATCH MATERIALIZED NATURAL NO NOT NOTHING NOTNULL NULL NULLS OF OFFSET ON OR ORDER
    OTHERS OUTER OVER PARTITION PLAN PRAGMA PRECEDING PRIMARY QUERY RAISE RANGE RECURSIVE REFERENCES REGEXP REINDEX
    RELEASE RENAME REPLACE RESTRICT RETURNING RIGHT ROLLBACK ROW ROWS SAVEPOINT SELECT SET TABLE TEMP TEMPORARY THEN
    TIES TO TRANSACTION TRIGGER TRUE UNBOUNDED UNION UNIQUE UPDATE USER USING VACUUM VALUES VIEW VIRTUAL WHEN WHERE
    WINDOW WITH WITHIN WITHOUT ROWID OID""".split()
)


@lru_cache(maxsize=10_000)  # a few names stand in many statements
def name(text: str) -> str:
    """An identifier, quoted unless it is plain and no word of SQL."""
    if _PLAIN.fullmatch(text) and text.upper() not in _KEYWORDS and text.casefold() != "_rowid_":
        return text
    return '"' + text.replace('"', '""') + '"'


def text_literal(text: str) -> str:
    """A text constant; control characters and the zero byte as code points, so that the file stays plain text."""
    if text.isprintable():
        return "'" + text.replace("'", "''") + "'"
    parts: list[str] = []
    plain = ""
    for sign in text:
        if sign.isprintable():
            plain += sign
            continue
        if plain:
            parts.append("'" + plain.replace("'", "''") + "'")
        parts.append(f"char({ord(sign)})")
        plain = ""
    if plain:
        parts.append("'" + plain.replace("'", "''") + "'")
    return "(" + " || ".join(parts) + ")"


def literal(value: nodes.Scalar) -> str:
    """A constant of any type; truth values are 0 and 1, dates ISO text."""
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, (int, float)):
        return number_literal(value)
    return text_literal(value)


def bound(value: nodes.Scalar) -> nodes.Scalar:
    """A constant as a parameter: what `literal` writes."""
    if isinstance(value, bool):
        return int(value)
    return _fitting(value) if isinstance(value, int) else value


def _fitting(value: int | float) -> int | float:
    return float(value) if isinstance(value, int) and not -(2**63) <= value < 2**63 else value


def number_literal(value: int | float) -> str:
    """A number, whole ones too big for SQLite's 64 bits as reals; json gives the shortest exact form."""
    value = _fitting(value)
    if isinstance(value, float) and value and not _is_read_exactly(value):
        return _product_literal(value)
    written = json.dumps(value, allow_nan=False)
    return f"({written})" if written.startswith("-") else written


def _is_read_exactly(value: float) -> bool:
    """Whether every reader of decimals gets the very number: 15 digits and a power of ten that a float holds exactly."""
    _, digits, exponent = Decimal(repr(value)).as_tuple()
    return len(digits) <= 15 and isinstance(exponent, int) and abs(exponent) <= 22


def _product_literal(value: float) -> str:
    """A number as a whole one times or over powers of two, each step of which is exact.

    SQLite 3.40 reads some decimals of many digits one unit off.
    """
    fraction, exponent = math.frexp(value)
    whole, exponent = int(math.ldexp(fraction, 53)), exponent - 53  # value = whole * 2 ** exponent
    sign, steps = ("/", -exponent) if exponent < 0 else ("*", exponent)
    powers = [2**50] * (steps // 50) + [2 ** (steps % 50)]
    return "(" + f" {sign} ".join(f"{number}e0" for number in (whole, *powers)) + ")"


def column_type(type_: nodes.Type, *, interned: bool) -> str:
    """The STRICT type of a column."""
    if interned:
        return "INTEGER"
    match type_.base:
        case "text" | "enum" | "date" | "json":
            return "TEXT"
        case "int" | "bool":
            return "INTEGER"
        case "number" | "usd":
            return "REAL"
        case "vector":
            return "BLOB"


def as_text(expression: str, base: str) -> str:
    return expression if base in ("text", "enum", "date", "json") else f"CAST({expression} AS TEXT)"


def _remainder(arguments: Sequence[str], base: str) -> str:
    left, right = arguments
    if base == "int":
        return f"({left} % {right})"
    return f"remainder({left}, {right})"


def _divide(arguments: Sequence[str], base: str) -> str:
    """A number, whole operands or not (docs/decisions/0006)."""
    left, right = arguments
    return f"(CAST({left} AS REAL) / {right})"


def _infix(sign: str) -> Callable[[Sequence[str], str], str]:
    return lambda arguments, _: f"({arguments[0]} {sign} {arguments[1]})"


def _call(function: str) -> Callable[[Sequence[str], str], str]:
    return lambda arguments, _: f"{function}({', '.join(arguments)})"


# Arguments (text where the function takes text) and the base type of the result give an expression.
# A null argument gives null; division by zero too.
FUNCTIONS: Mapping[str, Callable[[Sequence[str], str], str]] = {
    "+": _infix("+"),
    "-": _infix("-"),
    "*": _infix("*"),
    "/": _divide,
    "%": _remainder,
    "neg": lambda arguments, _: f"(-{arguments[0]})",
    "concat": lambda arguments, _: "(" + " || ".join(arguments) + ")",
    "lower": _call("lower"),
    "upper": _call("upper"),
    "length": _call("length"),
    "contains": lambda arguments, _: f"(instr({arguments[0]}, {arguments[1]}) > 0)",
    "starts_with": lambda arguments, _: (
        f"(substr({arguments[0]}, 1, length({arguments[1]})) = {arguments[1]})"
    ),
    "replace": _call("replace"),
    "matches": lambda arguments, _: f"({arguments[0]} REGEXP {arguments[1]})",
}
TEXT_FUNCTIONS = frozenset(
    {"concat", "lower", "upper", "length", "contains", "starts_with", "replace", "matches"}
)
GROWING = frozenset({"+", "-", "*", "neg"})
"""What may take whole numbers beyond 64 bits."""


def whole(expression: str) -> str:
    """A whole number of 64 bits; an error where SQLite made a real of it. Other engines overflow by themselves."""
    return f"whole({expression})"


COMPARISONS: Mapping[str, str] = {
    "=": "=", "==": "=", "!=": "<>", "<": "<", "<=": "<=", ">": ">", ">=": ">=",
}  # fmt: skip


def comment(text: str) -> str:
    """Lines of an SQL comment; a control character in `text` cannot end it."""
    lines = text.splitlines() or [""]
    return "\n".join("-- " + "".join(c if c.isprintable() else "?" for c in line) for line in lines)
