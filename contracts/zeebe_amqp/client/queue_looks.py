"""Looks at request queues: who takes from them, for requests whose time is nearly up."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from zeebe_amqp.client.transport import QueueState

__all__ = ["QueueLooks"]

FRESH: Final = 0.5
"""Seconds after a look in which nobody has to look again: thousands of requests may end without an answer."""
KNOWN: Final = 2 * FRESH
"""Seconds for which a look says anything: it may have been fresh when a request asked, a little before its end."""


class QueueLooks:
    """Looks at each queue once for all who ask at a time.

    Args:
        look: tells what is known of a queue.
    """

    def __init__(self, look: Callable[[str], Awaitable[QueueState | None]]) -> None:
        self._look = look
        self._seen: dict[str, tuple[float, QueueState | None]] = {}
        """By queue, when a look ended, and what it found."""
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def begin(self, queue: str) -> None:
        """Find out about a queue, in the background."""
        if queue not in self._tasks and not self._is_seen(queue, FRESH):
            self._tasks[queue] = asyncio.get_running_loop().create_task(self._note(queue))

    async def _note(self, queue: str) -> None:
        try:
            found = await self._look(queue)
            self._seen[queue] = asyncio.get_running_loop().time(), found
        finally:
            del self._tasks[queue]

    def last(self, queue: str) -> QueueState | None:
        """What the last look at a queue found; None when it found nothing, or is too long ago."""
        return self._seen[queue][1] if self._is_seen(queue, KNOWN) else None

    def _is_seen(self, queue: str, seconds: float) -> bool:
        """Whether a look at a queue ended in so many last seconds."""
        return queue in self._seen and asyncio.get_running_loop().time() - self._seen[queue][0] < seconds

    async def end(self) -> None:
        """Wait for what is still looked at; to be called when the transport is closed."""
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)
