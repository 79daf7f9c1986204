"""What waits in a queue, counted now and then: what is counted is up to the one who derives from it."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from typing import NoReturn

from consumer.core.clock import Clock

__all__ = ["WaitingCount"]


class WaitingCount(ABC):
    """Counts in a task of its own, and says for how long something has been waiting.

    Args:
        clock: what waits uses it.
    """

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or Clock()
        self._since: float | None = None
        self._task: asyncio.Task[NoReturn] | None = None

    def age(self) -> float:
        """Seconds since something was first seen to wait; 0 when nothing does."""
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
            await self._clock.sleep(await self._count())

    @abstractmethod
    async def _count(self) -> float:
        """Count once; the seconds until the next count."""

    def _note_waiting(self, waits: bool) -> None:
        """Remember whether something waits now."""
        if not waits:
            self._since = None
        elif self._since is None:
            self._since = self._clock.monotonic()
