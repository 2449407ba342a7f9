"""The types of text functions and of arithmetic."""

from __future__ import annotations

from nesyc.checks.types import (
    BOOL,
    INT,
    NUMBER,
    TEXT,
    UNKNOWN,
    Type,
)

# Arguments and result of the text functions; None stands for any number of texts.
FUNCTION_TYPES: dict[str, tuple[tuple[Type, ...] | None, Type]] = {
    "concat": (None, TEXT),
    "lower": ((TEXT,), TEXT),
    "upper": ((TEXT,), TEXT),
    "length": ((TEXT,), INT),
    "contains": ((TEXT, TEXT), BOOL),
    "starts_with": ((TEXT, TEXT), BOOL),
    "replace": ((TEXT, TEXT, TEXT), TEXT),
    "matches": ((TEXT, TEXT), BOOL),
}


def arithmetic(operator: str, left: Type, right: Type) -> Type:
    """The type of `left operator right`: money stays money, a division is a number.

    Never nullable: E0305 asks for `known(x)` before anything is computed from x.
    """
    if "unknown" in (left.base, right.base):
        return UNKNOWN
    if "usd" in (left.base, right.base):
        return Type("usd")
    return NUMBER if operator == "/" or "number" in (left.base, right.base) else INT
