"""How many dead letters wait, counted now and then, and said before they are too many."""

from __future__ import annotations

import logging
from math import nan
from typing import Final

from aio_pika.abc import AbstractConnection

from consumer.core.clock import Clock
from consumer.core.waiting_count import WaitingCount
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


class DeadLetterCount(WaitingCount):
    """Counts the letters of the dead-letter queue through a connection that somebody else opens.

    Its age is a lower bound: letters may have waited before, and the oldest may have been replayed. Nobody takes one
    out of the queue to look at its time, because the broker counts that, and drops a letter that comes back too often.

    Args:
        bound: how many may wait.
        clock: what waits uses it.
    """

    def __init__(self, bound: int, clock: Clock | None = None) -> None:
        super().__init__(clock)
        self._bound = bound
        self._connection: AbstractConnection | None = None
        self._many = False
        self.waiting = nan
        """How many waited when they were last counted; nan when they could not be."""

    def follow(self, connection: AbstractConnection) -> None:
        """Count through this connection from now on."""
        self._connection = connection

    async def _count(self) -> float:
        depth = None if self._connection is None else await measure(self._connection, wire.DEAD_LETTER)
        if depth is None:
            self.waiting = nan
            return RETRY
        self._note(depth.waiting)
        return INTERVAL

    def _note(self, waiting: int) -> None:
        self.waiting = waiting
        self._note_waiting(waiting > 0)
        before, self._many = self._many, many(waiting, self._bound)
        if self._many == before:
            return
        words, fields = describe(waiting, self._bound), {"waiting": waiting, "bound": self._bound}
        if self._many:
            log.warning("dead letters: %s", words, extra={"event": "dead_letters.many", **fields})
        else:
            log.info("dead letters: %s", words, extra={"event": "dead_letters.fewer", **fields})
