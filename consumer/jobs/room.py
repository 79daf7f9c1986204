"""How many jobs of a type may be fetched: `limit` bounds what waits in its queue. Pure decisions, no clock."""

from __future__ import annotations

from typing import Final, NamedTuple

__all__ = ["MAX_BATCH", "MIN_STREAM", "Look", "Room"]

MAX_BATCH: Final = 500
"""Jobs that one poll asks for, at most: all of them are recorded with one write."""
MIN_STREAM: Final = 10
"""The smallest limit with which jobs are streamed: a poll and a stream share it."""
_STEP: Final = 5
"""One part of so many must be free before more is fetched, and a stream is read on: else each job that a worker
takes would be a poll."""
_GROWTH: Final = 10
"""One part of so many is tried beyond what a queue took, once it took all that it was sent."""


class Look(NamedTuple):
    """A look at the queue that has begun."""

    settled: int


class Room:
    """What waits in a queue, as far as it is known: what was ready when somebody looked, and what was fetched since.

    Answers are never counted: another replica may have got them. A queue that was declared with another limit, or has a
    policy, may take fewer: what it refuses is given back to the engine, so it is sent about as many as it took.

    Args:
        limit: jobs that may wait.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._taken = limit
        """As many as the queue takes, as far as it is known."""
        self._ready: int | None = None
        self._fetched = self._settled = self._base = 0
        self._asked = self._refused = 0

    def fetch(self, number: int) -> None:
        """Jobs have come from the engine; each is on its way to the queue until it is settled."""
        self._fetched += number

    def settle(self) -> None:
        """One of them is in the queue, or will not be."""
        self._settled += 1

    def refuse(self) -> None:
        """The queue has refused one of them, because it is full; it is settled after that."""
        if self._ready is not None:
            self._taken = max(1, min(self._taken, self._ready + self._settled - self._base - self._refused))
        self._refused += 1

    @property
    def under_way(self) -> int:
        """Jobs that have come and are not settled yet."""
        return self._fetched - self._settled

    def begin_look(self) -> Look:
        """Somebody asks the broker how many messages are ready."""
        return Look(self._settled)

    def end_look(self, look: Look, ready: int | None) -> None:
        """The broker's answer; None when it gave none.

        What is settled while the look lasts may be in its number or not: it counts twice until the next one.
        """
        if look.settled > self._base and not self._refused:
            self._taken = min(self.limit, self._taken + max(1, self._taken // _GROWTH))
        self._ready, self._base, self._refused = ready, look.settled, 0

    def ask(self, number: int) -> None:
        """A poll asks for so many jobs, which may come at any moment."""
        self._asked = number

    def end_poll(self) -> None:
        """It has ended."""
        self._asked = 0

    @property
    def free(self) -> int:
        """How many more may come; nothing is known before the first look."""
        if self._ready is None:
            return 0
        return self._taken - self._ready - (self._fetched - self._base) - self._asked

    @property
    def is_full(self) -> bool:
        """Whether a stream has to rest."""
        return self.free <= 0

    @property
    def has_space(self) -> bool:
        """Whether enough is free to fetch more."""
        return self.free >= max(1, self._taken // _STEP)

    def portion(self, *, beside_stream: bool) -> int:
        """How many jobs a poll may ask for; beside a stream the half of what is free."""
        if not self.has_space:
            return 0
        return min(MAX_BATCH, max(1, self.free // 2) if beside_stream else self.free)
