"""The state of all random numbers that a training draws: the CPU's generator and those of the GPUs."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

CPU, GPU = "random", "random.cuda."


def random_state() -> dict[str, Tensor]:
    """By generator, as tensors of bytes."""
    found = {CPU: torch.get_rng_state()}
    if torch.cuda.is_available():
        found |= {f"{GPU}{number}": state for number, state in enumerate(torch.cuda.get_rng_state_all())}
    return found


def restore_random(state: Mapping[str, Tensor]) -> None:
    """Put back what `random_state` gave; GPUs that are no longer there are left out."""
    torch.set_rng_state(state[CPU])
    for number in range(torch.cuda.device_count() if torch.cuda.is_available() else 0):
        if f"{GPU}{number}" in state:
            torch.cuda.set_rng_state(state[f"{GPU}{number}"], number)
