"""A ledger in this process's memory."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from consumer.core.message import Reply
from consumer.ledger import codec
from consumer.ledger.entry import Claim, Limits, State, hash_identity

__all__ = ["MemoryLedger"]


@dataclass(slots=True)
class _Entry:
    digest: bytes
    record: bytes
    expires: float


class MemoryLedger:
    """Survives lost connections and restarts of the broker, not the process.

    Args:
        limits: how much is remembered, and for how long.
        clock: seconds since any moment.
    """

    problem: str | None = None

    def __init__(self, limits: Limits, clock: Callable[[], float] = time.monotonic) -> None:
        self._limits = limits
        self._clock = clock
        self._running: dict[bytes, bytes] = {}
        self._done: OrderedDict[bytes, _Entry] = OrderedDict()
        self._bytes = 0

    @property
    def size(self) -> int:
        """See `Ledger.size`."""
        return len(self._done)

    async def start(self) -> None:
        """Nothing to open."""

    async def ready(self) -> None:
        """Memory can always be written."""

    async def failed(self) -> None:
        """Never returns."""
        await asyncio.Event().wait()

    async def claim(self, identity: str, digest: bytes, *, rerun: bool = True) -> Claim:
        """See `Ledger.claim`."""
        self._expire()
        key = hash_identity(identity)
        entry = self._done.get(key)
        if entry is not None:
            if entry.digest != digest:
                return Claim(State.CONFLICT)
            return Claim(State.DONE, await codec.unpack(entry.record))
        running = self._running.get(key)
        if running is None:
            self._running[key] = digest
            return Claim(State.NEW)
        return Claim(State.ORPHANED if running == digest else State.CONFLICT)

    async def finish(self, identity: str, reply: Reply) -> None:
        """See `Ledger.finish`."""
        key, record = hash_identity(identity), await codec.pack(reply)
        digest = self._running.pop(key)
        self._done[key] = _Entry(digest, record, self._clock() + self._limits.ttl)
        self._bytes += len(record)
        while len(self._done) > self._limits.max_entries or self._bytes > self._limits.max_bytes:
            self._forget_oldest()

    async def release(self, identity: str) -> None:
        """See `Ledger.release`."""
        self._running.pop(hash_identity(identity), None)

    async def close(self) -> None:
        """Nothing to write out."""

    def _expire(self) -> None:
        # Entries are in the order in which they finished, so the oldest expire first.
        now = self._clock()
        while self._done and next(iter(self._done.values())).expires <= now:
            self._forget_oldest()

    def _forget_oldest(self) -> None:
        _, entry = self._done.popitem(last=False)
        self._bytes -= len(entry.record)
