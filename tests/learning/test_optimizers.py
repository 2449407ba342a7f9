"""Schedules and options."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
import torch

from nesyc_runtime.errors import UserError
from nesyc_runtime.learning.optimizers import adamw, lr_factor, lr_schedule, train_options


@pytest.mark.parametrize("schedule", ["cosine", "linear", "constant"])
def test_schedules(schedule: str) -> None:
    factor = lr_factor(schedule, 0.1, 100)
    values = [factor(step) for step in range(101)]
    assert values[:10] == pytest.approx([(step + 1) / 10 for step in range(10)])
    assert values[10] == 1.0
    assert all(a >= b for a, b in pairwise(values[9:]))
    middle = {"cosine": 0.5, "linear": 0.5, "constant": 1.0}[schedule]
    assert values[55] == pytest.approx(middle)
    assert values[100] == pytest.approx(1.0 if schedule == "constant" else 0.0)
    if schedule == "cosine":
        assert values[32] == pytest.approx(0.5 * (1 + math.cos(math.pi * 22 / 90)))


@pytest.mark.parametrize("schedule", ["cosine", "linear", "constant"])
@pytest.mark.parametrize("steps", [1, 2, 3])
@pytest.mark.parametrize("warmup", [0.0, 0.5, 1.0])
def test_every_step_of_a_short_run_learns(schedule: str, steps: int, warmup: float) -> None:
    factor = lr_factor(schedule, warmup, steps)
    assert all(0 < factor(step) <= 1 for step in range(steps))


def test_the_scheduler_follows_the_factor() -> None:
    model = torch.nn.Linear(2, 2)
    optimizer = adamw(model, 0.1, train_options({"weight_decay": 0.5}))
    schedule = lr_schedule(optimizer, "linear", 0.5, 4)
    rates = []
    for _ in range(4):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    assert rates == pytest.approx([0.05, 0.1, 0.1, 0.05])
    assert [group["weight_decay"] for group in optimizer.param_groups] == [0.5, 0.0]


def test_frozen_parameters_are_left_out() -> None:
    model = torch.nn.Linear(2, 2)
    model.weight.requires_grad_(False)
    optimizer = adamw(model, 0.1, train_options({}))
    assert [len(group["params"]) for group in optimizer.param_groups] == [1]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"weight_deacy": 0.1}, "no `weight_deacy`"),
        ({"clip": -1.0}, "clip = -1.0"),
        ({"clip": "no"}, "clip = 'no'"),
        ({"eps": True}, "eps = True"),
        ({"beta1": 1.0}, "below 1"),
    ],
)
def test_options_are_checked(options: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        train_options(options)  # type: ignore[arg-type]
    if "deacy" in message:
        assert caught.value.help == "did you mean `weight_decay`?"
