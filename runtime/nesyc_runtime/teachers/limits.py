"""What holds a teacher back: calls a minute, and money."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from nesyc_runtime import config
from nesyc_runtime.errors import Stopped

SETTLE_POLL = 0.02  # seconds


@dataclass
class Budget:
    """USD that may be spent on a teacher in a run, `spent` counting what the run reuses from earlier ones.

    A call reserves its worst case before it goes out, so that calls in flight cannot overrun the limit.
    """

    teacher: str
    price: config.Price | None
    max_usd: float | None
    spent: float = 0.0
    reserved: float = 0.0

    def cost(self, prompt_tokens: int, completion_tokens: int) -> float:
        if self.price is None:
            return 0.0
        return (prompt_tokens * self.price.input + completion_tokens * self.price.output) / 1e6

    async def reserve(self, amount: float) -> None:
        """Set `amount` aside, waiting while calls in flight hold what may come free.

        Raises `Stopped` where the limit leaves no room for it.
        """
        while self.max_usd is not None and self.spent + self.reserved + amount > self.max_usd:
            if self.reserved <= 0:
                raise Stopped(
                    f"teacher {self.teacher}: the next call might exceed its limit of {self.max_usd:g} USD "
                    f"({self.spent:.4f} spent)",
                    "every answer so far is kept; raise `max_usd` (or the param it comes from) and run again",
                )
            await asyncio.sleep(SETTLE_POLL)
        self.reserved += amount

    def settle(self, reserved: float, paid: float) -> None:
        left = self.reserved - reserved
        self.reserved = left if left > 1e-12 else 0.0  # float dust is not a call in flight
        self.spent += paid


class Pace:
    """At most `rpm` starts a minute, evenly spaced."""

    def __init__(self, rpm: int | None) -> None:
        self._gap = 60.0 / rpm if rpm else 0.0
        self._next = 0.0

    async def wait(self) -> None:
        if not self._gap:
            return
        now = asyncio.get_running_loop().time()
        start = max(now, self._next)
        self._next = start + self._gap
        await asyncio.sleep(start - now)
