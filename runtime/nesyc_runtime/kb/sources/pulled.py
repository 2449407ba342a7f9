"""What a parser hands to a callback, as a stream."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from typing import TypeVar

T = TypeVar("T")
NAME = "nesyc-pulled"  # of the thread
AT_ONCE, AHEAD = 1_000, 4  # items in a batch; batches that wait to be taken


class _Enough(BaseException):
    """Ends a parser that nobody listens to any more; no `except Exception` of its own holds it up."""


def pulled(push: Callable[[Callable[[T], None]], None]) -> Iterator[T]:
    """The items that `push` hands over, in order, a few thousand ahead at most: it runs in a thread of its own.

    What `push` raises is raised here, after the items before it. It ends early where the stream is closed.
    """
    batches: queue.Queue[list[T] | None] = queue.Queue(AHEAD)
    closed = threading.Event()
    failed: list[BaseException] = []

    def send(batch: list[T] | None) -> None:
        while not closed.is_set():
            try:
                batches.put(batch, timeout=0.1)
                return
            except queue.Full:
                continue
        raise _Enough

    def work() -> None:
        batch: list[T] = []

        def put(item: T) -> None:
            batch.append(item)
            if len(batch) >= AT_ONCE:
                send(batch[:])
                batch.clear()

        try:
            try:
                push(put)
            except _Enough:
                raise
            except BaseException as error:  # a thread has nobody else to tell, and the reader waits
                failed.append(error)
            send(batch)
            send(None)
        except _Enough:
            return

    thread = threading.Thread(target=work, name=NAME, daemon=True)
    thread.start()
    try:
        while (found := batches.get()) is not None:
            yield from found
    finally:
        closed.set()
        thread.join()
    if failed:
        raise failed[0]
