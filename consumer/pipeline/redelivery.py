"""Requests without any id: a lost connection must not double them.

The broker marks what it delivers a second time. Such a message is matched, by its content, to a run of this
process whose delivering channel is gone; each such run answers one redelivery. A lost process may double.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from consumer.core.clock import Clock
from consumer.core.delivery import Delivery, Handler, Reply
from consumer.core.message import Message

__all__ = ["RedeliveryMatcher"]


UNPROVEN: Final = 60.0
"""Seconds a run stays matchable after its ack was written: the ack may be lost with the connection.

Only with a correlation id, which tells two requests of the same content apart; without one a message that is
merely alike could be taken for a redelivery, and be lost.
"""

MAX_RUNS: Final = 10_000
"""Runs remembered; the oldest go first, those that were acknowledged before those that were not."""


@dataclass(eq=False, slots=True)
class _Run:
    digest: bytes
    delivery: Delivery | None
    """None once it was acknowledged: its body need not be kept."""
    reply: asyncio.Future[Reply]
    channel: Callable[[], bool] | None = None
    """Once it was acknowledged, whether the channel that delivered it is open."""
    until: float = 0.0
    """When to forget it, once it was acknowledged."""

    @property
    def trace(self) -> object:
        return None if self.delivery is None else self.delivery.trace

    @property
    def alive(self) -> bool:
        if self.channel is not None:
            return self.channel()
        return self.delivery is not None and self.delivery.alive


class RedeliveryMatcher:
    """Remembers what this process runs for requests without an id.

    Args:
        max_runs: how many are remembered at most.
        clock: tells when an acknowledged run may be forgotten.
    """

    def __init__(self, max_runs: int = MAX_RUNS, clock: Clock | None = None) -> None:
        self._max_runs = max_runs
        self._clock = clock or Clock()
        # Both oldest first.
        self._running: dict[Delivery, _Run] = {}
        self._acknowledged: dict[_Run, None] = {}
        self._by_digest: dict[bytes, list[_Run]] = {}

    async def answer(self, delivery: Delivery, handler: Handler) -> Reply:
        """Answer a redelivery from the run it repeats, anything else by running it."""
        digest = _digest(delivery.message)
        earlier = self._take(digest) if delivery.message.redelivered else None
        reply: asyncio.Future[Reply] = earlier.reply if earlier else asyncio.get_running_loop().create_future()
        self._remember(delivery, _Run(digest, delivery, reply))
        if earlier is not None:
            delivery.earlier = earlier.trace
            # Stopping waits for it: nobody else could answer, and another process would run it again.
            async with delivery.release_slot(idle=False):
                return replace(await asyncio.shield(reply), replayed=True)
        try:
            answer = await handler(delivery)
            reply.set_result(answer)
            return answer
        finally:
            reply.cancel()  # no effect once it has a result

    def record_ack(self, delivery: Delivery) -> None:
        """Its ack was handed to an open channel: the broker should not deliver it again."""
        now = self._clock.monotonic()
        while (first := next(iter(self._acknowledged), None)) is not None and first.until <= now:
            self._forget(first)
        run = self._running.get(delivery)
        if run is None:
            return
        if delivery.message.correlation_id is None:
            self._forget(run)
            return
        del self._running[delivery]
        run.delivery, run.channel, run.until = None, delivery.channel(), now + UNPROVEN
        self._acknowledged[run] = None

    def _take(self, digest: bytes) -> _Run | None:
        for run in self._by_digest.get(digest, ()):
            if not run.alive:
                self._forget(run)
                return run
        return None

    def _remember(self, delivery: Delivery, run: _Run) -> None:
        self._running[delivery] = run
        self._by_digest.setdefault(run.digest, []).append(run)
        if len(self._running) + len(self._acknowledged) > self._max_runs:
            self._forget(next(iter(self._acknowledged), None) or next(iter(self._running.values())))

    def _forget(self, run: _Run) -> None:
        if run.delivery is None:
            del self._acknowledged[run]
        else:
            del self._running[run.delivery]
        runs = self._by_digest[run.digest]
        runs.remove(run)
        if not runs:
            del self._by_digest[run.digest]


def _digest(message: Message) -> bytes:
    texts = (message.type, message.correlation_id, message.reply_to, message.user_id)
    digest = hashlib.sha256(repr(texts).encode())
    digest.update(message.body)
    return digest.digest()
