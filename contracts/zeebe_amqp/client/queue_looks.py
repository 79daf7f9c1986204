"""Looks at request queues: who takes from them, for requests whose time is nearly up."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from zeebe_amqp.client.transport import QueueState

__all__ = ["QueueLooks"]


class QueueLooks:
    """Looks at each queue once for all who ask at a time.

    Args:
        look: tells what is known of a queue.
    """

    def __init__(self, look: Callable[[str], Awaitable[QueueState | None]]) -> None:
        self._look = look
        self._seen: dict[str, QueueState | None] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def begin(self, queue: str) -> None:
        """Find out about a queue, in the background."""
        if queue not in self._tasks:
            self._seen.pop(queue, None)
            self._tasks[queue] = asyncio.get_running_loop().create_task(self._note(queue))

    async def _note(self, queue: str) -> None:
        try:
            self._seen[queue] = await self._look(queue)
        finally:
            del self._tasks[queue]

    def seen(self, queue: str) -> QueueState | None:
        """What the last look at a queue found; None when it found nothing, or has not ended."""
        return self._seen.get(queue)

    async def end(self) -> None:
        """Wait for what is still looked at; to be called when the transport is closed."""
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)
