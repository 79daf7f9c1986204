"""How many requests wait in their queues, counted now and then."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from math import nan
from typing import Final

from consumer.core.clock import Clock
from consumer.core.waiting_count import WaitingCount

__all__ = ["INTERVAL", "Backlog"]

INTERVAL: Final = 15.0
"""Seconds between two counts."""


class Backlog(WaitingCount):
    """Counts what waits; its age is for how long requests have been waiting while nothing is consumed.

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
        super().__init__(clock)
        self._count_queues = count
        self._is_paused = is_paused
        self._waiting: Mapping[str, int] = {}

    def waiting(self, queue: str) -> float:
        """How many requests waited in a queue at the last count; nan when it could not be counted."""
        return self._waiting.get(queue, nan)

    async def _count(self) -> float:
        self._waiting = await self._count_queues()
        self._note_waiting(self._is_paused() and any(self._waiting.values()))
        return INTERVAL
