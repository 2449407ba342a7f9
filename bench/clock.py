"""CPU seconds, of this process and of commands."""

from __future__ import annotations

import gc
import os
import statistics
import subprocess
import time
from collections.abc import Callable, Sequence
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")


def cpu(work: Callable[[], object], repeats: int = 3) -> float:
    """The least CPU seconds (user and system, all threads) of `work` in this process over `repeats` calls."""
    best = float("inf")
    for _ in range(repeats):
        gc.collect()
        start = time.process_time()
        work()
        best = min(best, time.process_time() - start)
    return best


def command_cpu(command: Sequence[str], cwd: Path, repeats: int = 5) -> float:
    """The median CPU seconds (user and system, children too) of a command that must exit 0."""
    seconds = []
    for _ in range(repeats):
        before = os.times()
        subprocess.run(command, cwd=cwd, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        after = os.times()
        spent = after.children_user + after.children_system
        seconds.append(spent - before.children_user - before.children_system)
    return statistics.median(seconds)


def within(seconds: float, work: Callable[..., T], *given: object) -> T | None:
    """What `work(*given)` gives in a process of its own; None, the process ended, where it takes longer.

    `work` is a function of a module, `given` can be pickled. Raises `EOFError` where the process fails.
    """
    context = get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_send, args=(sender, work, given))
    process.start()
    sender.close()
    try:
        return receiver.recv() if receiver.poll(seconds) else None
    finally:
        process.kill()
        process.join()


def _send(sender: Connection, work: Callable[..., object], given: Sequence[object]) -> None:
    sender.send(work(*given))
