"""Values of scalar expressions over an item: metrics, retrieval queries and filters, requirements.

The set of operators is closed. Nothing raises: where types do not fit, or a value is null or missing, the result is
None (unknown), and unknown is never true.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from nesyc_runtime import patterns
from nesyc_runtime.config import ColumnRef, Const, Holds, ItemExpr, Operation
from nesyc_runtime.kb.search.words import mentions

# "row", "input", "output", "hit", "question" -> field -> value; "holds" -> `Holds.lookup` -> the rows there are
Scopes = Mapping[str, Mapping[str, Any]]

ORDER: Mapping[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
ARITHMETIC: Mapping[str, Callable[[Any, Any], Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "%": operator.mod,
}


def evaluate(expression: ItemExpr, scopes: Scopes) -> Any:
    """The value of `expression`; a column under `score` is looked up in `scopes["score"]` as `of.name` or `name`."""
    match expression:
        case Const():
            return expression.value
        case ColumnRef():
            name = f"{expression.of}.{expression.name}" if expression.of else expression.name
            return scopes.get(expression.scope, {}).get(name)
        case Operation():
            return _apply(
                expression.operator, [evaluate(argument, scopes) for argument in expression.arguments]
            )
        case Holds():
            given = [evaluate(argument, scopes) for argument in expression.arguments if argument is not None]
            if any(value is None for value in given):
                return None  # null joins nothing
            return tuple(given) in scopes.get("holds", {}).get(expression.lookup, ())


def relation_tests(expression: ItemExpr) -> Iterator[Holds]:
    """Every `Holds` within an expression."""
    if isinstance(expression, Holds):
        yield expression
    elif isinstance(expression, Operation):
        for argument in expression.arguments:
            yield from relation_tests(argument)


def is_true(expression: ItemExpr, scopes: Scopes) -> bool:
    return evaluate(expression, scopes) is True


def equal(left: Any, right: Any) -> bool | None:
    """Equality within one kind of value (numbers of any type compare by value); across kinds False; null unknown."""
    if left is None or right is None:
        return None
    return _kind(left) == _kind(right) and bool(left == right)


def _apply(name: str, values: list[Any]) -> Any:
    if name in ("and", "or", "not"):
        return _logic(name, values)
    if name == "known":
        return len(values) == 1 and values[0] is not None
    if any(value is None for value in values):
        return _concat(values) if name == "concat" else None
    if name in ("==", "=", "!="):
        same = equal(*values) if len(values) == 2 else None
        return None if same is None else same != (name == "!=")
    if name in ORDER:
        return _ordered(name, values)
    if name in ARITHMETIC and len(values) == 2:
        return _arithmetic(name, *values)
    if name in ("neg", "-") and len(values) == 1:
        return -values[0] if _kind(values[0]) == "number" else None
    return _text(name, values)


def _logic(name: str, values: list[Any]) -> bool | None:
    """Kleene's logic: unknown where the unknown part decides."""
    truths = [value if isinstance(value, bool) else None for value in values]
    if name == "not":
        return None if len(truths) != 1 or truths[0] is None else not truths[0]
    decisive = name == "or"
    if decisive in truths:
        return decisive
    return None if None in truths else not decisive


def _ordered(name: str, values: list[Any]) -> bool | None:
    if len(values) != 2 or _kind(values[0]) != _kind(values[1]) or _kind(values[0]) not in ("number", "text"):
        return None
    return ORDER[name](*values)


def _arithmetic(name: str, left: Any, right: Any) -> Any:
    if name == "+" and _kind(left) == _kind(right) == "text":
        return left + right
    if _kind(left) != "number" or _kind(right) != "number":
        return None
    try:
        return ARITHMETIC[name](left, right)
    except (ZeroDivisionError, OverflowError):
        return None


def _text(name: str, values: list[Any]) -> Any:
    if name == "concat":
        return _concat(values)
    if not values or not all(isinstance(value, str) for value in values):
        return None
    match name, values:
        case "lower", [text]:
            return text.lower()
        case "upper", [text]:
            return text.upper()
        case "length", [text]:
            return len(text)
        case "contains", [text, part]:
            return part in text
        case "starts_with", [text, part]:
            return text.startswith(part)
        case "replace", [text, old, new]:
            return text.replace(old, new) if old else text
        case "matches", [text, pattern]:
            return patterns.matches(pattern, text)
        case "mentions", [text, phrase]:
            return mentions(text, phrase)
        case _:
            return None


def _concat(values: list[Any]) -> str:
    """The values with single spaces between, null as nothing."""
    return " ".join(str(value) for value in values if value is not None)


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, (int, float)):
        return "number"
    return "text" if isinstance(value, str) else type(value).__name__
