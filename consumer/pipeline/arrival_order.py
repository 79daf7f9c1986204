"""Messages about the same thing are run one after the other, in the order in which they came."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from consumer.core.delivery import Delivery, Waiting

__all__ = ["ArrivalOrder"]


class ArrivalOrder:
    """Lets a delivery begin when those before it with the same correlation id have ended.

    Of two different answers for a job the first one counts. Without this it is the one that runs first: of two that
    come together while everything is busy, or of which the first one is large, that may be the second one.
    """

    def __init__(self) -> None:
        self._last: dict[str, asyncio.Event] = {}

    async def run(self, delivery: Delivery, serve: Callable[[Delivery], Awaitable[None]]) -> None:
        """Serve a delivery in its turn, which is taken before anything is awaited."""
        about = delivery.message.correlation_id
        if about is None:
            await serve(delivery)
            return
        before, ended = self._last.get(about), asyncio.Event()
        self._last[about] = ended
        try:
            if before is not None:
                with delivery.waiting(Waiting.RUN):
                    await before.wait()
            await serve(delivery)
        finally:
            ended.set()
            if self._last[about] is ended:
                del self._last[about]
