"""How many commands may run at a time: fewer when the engine says that it has too much to do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from consumer.core.turns import Turns

__all__ = ["AimdLimit", "ConcurrencyLimiter"]

SHRINK: Final = 0.7
"""What is left of the limit after the engine refused for load."""


class AimdLimit:
    """Additive increase, multiplicative decrease: the limit between 1 and `maximum`; pure decisions, no clock.

    A round is what was sent under one limit. Refusals of the same round say the same thing, so that only the first
    shrinks the limit; as many successes as the limit allows make one more.
    """

    def __init__(self, maximum: int) -> None:
        self.maximum = maximum
        self._exact = float(maximum)
        self._round = 0

    @property
    def value(self) -> int:
        """How many commands may run at a time, from 1 to `maximum`."""
        return int(self._exact)

    @property
    def round(self) -> int:
        """The number to remember when something is sent, for `record_refusal`."""
        return self._round

    def record_refusal(self, sent: int) -> None:
        """The engine refused for load what was sent in round `sent`."""
        if sent == self._round:
            self._round += 1
            self._exact = max(1.0, self._exact * SHRINK)

    def record_success(self) -> None:
        """The engine did what was asked."""
        if self._exact < self.maximum:
            self._exact = min(float(self.maximum), self._exact + 1.0 / self._exact)


class ConcurrencyLimiter:
    """Lets in as many at a time as its limit says at that moment; the users of what waits take turns."""

    def __init__(self, limit: AimdLimit) -> None:
        self._limit = limit
        self._inside = 0
        self._waiting: Turns[asyncio.Future[None]] = Turns()

    def try_acquire(self) -> bool:
        """Take a slot if there is one for us now; every one needs a `release`."""
        if self._waiting or self._inside >= self._limit.value:
            return False
        self._inside += 1
        return True

    async def acquire(self, user: str | None = None) -> None:
        """Wait for a slot, in the line of `user`; every one needs a `release`."""
        if self.try_acquire():
            return
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.add(user, place)
        try:
            await place
        except asyncio.CancelledError:
            # The place may have been given in the same moment; then it is for the next one.
            if place.done() and not place.cancelled():
                self.release()
            raise

    def release(self) -> None:
        """Give the slot back, and let in whoever fits now: more than one when the limit grew."""
        self._inside -= 1
        while self._waiting and self._inside < self._limit.value:
            place = self._waiting.take()
            if not place.done():
                self._inside += 1
                place.set_result(None)

    @asynccontextmanager
    async def release_for_others(self, user: str | None = None) -> AsyncIterator[None]:
        """Leave the slot to others for a while, and wait for one again, in the line of `user`, before going on."""
        self.release()
        try:
            yield
            await self.acquire(user)
        except BaseException:
            self._inside += 1  # it goes on to its own `release`, at once
            raise
