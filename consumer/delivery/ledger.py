"""The ledger: which requests have run, and what was answered.

The interface is for ledgers in any store; `MemoryLedger` is the one that lives in this process.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from consumer.types import Reply


class State(Enum):
    """What a ledger knew of an identity when it was claimed."""

    NEW = "nothing; it is ours to run now"
    DONE = "it ran; the stored reply answers it"
    TAKEN = "the identity belongs to another request"
    ABANDONED = "it was running in a process that is gone; whether it ran is unknown, and it is ours now"


@dataclass(frozen=True, slots=True)
class Claim:
    """The answer to a claim: the state found and, when DONE, the stored reply."""

    state: State
    reply: Reply | None = None


class Ledger(Protocol):
    """Remembers per identity a digest of the request and, once it ran, its reply."""

    async def claim(self, identity: str, digest: bytes) -> Claim:
        """Ask to run the request `identity` whose content has `digest`; atomic."""

    async def finish(self, identity: str, reply: Reply) -> None:
        """Record that the claimed request ran and was answered with `reply`."""

    async def release(self, identity: str) -> None:
        """Forget the claim: the request had no effect and may be sent again."""

    async def close(self) -> None:
        """Write out what is pending and let go of the store."""


@dataclass(slots=True)
class _Entry:
    digest: bytes
    reply: Reply | None
    expires: float


class MemoryLedger:
    """A ledger in this process's memory: survives lost connections, not the process.

    Args:
        ttl: seconds an answer is kept.
        max_entries: how many finished entries are kept; the oldest go first.
    """

    def __init__(self, ttl: float, max_entries: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._ttl = ttl
        self._max_entries = max_entries
        self._clock = clock
        self._running: dict[str, bytes] = {}
        self._done: OrderedDict[str, _Entry] = OrderedDict()

    def __len__(self) -> int:
        """Entries held, running ones included."""
        return len(self._running) + len(self._done)

    async def claim(self, identity: str, digest: bytes) -> Claim:
        """See `Ledger.claim`."""
        self._expire()
        entry = self._done.get(identity)
        if entry is not None:
            return Claim(State.DONE, entry.reply) if entry.digest == digest else Claim(State.TAKEN)
        running = self._running.get(identity)
        if running is None:
            self._running[identity] = digest
            return Claim(State.NEW)
        return Claim(State.ABANDONED if running == digest else State.TAKEN)

    async def finish(self, identity: str, reply: Reply) -> None:
        """See `Ledger.finish`."""
        digest = self._running.pop(identity)
        self._done[identity] = _Entry(digest, reply, self._clock() + self._ttl)
        while len(self._done) > self._max_entries:
            self._done.popitem(last=False)

    async def release(self, identity: str) -> None:
        """See `Ledger.release`."""
        self._running.pop(identity, None)

    async def close(self) -> None:
        """Nothing to write out."""

    def _expire(self) -> None:
        # Entries are in the order in which they finished, so the oldest expire first.
        now = self._clock()
        while self._done and next(iter(self._done.values())).expires <= now:
            self._done.popitem(last=False)
