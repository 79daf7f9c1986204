"""How many requests wait in their queues, counted now and then."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from math import nan
from typing import Final, NoReturn

from consumer.core.clock import Clock

__all__ = ["INTERVAL", "Backlog"]

INTERVAL: Final = 15.0
"""Seconds between two counts."""


class Backlog:
    """Counts what waits, and says for how long it has been waiting while nothing is consumed.

    Args:
        count: requests that wait, by queue; without the queues that could not be counted.
        is_paused: whether nothing is consumed now.
        clock: what waits uses it.
    """

    def __init__(
        self,
        count: Callable[[], Awaitable[Mapping[str, int]]],
        is_paused: Callable[[], bool],
        clock: Clock | None = None,
    ) -> None:
        self._count = count
        self._is_paused = is_paused
        self._clock = clock or Clock()
        self._waiting: Mapping[str, int] = {}
        self._since: float | None = None
        self._task: asyncio.Task[NoReturn] | None = None

    def waiting(self, queue: str) -> float:
        """How many requests waited in a queue at the last count; nan when it could not be counted."""
        return self._waiting.get(queue, nan)

    def age(self) -> float:
        """Seconds since requests were first seen to wait while nothing is consumed; 0 when none do."""
        return 0.0 if self._since is None else self._clock.monotonic() - self._since

    def start(self) -> None:
        """Begin to count."""
        self._task = asyncio.get_running_loop().create_task(self._run())

    def stop(self) -> None:
        """Count no more; harmless when it never started."""
        if self._task is not None:
            self._task.cancel()

    async def _run(self) -> NoReturn:
        while True:
            self._waiting = await self._count()
            if not (self._is_paused() and any(self._waiting.values())):
                self._since = None
            elif self._since is None:
                self._since = self._clock.monotonic()
            await self._clock.sleep(INTERVAL)
