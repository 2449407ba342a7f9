"""The random state of a training, put back as it was: on the CPU, and on every GPU that is there."""

from __future__ import annotations

import pytest
import torch

from nesyc_runtime.learning.randomness import random_state, restore_random


def test_the_cpu_draws_the_same_again() -> None:
    state = random_state()
    first = torch.rand(3)
    restore_random(state)
    assert torch.equal(torch.rand(3), first)


def test_every_gpu_is_kept_and_put_back(monkeypatch: pytest.MonkeyPatch) -> None:
    states = [torch.tensor([1], dtype=torch.uint8), torch.tensor([2], dtype=torch.uint8)]
    put: dict[int, torch.Tensor] = {}
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "get_rng_state_all", lambda: states)
    monkeypatch.setattr(torch.cuda, "set_rng_state", lambda state, number: put.update({number: state}))
    state = random_state()
    assert set(state) == {"random", "random.cuda.0", "random.cuda.1"}
    restore_random(state)  # one GPU is left
    assert list(put) == [0] and torch.equal(put[0], states[0])
