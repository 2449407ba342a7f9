"""Metrics over items with bootstrap intervals, and paired comparisons.

Values are arrays of shape (seeds, items): row s holds what the student trained with seed s scored on each
item; an untrained student has one row. A bootstrap round draws items with replacement, the same ones for
every seed, and seeds with replacement.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nesyc_runtime.config import ItemExpr, Metric, Operation
from nesyc_runtime.expressions import Scopes, evaluate

Values = NDArray[np.float64]
Reduce = Callable[..., Any]

ROUNDS = 2000
CHUNK = 4_000_000  # numbers held at once while resampling
REDUCE: Mapping[str, Reduce] = {"mean": np.mean, "sum": np.sum, "min": np.min, "max": np.max}


@dataclass(frozen=True, slots=True)
class Estimate:
    """`value` over `n` items with its 95 % interval."""

    n: int
    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class GroupEstimate:
    """An estimate for the items of one group; `group` None stands for all items."""

    group: str | None
    estimate: Estimate


@dataclass(frozen=True, slots=True)
class Comparison:
    """`delta` = a - b over the same items; `p` two-sided, from the bootstrap of the difference."""

    delta: float
    low: float
    high: float
    p: float


def metric_value(metric: Metric, scopes: Scopes) -> float:
    """The metric's value for one item: true is 1; false, unknown and what is no number are 0."""
    value = evaluate(metric.value, scopes)
    return float(value) if isinstance(value, (bool, int, float)) and np.isfinite(value) else 0.0


def score_metric(
    metric: Metric, runs: Sequence[Sequence[Scopes]], *, seed: int, rounds: int = ROUNDS
) -> list[GroupEstimate]:
    """`metric` over the items of each run (one run a seed, the same items in the same order).

    A metric with `group` gives an estimate for each value of it, in order of their text; an item whose
    group is unknown stands in the group "null".
    """
    values = np.array([[metric_value(metric, item) for item in run] for run in runs], dtype=np.float64)
    if metric.group is None:
        return [GroupEstimate(None, estimate(values, metric.function, seed=seed, rounds=rounds))]
    names = np.array([_group_name(evaluate(metric.group, item)) for item in runs[0]])
    return [
        GroupEstimate(
            str(name), estimate(values[:, names == name], metric.function, seed=seed, rounds=rounds)
        )
        for name in sorted(set(names.tolist()))
    ]


def estimate(values: Values, function: str = "mean", *, seed: int, rounds: int = ROUNDS) -> Estimate:
    """`function` over all of `values` (seeds, items), with the 2.5 % and 97.5 % quantiles of its bootstrap.

    No items give 0 with an interval of 0.
    """
    if values.shape[1] == 0:
        return Estimate(0, 0.0, 0.0, 0.0)
    reduce = REDUCE[function]
    rng = np.random.default_rng(seed)
    low, high = _interval(np.concatenate(list(_resampled(values, reduce, rng, rounds))))
    return Estimate(values.shape[1], _total(values, reduce), low, high)


def compare(a: Values, b: Values, function: str = "mean", *, seed: int, rounds: int = ROUNDS) -> Comparison:
    """The difference of two students on the same items.

    `a` and `b` are (seeds, items) with equal items; each round draws the same items for both, and seeds for
    each. Raises ValueError where the items differ in number.
    """
    if a.shape[1] != b.shape[1]:
        raise ValueError(f"{a.shape[1]} and {b.shape[1]} items cannot be paired")
    if a.shape[1] == 0:
        return Comparison(0.0, 0.0, 0.0, 1.0)
    reduce = REDUCE[function]
    rng = np.random.default_rng(seed)
    differences = []
    for chunk in _chunks(rounds, (a.shape[0] + b.shape[0]) * a.shape[1]):
        drawn = rng.integers(a.shape[1], size=(chunk, a.shape[1]))
        of_a = _at(a, _seed_draws(a, rng, chunk), drawn, reduce)
        of_b = _at(b, _seed_draws(b, rng, chunk), drawn, reduce)
        differences.append(of_a - of_b)
    sampled = np.concatenate(differences)
    low, high = _interval(sampled)
    tail = min(int((sampled <= 0).sum()), int((sampled >= 0).sum()))
    p = min(1.0, 2 * (tail + 1) / (rounds + 1))
    return Comparison(_total(a, reduce) - _total(b, reduce), low, high, p)


def requirement(condition: ItemExpr, scores: Mapping[str, float]) -> tuple[bool, float | None, float | None]:
    """Whether a `require` holds, and the values of its two sides.

    `scores` holds `metric` for the evaluated model and `model.metric` for others. A score that is not there makes
    the requirement fail. A condition that is no comparison has no sides.
    """
    scopes: Scopes = {"score": scores}
    holds = evaluate(condition, scopes) is True
    if not isinstance(condition, Operation) or len(condition.arguments) != 2:
        return holds, None, None
    left, right = (evaluate(side, scopes) for side in condition.arguments)
    return holds, _side(left), _side(right)


def _side(value: Any) -> float | None:
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def _group_name(value: Any) -> str:
    if value is None:
        return "null"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _total(values: Values, reduce: Reduce) -> float:
    return float(reduce(values, axis=1).mean())


def _interval(sampled: Values) -> tuple[float, float]:
    low, high = np.quantile(sampled, [0.025, 0.975])
    return float(low), float(high)


def _resampled(values: Values, reduce: Reduce, rng: np.random.Generator, rounds: int) -> Iterator[Values]:
    for chunk in _chunks(rounds, values.size):
        drawn = rng.integers(values.shape[1], size=(chunk, values.shape[1]))
        yield _at(values, _seed_draws(values, rng, chunk), drawn, reduce)


def _seed_draws(values: Values, rng: np.random.Generator, chunk: int) -> NDArray[np.int64]:
    return rng.integers(values.shape[0], size=(chunk, values.shape[0]))


def _at(values: Values, seeds: NDArray[np.int64], items: NDArray[np.int64], reduce: Reduce) -> Values:
    """(chunk,): the statistic of each round's drawn seeds and items, the mean over the seeds."""
    drawn = values[seeds[:, :, None], items[:, None, :]]  # (chunk, seeds, items)
    result: Values = reduce(drawn, axis=2).mean(axis=1)
    return result


def _chunks(rounds: int, numbers: int) -> Iterator[int]:
    size = max(1, CHUNK // max(1, numbers))
    for start in range(0, rounds, size):
        yield min(size, rounds - start)
