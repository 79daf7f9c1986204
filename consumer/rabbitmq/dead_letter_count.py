"""How many dead letters wait, counted now and then, and said before they are too many."""

from __future__ import annotations

import asyncio
import logging
from math import nan
from typing import Final, NoReturn

from aio_pika.abc import AbstractConnection

from consumer.core.clock import Clock
from zeebe_amqp import wire
from zeebe_amqp.amqp.depth import measure

__all__ = ["INTERVAL", "RETRY", "DeadLetterCount", "describe", "many"]

log = logging.getLogger(__name__)

INTERVAL: Final = 60.0
"""Seconds between two counts."""
RETRY: Final = 5.0
"""The same after one that failed: the queue may be about to be declared."""
MANY: Final = 80
"""Percent of the bound from which there are many."""


def many(waiting: float, bound: int) -> bool:
    """Whether so many letters wait that somebody should look."""
    return waiting * 100 >= bound * MANY


def describe(waiting: float, bound: int) -> str:
    """How many letters wait, and where they are many what to do, for an operator."""
    wait = f"{waiting:.0f} wait in {wire.DEAD_LETTER!r}, {waiting * 100 // bound:.0f} % of DEAD_LETTER_BOUND ({bound})"
    return f"{wait}: `dead list` shows them; replay or drop them" if many(waiting, bound) else wait


class DeadLetterCount:
    """Counts the letters of the dead-letter queue through a connection that somebody else opens.

    Args:
        bound: how many may wait.
        clock: what waits uses it.
    """

    def __init__(self, bound: int, clock: Clock | None = None) -> None:
        self._bound = bound
        self._clock = clock or Clock()
        self._connection: AbstractConnection | None = None
        self._many = False
        self._task: asyncio.Task[NoReturn] | None = None
        self.waiting = nan
        """How many waited when they were last counted; nan when they could not be."""
        self._since: float | None = None

    def age(self) -> float:
        """Seconds for which letters have been waiting, as far as they were counted; 0 while none wait.

        A lower bound: they may have waited before, and the oldest may have been replayed. Nobody takes one out of the
        queue to look at its time, because the broker counts that, and drops a letter that comes back too often.
        """
        return 0.0 if self._since is None else self._clock.monotonic() - self._since

    def follow(self, connection: AbstractConnection) -> None:
        """Count through this connection from now on."""
        self._connection = connection

    def start(self) -> None:
        """Begin to count."""
        self._task = asyncio.get_running_loop().create_task(self._run())

    def stop(self) -> None:
        """Count no more; harmless when it never started."""
        if self._task is not None:
            self._task.cancel()

    async def _run(self) -> NoReturn:
        while True:
            counted = await self._count()
            await self._clock.sleep(INTERVAL if counted else RETRY)

    async def _count(self) -> bool:
        """Count once; false when that was not possible."""
        if self._connection is None:
            return False
        depth = await measure(self._connection, wire.DEAD_LETTER)
        if depth is None:
            self.waiting = nan
            return False
        self._note(depth.waiting)
        return True

    def _note(self, waiting: int) -> None:
        self.waiting = waiting
        if waiting == 0:
            self._since = None
        elif self._since is None:
            self._since = self._clock.monotonic()
        before, self._many = self._many, many(waiting, self._bound)
        if self._many == before:
            return
        words, fields = describe(waiting, self._bound), {"waiting": waiting, "bound": self._bound}
        if self._many:
            log.warning("dead letters: %s", words, extra={"event": "dead_letters.many", **fields})
        else:
            log.info("dead letters: %s", words, extra={"event": "dead_letters.fewer", **fields})
