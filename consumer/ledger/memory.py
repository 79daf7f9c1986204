"""Entries in this process's memory: survive lost connections and restarts of the broker, not the process."""

from __future__ import annotations

from collections import OrderedDict

from consumer.ledger.entry import Limits
from consumer.ledger.store import TRIMMED_AT_ONCE, Found, LedgerRow

__all__ = ["MemoryStore"]


class MemoryStore:
    """See `Store`; nothing in it ever waits.

    Args:
        url: says nothing, because there is only one.
    """

    name, access = "memory://", "used"

    def __init__(self, url: str = name) -> None:
        self._running: dict[bytes, LedgerRow] = {}
        # In the order in which they finished, which is the one in which they expire.
        self._done: OrderedDict[bytes, LedgerRow] = OrderedDict()
        self.kept_bytes = self.evicted = 0

    @property
    def size(self) -> int:
        """See `Store.size`."""
        return len(self._done)

    async def open(self, owner: bytes, lease: float) -> None:
        """Nothing to open."""

    async def claim(self, row: LedgerRow, now: float, take_over: bool) -> Found | None:
        """See `Store.claim`; there is no other owner to take anything over from."""
        there = self._done.get(row.key) or self._running.get(row.key)
        if there is not None and there.expires > now:
            return Found(there.digest, there.owner, there.record)
        self._forget(row.key)
        self._running[row.key] = row
        return None

    async def find(self, key: bytes, now: float) -> Found | None:
        """See `Store.find`."""
        there = self._done.get(key) or self._running.get(key)
        if there is None or there.expires <= now:
            return None
        return Found(there.digest, there.owner, there.record, expires=there.expires)

    async def finish(self, row: LedgerRow, now: float) -> None:
        """See `Store.finish`."""
        self._running.pop(row.key, None)
        self._forget(row.key)
        self._done[row.key] = row
        self.kept_bytes += len(row.record or b"")

    async def release(self, key: bytes, owner: bytes) -> None:
        """See `Store.release`."""
        self._running.pop(key, None)

    async def trim(self, now: float, limits: Limits) -> None:
        """See `Store.trim`."""
        for _ in range(TRIMMED_AT_ONCE):
            first = next(iter(self._done.values()), None)
            too_much = len(self._done) > limits.max_entries or self.kept_bytes > limits.max_bytes
            if first is None or not (too_much or first.expires <= now):
                return
            self.evicted += first.expires > now
            self._forget(first.key)

    def _forget(self, key: bytes) -> None:
        row = self._done.pop(key, None)
        if row is not None:
            self.kept_bytes -= len(row.record or b"")

    async def renew(self) -> None:
        """Nobody else could look."""

    async def close(self) -> None:
        """Nothing to write out."""
