"""Replies that the caller's queue refuses: tried again for a while, a few at a time, so that nobody else waits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from typing import Final

from consumer.core.message import Message
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
        address: where the reply of a request goes: what refuses for one does so for all that go there.
    """

    def __init__(
        self,
        maximum: Callable[[], int],
        retry: float,
        address: Callable[[Message], Hashable] = lambda message: message.reply_to,
    ) -> None:
        self.retry = retry
        self._address = address
        self._shares = Shares(maximum)
        self._waiting: Counter[Hashable] = Counter()
        self._stuck: dict[Hashable, str] = {}
        """By address, why nothing is confirmed there."""

    @contextmanager
    def waiting(self, message: Message) -> Iterator[bool]:
        """Whether the reply of a request may wait while the block runs."""
        queue, user = self._address(message), message.user_id
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

    def stuck(self, message: Message) -> str | None:
        """Why the reply of a request is not published like others: nothing was confirmed there at the last try."""
        # Nearly always nothing is, and each reply asks.
        return self._stuck.get(self._address(message)) if self._stuck else None

    def record_try(self, message: Message, stuck: str | None = None) -> None:
        """Remember what came of a try; `stuck` says why nothing was confirmed, when that took a while to find out."""
        queue = self._address(message)
        self._stuck.pop(queue, None)
        if stuck is not None:
            self._stuck[queue] = stuck
            if len(self._stuck) > MAX_NOTED:
                del self._stuck[next(iter(self._stuck))]
