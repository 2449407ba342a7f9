"""How long property tests run: a few examples in the normal suite, many under `make fuzz` (NESYC_FUZZ=1)."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

FUZZ = bool(os.environ.get("NESYC_FUZZ"))


def rounds(usual: int, fuzz: int) -> settings:
    """Settings with `usual` examples, or `fuzz` of them in a long run. Drawing whole programs is slow and large."""
    slow = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example]
    return settings(max_examples=fuzz if FUZZ else usual, deadline=None, suppress_health_check=slow)
