"""Keeps an interruption out of code that cannot bear one anywhere."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

INTERRUPTIONS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def interruptions_wait() -> Iterator[None]:
    """Let ctrl-C and SIGTERM take effect after the block, as if they had come then.

    For libraries that hand work to a thread: a `KeyboardInterrupt` raised inside `Condition.notify` can leave a waiter
    behind that swallows the next notification, and whoever then waits for the thread waits forever (CPython gh-92530
    mends one half of it). The block should be short. Outside the main thread nothing is ever interrupted.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []
    before = {number: signal.getsignal(number) for number in INTERRUPTIONS}
    for number, handler in before.items():
        if handler is not None:  # None: not of Python, and so raising nothing
            signal.signal(number, lambda number, _frame: came.append(number))
    try:
        yield
    finally:
        for number, handler in before.items():
            if handler is not None:
                signal.signal(number, handler)
        for received in came:
            signal.raise_signal(received)
