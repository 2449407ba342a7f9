"""The types of text functions and of arithmetic."""

from __future__ import annotations

from dataclasses import replace

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

# No `mentions` in rules: the engines that evaluate them do not know where a word ends in every script.
ITEM_FUNCTION_TYPES = {**FUNCTION_TYPES, "mentions": ((TEXT, TEXT), BOOL)}


def arithmetic(operator: str, left: Type, right: Type) -> Type:
    """The type of `left operator right`: money stays money, a share of money and any other division are numbers.

    Never nullable: E0305 asks for `known(x)` before anything is computed from x.
    """
    if "unknown" in (left.base, right.base) or unit_problem(operator, left, right):
        return UNKNOWN
    written = left.written and right.written
    if "usd" in (left.base, right.base) and not (operator == "/" and left.base == right.base):
        return Type("usd")
    return replace(
        NUMBER if operator == "/" or {"number", "usd"} & {left.base, right.base} else INT, written=written
    )


def unit_problem(operator: str, left: Type, right: Type) -> str:
    """What is wrong with the units of `left operator right`; empty where nothing."""
    money = (left.base == "usd", right.base == "usd")
    if not any(money) or "unknown" in (left.base, right.base):
        return ""
    if operator == "*":
        return "money times money is no amount of money" if all(money) else ""
    if operator == "/":
        return "a number divided by money is no amount of money" if money == (False, True) else ""
    if all(money) or left.written or right.written:
        return ""
    return f"money and a plain number do not go together by `{operator}`"
