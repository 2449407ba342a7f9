"""How long property tests run: a few examples in the normal suite, many under `make fuzz` (NESYC_FUZZ=1)."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from hypothesis import HealthCheck, settings

FUZZ = bool(os.environ.get("NESYC_FUZZ"))


def rounds(usual: int, fuzz: int) -> settings:
    """Settings with `usual` examples, or `fuzz` of them in a long run. Drawing whole programs is slow and large."""
    slow = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example]
    return settings(max_examples=fuzz if FUZZ else usual, deadline=None, suppress_health_check=slow)


@contextmanager
def hang_is_failure(seconds: int = 30) -> Iterator[None]:
    """Ends what takes thousands of times longer than it should; speed itself is measured in bench/."""

    def stop(_signal: int, _frame: FrameType | None) -> None:
        raise AssertionError(f"still busy after {seconds} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
