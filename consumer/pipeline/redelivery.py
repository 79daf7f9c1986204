"""Requests without any id: a lost connection must not double them.

The broker marks what it delivers a second time. Such a message is matched, by its content, to a run of this
process whose delivering channel is gone; each such run answers one redelivery. A lost process may double.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import OrderedDict
from dataclasses import dataclass, replace

from consumer.core.delivery import Delivery, Handler, Reply
from consumer.core.message import Message

UNPROVEN = 60.0
"""Seconds a run stays matchable after its ack was written: the ack may be lost with the connection.

Only with a correlation id, which tells two requests of the same content apart; without one a message that is
merely alike could be taken for a redelivery, and be lost.
"""

MAX_RUNS = 10_000
"""Runs remembered; the oldest go first."""


@dataclass(eq=False, slots=True)
class _Run:
    digest: bytes
    delivery: Delivery
    reply: asyncio.Future[Reply]


class RedeliveryMatcher:
    """Remembers what this process runs for requests without an id.

    Args:
        max_runs: how many are remembered at most.
    """

    def __init__(self, max_runs: int = MAX_RUNS) -> None:
        self._max_runs = max_runs
        self._runs: OrderedDict[int, _Run] = OrderedDict()
        """By the identity of the delivery, oldest first."""
        self._by_digest: dict[bytes, list[_Run]] = {}

    async def answer(self, delivery: Delivery, handler: Handler) -> Reply:
        """Answer a redelivery from the run it repeats, anything else by running it."""
        digest = _digest(delivery.message)
        earlier = self._take(digest) if delivery.message.redelivered else None
        reply: asyncio.Future[Reply] = earlier.reply if earlier else asyncio.get_running_loop().create_future()
        self._remember(_Run(digest, delivery, reply))
        if earlier is not None:
            return replace(await asyncio.shield(reply), replayed=True)
        try:
            answer = await handler(delivery)
            reply.set_result(answer)
            return answer
        finally:
            reply.cancel()  # no effect once it has a result

    def acknowledged(self, delivery: Delivery) -> None:
        """Its ack was handed to an open channel: the broker should not deliver it again."""
        run = self._runs.get(id(delivery))
        if run is None:
            return
        if delivery.message.correlation_id is None:
            self._forget(run)
        else:
            asyncio.get_running_loop().call_later(UNPROVEN, self._forget, run)

    def _take(self, digest: bytes) -> _Run | None:
        for run in self._by_digest.get(digest, ()):
            if not run.delivery.alive:
                self._forget(run)
                return run
        return None

    def _remember(self, run: _Run) -> None:
        self._runs[id(run.delivery)] = run
        self._by_digest.setdefault(run.digest, []).append(run)
        if len(self._runs) > self._max_runs:
            self._forget(next(iter(self._runs.values())))

    def _forget(self, run: _Run) -> None:
        if self._runs.get(id(run.delivery)) is not run:  # forgotten already
            return
        del self._runs[id(run.delivery)]
        runs = self._by_digest[run.digest]
        runs.remove(run)
        if not runs:
            del self._by_digest[run.digest]


def _digest(message: Message) -> bytes:
    texts = (message.type, message.correlation_id, message.reply_to, message.user_id)
    digest = hashlib.sha256(repr(texts).encode())
    digest.update(message.body)
    return digest.digest()
