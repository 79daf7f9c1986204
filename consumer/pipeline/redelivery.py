"""Requests without any id: a lost connection must not double them.

The broker marks what it delivers a second time. Such a message is matched, by its content, to a run of this
process whose delivering channel is gone; each such run answers one redelivery. A lost process may double.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import OrderedDict
from dataclasses import dataclass, replace

from consumer.core.message import Handler, Incoming, Reply

UNPROVEN = 60.0
"""Seconds a run stays matchable after its ack was written: the ack may be lost with the connection.

Only with a correlation id, which tells two requests of the same content apart; without one a message that is
merely alike could be taken for a redelivery, and be lost.
"""

MOST = 10_000
"""Runs remembered; the oldest go first."""


@dataclass(eq=False, slots=True)
class _Run:
    incoming: Incoming
    reply: asyncio.Future[Reply]


class RedeliveryMatcher:
    """A handler for requests without an id, around `handler`."""

    def __init__(self, handler: Handler) -> None:
        self._handler = handler
        self._runs: OrderedDict[int, tuple[bytes, _Run]] = OrderedDict()
        self._by_digest: dict[bytes, list[int]] = {}
        self._next = 0

    async def __call__(self, incoming: Incoming) -> Reply:
        """Answer a redelivery from the run it repeats, anything else by running it."""
        digest = _digest(incoming)
        earlier = self._take(digest) if incoming.redelivered else None
        reply: asyncio.Future[Reply] = earlier.reply if earlier else asyncio.get_running_loop().create_future()
        self._remember(digest, _Run(incoming, reply))
        if earlier is not None:
            return replace(await asyncio.shield(reply), replayed=True)
        try:
            answer = await self._handler(incoming)
            reply.set_result(answer)
            return answer
        finally:
            reply.cancel()  # no effect once it has a result

    def _take(self, digest: bytes) -> _Run | None:
        for number in self._by_digest.get(digest, ()):
            run = self._runs[number][1]
            if not run.incoming.alive():
                self._forget(number)
                return run
        return None

    def _remember(self, digest: bytes, run: _Run) -> None:
        number = self._next = self._next + 1
        self._runs[number] = (digest, run)
        self._by_digest.setdefault(digest, []).append(number)
        run.incoming.acknowledged = lambda: self._acknowledged(number, run)
        if len(self._runs) > MOST:
            self._forget(next(iter(self._runs)))

    def _acknowledged(self, number: int, run: _Run) -> None:
        if run.incoming.correlation_id is None:
            self._forget(number)
        else:
            asyncio.get_running_loop().call_later(UNPROVEN, self._forget, number)

    def _forget(self, number: int) -> None:
        digest, _ = self._runs.pop(number, (b"", None))
        numbers = self._by_digest.get(digest, [])
        if number in numbers:
            numbers.remove(number)
            if not numbers:
                del self._by_digest[digest]


def _digest(incoming: Incoming) -> bytes:
    texts = (incoming.type, incoming.correlation_id, incoming.reply_to, incoming.user_id)
    digest = hashlib.sha256(repr(texts).encode())
    digest.update(incoming.body)
    return digest.digest()
