"""Expressions over an item: a closed set of operators, never an exception, unknown never true."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nesyc_runtime import config
from nesyc_runtime.expressions import evaluate, is_true

ANY = config.Type(base="json")
OPERATORS = (
    "== = != < <= > >= + - * / % neg and or not concat lower upper length contains starts_with replace matches mentions "
    "known nonsense"
).split()


def run(operator: str, *values: Any) -> Any:
    names = [f"v{i}" for i in range(len(values))]
    arguments = tuple(config.ColumnRef(scope="row", name=name) for name in names)
    expression = config.Operation(operator=operator, arguments=arguments)
    return evaluate(expression, {"row": dict(zip(names, values, strict=True))})


@pytest.mark.parametrize(
    ("operator", "values", "expected"),
    [
        ("==", (42, 42.0), True),
        ("==", ("a", "a"), True),
        ("==", ("a", "A"), False),
        ("==", (1, True), False),
        ("==", ("1", 1), False),
        ("!=", ("1", 1), True),
        ("==", (None, None), None),
        ("!=", (None, 1), None),
        ("<", (2, 10), True),
        ("<", ("b", "a"), False),
        ("<", ("2", 10), None),
        ("<", (False, True), None),
        ("+", (1, 2), 3),
        ("+", ("a", "b"), "ab"),
        ("+", ("a", 1), None),
        ("-", (5,), -5),
        ("neg", (5,), -5),
        ("/", (1, 0), None),
        ("%", (7, 4), 3),
        ("*", (True, 2), None),
        ("and", (True, None), None),
        ("and", (False, None), False),
        ("or", (True, None), True),
        ("or", (False, None), None),
        ("not", (None,), None),
        ("not", (False,), True),
        ("not", ("x",), None),
        ("concat", ("a", 1, None, "b"), "a 1 b"),
        ("lower", ("Ab",), "ab"),
        ("upper", ("Ab",), "AB"),
        ("length", ("abc",), 3),
        ("contains", ("abc", "bc"), True),
        ("starts_with", ("abc", "bc"), False),
        ("replace", ("aXa", "X", ""), "aa"),
        ("replace", ("abc", "", "-"), "abc"),
        ("matches", ("abc", "^a.c$"), True),
        ("matches", ("abc", "("), False),
        ("mentions", ("Is it so in The Matrix?", "the matrix"), True),
        ("mentions", ("the goal", "go"), False),
        ("mentions", ("the goal, the", "the the"), False),
        ("mentions", ("It was 3:02 pm of 5/4/2004.", "5/4/2004"), True),
        ("mentions", ("LÉON the Professional", "leon"), True),
        ("mentions", ("anything", "!"), False),
        ("mentions", ("anything", None), None),
        ("lower", (3,), None),
        ("nonsense", (1, 2), None),
    ],
)
def test_operators(operator: str, values: tuple[Any, ...], expected: Any) -> None:
    found = run(operator, *values)
    assert found == expected and type(found) is type(expected)


VALUES = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.lists(st.integers()))


@given(st.sampled_from(OPERATORS), st.lists(VALUES, max_size=4))
def test_nothing_raises(operator: str, values: list[Any]) -> None:
    run(operator, *values)


@given(st.sampled_from(["==", "!=", "<", "<=", ">", ">="]), VALUES)
def test_null_is_never_true(operator: str, value: Any) -> None:
    assert run(operator, None, value) is None and run(operator, value, None) is None


def test_columns_and_constants() -> None:
    constant = config.Const(value="x", type=ANY)
    assert evaluate(constant, {}) == "x"
    assert evaluate(config.ColumnRef(scope="hit", name="absent"), {"hit": {}}) is None
    assert evaluate(config.ColumnRef(scope="row", name="x"), {"input": {"x": 1}}) is None
    score = config.ColumnRef(scope="score", name="accuracy", of="d.base")
    assert evaluate(score, {"score": {"d.base.accuracy": 0.5, "accuracy": 0.9}}) == 0.5
    assert not is_true(constant, {})


def test_an_evil_pattern_ends() -> None:
    assert run("matches", "a" * 3000 + "b", r"^(a|a)*$") is False
