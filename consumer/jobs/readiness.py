"""What fetching waits for: everything that a job needs, and after a start or an outage the answers that wait.

While the service was away, jobs may have timed out whose workers have answered. The engine takes these answers as long
as the job was not given out again: so they go first.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final

from consumer.core.clock import Clock

__all__ = ["MAX_DRAINING", "Need", "Readiness"]

log = logging.getLogger(__name__)

MAX_DRAINING: Final = 30.0
"""Seconds for which fetching waits for answers, at most."""


@dataclass(frozen=True)
class Need:
    """Something without which no job may be fetched."""

    is_ready: Callable[[], bool]
    ready: Callable[[], Awaitable[object]]
    """Waits until it is."""
    openings: Callable[[], int] = lambda: 0
    """Another number than before: it was away meanwhile, if only for a moment."""


class Readiness:
    """Open while jobs may be fetched; the same for all types.

    Args:
        needs: all must be ready.
        drain: waits until the answers that wait have been handled.
        clock: what waits uses it.
    """

    def __init__(
        self, needs: Sequence[Need], drain: Callable[[], Awaitable[object]], clock: Clock | None = None
    ) -> None:
        self._needs = needs
        self._drain = drain
        self._clock = clock or Clock()
        self._openings: tuple[int, ...] | None = None
        """As they were when it opened last."""
        self._opening: asyncio.Task[None] | None = None

    @property
    def is_open(self) -> bool:
        """Whether jobs may be fetched now."""
        return self._are_ready and self._openings == self._count()

    @property
    def _are_ready(self) -> bool:
        return all(need.is_ready() for need in self._needs)

    def _count(self) -> tuple[int, ...]:
        return tuple(need.openings() for need in self._needs)

    async def wait_open(self) -> None:
        """Wait until it is open."""
        while not self.is_open:
            self._openings = None  # what is back by itself still has to be waited for: the answers go first
            if self._opening is None:
                self._opening = asyncio.get_running_loop().create_task(self._open())
            # Only waited for: one type that ends must not take it from the others.
            opening = self._opening
            await asyncio.wait({opening})
            opening.result()

    async def _open(self) -> None:
        try:
            for need in self._needs:
                await need.ready()
            if not self._are_ready:
                return
            counted = self._count()
            await self._drain_some()
            self._openings = counted
        finally:
            self._opening = None

    async def _drain_some(self) -> None:
        try:
            async with self._clock.timeout(MAX_DRAINING):
                await self._drain()
        except TimeoutError:
            fields = {"event": "jobs.undrained", "seconds": MAX_DRAINING}
            words = "answers still wait after %g s; fetching jobs nevertheless"
            log.warning(words, MAX_DRAINING, extra=fields)

    def close(self) -> None:
        """Nobody waits any more."""
        if self._opening is not None:
            self._opening.cancel()
