"""Types of columns, fields, variables and parameters, and which of them go together."""

from __future__ import annotations

import datetime
from dataclasses import dataclass, field, replace

from nesyc.syntax import nodes as ast

NUMERIC = frozenset({"int", "number", "usd"})
ORDERED = NUMERIC | {"text", "date"}
BASES = ("text", "int", "number", "bool", "date", "json", "usd", "vector")


@dataclass(frozen=True, slots=True)
class Type:
    """`base` is a base type, `enum`, or `unknown`: the type of what is already reported, which fits everything.

    A `written` number stands in the text as such: `0.5` is a number, and an amount of money where one is wanted.
    """

    base: str
    nullable: bool = False
    enum: str | None = None
    size: int | None = None
    written: bool = field(default=False, compare=False)

    def __str__(self) -> str:
        if self.base == "null":
            return "null"
        name = self.enum if self.base == "enum" and self.enum else self.base
        size = f"({self.size})" if self.size is not None else ""
        return f"{name}{size}{'?' if self.nullable else ''}"

    def required(self) -> Type:
        """The same type without its `?`."""
        return replace(self, nullable=False) if self.nullable else self


UNKNOWN = Type("unknown")
TEXT, INT, NUMBER, BOOL = Type("text"), Type("int"), Type("number"), Type("bool")
NULL = Type("null", nullable=True)


def compatible(left: Type, right: Type) -> bool:
    """Whether values of both types can be equal: the same base, enum and size; numbers with numbers, money with money."""
    if "unknown" in (left.base, right.base):
        return True
    if left.base in NUMERIC and right.base in NUMERIC:
        return same_unit(left, right) or left.written or right.written
    if left.base != right.base or left.enum != right.enum:
        return False
    return left.size is None or right.size is None or left.size == right.size


def same_unit(left: Type, right: Type) -> bool:
    """Whether both numbers are money, or neither."""
    return (left.base == "usd") == (right.base == "usd")


def assignable(value: Type, target: Type) -> bool:
    """Whether a value of type `value` may stand where `target` is declared: no number in an int column."""
    if value.base == "null":
        return target.nullable or target.base == "unknown"
    if target.base == "int" and value.base in ("number", "usd"):
        return False
    return compatible(value, target)


def join(left: Type, right: Type) -> Type:
    """The type of a value that has both types: the narrower of two numbers, not null if either is not."""
    if left.base == "unknown":
        return right
    base = right if left.base == "number" and right.base == "int" else left
    return replace(base, nullable=left.nullable and right.nullable)


def literal_type(expr: ast.Expr) -> Type | None:
    """The type of a constant as written, None for anything else; an enum constant's enum is open."""
    match expr:
        case ast.Text():
            return TEXT
        case ast.Number():
            return replace(INT if isinstance(expr.value, int) else NUMBER, written=True)
        case ast.Bool():
            return BOOL
        case ast.Null():
            return NULL
        case _:
            return None


def fits_integer(value: object) -> bool:
    """Whether an int can be stored: SQLite's are of 64 bits."""
    return not isinstance(value, int) or -(2**63) <= value < 2**63


def is_date(text: str) -> bool:
    """Whether `text` is a calendar date written as the contracts write it, `2026-01-31`."""
    try:
        return datetime.date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False
