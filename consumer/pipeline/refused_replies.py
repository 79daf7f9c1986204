"""Replies that the caller's queue refuses: tried again for a while, a few at a time, so that nobody else waits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from consumer.core.shares import Shares

__all__ = ["MAX_NOTED", "MAX_PER_QUEUE", "RefusedReplies"]

MAX_PER_QUEUE: Final = 8
"""Replies to one queue that wait at a time."""
MAX_NOTED: Final = 1000
"""Queues of which anything is remembered; the oldest go first."""


class RefusedReplies:
    """Who may wait for a reply queue that refuses; shared by all workers.

    Args:
        maximum: replies that wait at a time, over all queues; each user has a share of them. Each reply holds a
            delivery, and the broker gives a worker only so many.
        retry: seconds for which a refused reply is tried again.
    """

    def __init__(self, maximum: Callable[[], int], retry: float) -> None:
        self.retry = retry
        self._shares = Shares(maximum)
        self._waiting: Counter[str] = Counter()
        self._stuck: dict[str, str] = {}
        """By queue, why it confirms nothing."""

    @contextmanager
    def waiting(self, queue: str, user: str | None = None) -> Iterator[bool]:
        """Whether a reply to that queue, for a request of `user`, may wait while the block runs."""
        may_wait = self._shares.has_room(user) and self._waiting[queue] < MAX_PER_QUEUE
        if not may_wait:
            yield False
            return
        self._shares.take(user)
        self._waiting[queue] += 1
        try:
            yield True
        finally:
            self._shares.release(user)
            self._waiting[queue] -= 1
            if not self._waiting[queue]:
                del self._waiting[queue]

    def stuck(self, queue: str) -> str | None:
        """Why a reply to that queue is not published like others: it confirmed nothing when it was tried last."""
        return self._stuck.get(queue)

    def record_try(self, queue: str, stuck: str | None = None) -> None:
        """Remember what came of a try; `stuck` says why nothing was confirmed, when that took a while to find out."""
        self._stuck.pop(queue, None)
        if stuck is not None:
            self._stuck[queue] = stuck
            if len(self._stuck) > MAX_NOTED:
                del self._stuck[next(iter(self._stuck))]
