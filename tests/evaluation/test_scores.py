"""Scores against the plainest way to compute them."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nesyc_runtime import config
from nesyc_runtime.evaluation import scores as module
from nesyc_runtime.evaluation.scores import compare, estimate, requirement, score_metric

PLACE = config.Location(file="a.nesy", line=1, col=1, end_line=1, end_col=2)
ROW, OUTPUT = "row", "output"


def column(scope: Any, name: str, of: str | None = None) -> config.ColumnRef:
    return config.ColumnRef(scope=scope, name=name, of=of)


def apply(operator: str, *arguments: Any) -> config.Operation:
    return config.Operation(operator=operator, arguments=arguments)


def number(value: float) -> config.Const:
    return config.Const(value=value, type=config.Type(base="number"))


def metric(group: Any = None, value: Any = None, function: Any = "mean") -> config.Metric:
    value = value or apply("==", column(OUTPUT, "answer"), column(ROW, "label"))
    return config.Metric(name="accuracy", function=function, value=value, group=group, location=PLACE)


def items(answers: list[Any], labels: list[Any], **fields: list[Any]) -> list[Any]:
    return [
        {
            "row": {"label": label, **{name: values[i] for name, values in fields.items()}},
            "output": {"answer": answer},
        }
        for i, (answer, label) in enumerate(zip(answers, labels, strict=True))
    ]


def naive_interval(values: list[float], rounds: int = 4000) -> tuple[float, float]:
    rng = random.Random(1)
    means = sorted(sum(rng.choices(values, k=len(values))) / len(values) for _ in range(rounds))
    return means[int(0.025 * rounds)], means[int(0.975 * rounds)]


@pytest.mark.parametrize("right", [30, 100, 170])
def test_the_interval_is_the_bootstraps(right: int) -> None:
    values = [1.0] * right + [0.0] * (200 - right)
    found = estimate(np.array([values]), seed=0, rounds=4000)
    low, high = naive_interval(values)
    assert found.value == right / 200 and found.n == 200
    assert (found.low, found.high) == pytest.approx((low, high), abs=0.016)


def test_an_answer_not_found_is_wrong_and_counts() -> None:
    (found,) = score_metric(metric(), [items([1, None, 3, "x"], [1, 2, 3, 4])], seed=0)
    assert found.group is None
    assert (found.estimate.n, found.estimate.value) == (4, 0.5)


def test_groups_are_scored_on_their_own_items() -> None:
    run = items([1, 0, 1, 1, 0], [1] * 5, hops=[2, 2, 10, None, 10])
    found = score_metric(metric(group=column(ROW, "hops")), [run], seed=0)
    assert [(g.group, g.estimate.n, g.estimate.value) for g in found] == [
        ("10", 2, 0.5),
        ("2", 2, 0.5),
        ("null", 1, 1.0),
    ]


def test_seeds_are_averaged_and_widen_the_interval() -> None:
    alike = np.array([[1.0, 0.0] * 50] * 3)
    apart = np.array([[1.0] * 100, [0.0] * 100, [0.5] * 100])
    assert estimate(alike, seed=0).value == estimate(apart, seed=0).value == 0.5
    narrow, wide = estimate(alike, seed=0), estimate(apart, seed=0)
    assert wide.high - wide.low > narrow.high - narrow.low > 0.1
    assert wide.low == pytest.approx(0.0) and wide.high == pytest.approx(1.0)


@settings(deadline=None, max_examples=30)
@given(
    st.lists(st.lists(st.floats(-5, 5), min_size=4, max_size=4), min_size=1, max_size=3),
    st.sampled_from(["mean", "sum", "min", "max"]),
)
def test_values_are_the_functions_averaged_over_seeds(values: list[list[float]], function: str) -> None:
    plain = {"mean": lambda v: sum(v) / len(v), "sum": sum, "min": min, "max": max}[function]
    found = estimate(np.array(values), function, seed=0, rounds=50)
    assert found.value == pytest.approx(sum(plain(row) for row in values) / len(values), abs=1e-9)


def test_chunks_do_not_change_a_result(monkeypatch: Any) -> None:
    values = np.random.default_rng(0).random((2, 40))
    other = np.random.default_rng(1).random((2, 40))
    whole = estimate(values, seed=3), compare(values, other, seed=3)
    assert whole == (estimate(values, seed=3), compare(values, other, seed=3))
    assert estimate(values, seed=4) != whole[0]
    monkeypatch.setattr(module, "CHUNK", 100)
    again = estimate(values, seed=3), compare(values, other, seed=3)
    assert again[0].low == pytest.approx(whole[0].low, abs=0.02)


def test_a_comparison_is_paired() -> None:
    """b is right wherever a is, and on 12 of 200 items more: unpaired, the intervals would overlap widely."""
    a = np.array([[1.0] * 100 + [0.0] * 100])
    b = np.array([[1.0] * 112 + [0.0] * 88])
    found = compare(b, a, seed=0)
    assert found.delta == pytest.approx(0.06)
    assert found.low > 0.02 and found.high < 0.1 and found.p < 0.01
    assert estimate(a, seed=0).high > estimate(b, seed=0).low
    assert compare(a, b, seed=0).delta == pytest.approx(-0.06)


def test_p_without_a_difference() -> None:
    a = np.array([[1.0, 0.0] * 100])
    assert compare(a, a, seed=0).p == 1.0
    b = np.array([[0.0, 1.0] * 100])
    assert compare(a, b, seed=0).p > 0.5


def test_p_falls_with_the_evidence() -> None:
    a, b = np.array([[1.0] * 6 + [0.0] * 4]), np.array([[0.0] * 10])
    few, many = compare(a, b, seed=0), compare(np.tile(a, 10), np.tile(b, 10), seed=0)
    assert 2 / 2001 <= many.p <= few.p < 0.05


def test_an_untrained_student_has_one_run() -> None:
    trained, untrained = np.array([[1.0] * 9 + [0.0], [0.0] + [1.0] * 9]), np.array([[0.0] * 10])
    assert compare(trained, untrained, seed=0).delta == pytest.approx(0.9)


def test_items_must_match_to_be_paired() -> None:
    with pytest.raises(ValueError, match="3 and 2 items"):
        compare(np.zeros((1, 3)), np.zeros((1, 2)), seed=0)


def test_no_items() -> None:
    empty = np.zeros((1, 0))
    assert estimate(empty, seed=0) == module.Estimate(0, 0.0, 0.0, 0.0)
    assert compare(empty, empty, seed=0).p == 1.0


def test_requirements() -> None:
    better = apply(
        ">=", column("score", "accuracy"), apply("+", column("score", "accuracy", "d.base"), number(0.02))
    )
    assert requirement(better, {"accuracy": 0.61, "d.base.accuracy": 0.57}) == (True, 0.61, 0.59)
    assert requirement(better, {"accuracy": 0.58, "d.base.accuracy": 0.57})[0] is False
    assert requirement(better, {"accuracy": 0.58}) == (False, 0.58, None)
