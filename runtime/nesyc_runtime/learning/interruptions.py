"""Keeps an interruption out of code that cannot bear one anywhere."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

INTERRUPTIONS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def interruptions_wait() -> Iterator[None]:
    """Let ctrl-C and SIGTERM take effect after the block, as if they had come then.

    For libraries that hand work to a thread: a `KeyboardInterrupt` raised inside `Condition.notify` can leave a waiter
    behind that swallows the next notification, and whoever then waits for the thread waits forever (CPython gh-92530
    mends one half of it). A second one does not wait: the block may be asking a server that is gone. Outside the main thread nothing is ever interrupted.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []
    before = {number: signal.getsignal(number) for number in INTERRUPTIONS}

    def wait(number: int, frame: FrameType | None) -> None:
        handler = before[signal.Signals(number)]
        if came and callable(handler):
            handler(number, frame)
        came.append(number)

    try:
        for number, handler in before.items():
            if handler is not None:  # None: not of Python, and so raising nothing
                signal.signal(number, wait)
        yield
    finally:
        for number, handler in before.items():
            if handler is not None:
                signal.signal(number, handler)
        for received in came:
            signal.raise_signal(received)
