"""Entries in this process's memory: survive lost connections and restarts of the broker, not the process."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import islice, takewhile

from consumer.ledger.codec import size_of, to_mark
from consumer.ledger.entry import Limits
from consumer.ledger.holdings import Holdings
from consumer.ledger.store import TRIMMED_AT_ONCE, ActivationRow, Evicted, Found, LedgerRow

__all__ = ["MemoryStore"]


@dataclass(slots=True)
class _Keys:
    """The keys of a user's entries, and of those whose bodies are kept."""

    entries: OrderedDict[bytes, None] = field(default_factory=OrderedDict)
    bodies: OrderedDict[bytes, None] = field(default_factory=OrderedDict)


class MemoryStore:
    """See `Store`; nothing in it ever waits.

    Args:
        url: says nothing, because there is only one.
    """

    name, access = "memory://", "used"

    def __init__(self, url: str = name) -> None:
        self._running: dict[bytes, LedgerRow] = {}
        # In the order in which they finished, which is the one in which they expire; so are those of each user.
        self._done: OrderedDict[bytes, LedgerRow] = OrderedDict()
        self._keys: dict[bytes, _Keys] = {}
        self._entries, self._bytes = Holdings(), Holdings()
        self._activations: dict[int, ActivationRow] = {}
        # When each is to be looked at, and its key; one that is kept longer is put back.
        self._activations_due: list[tuple[float, int]] = []
        self.evicted = Evicted()

    @property
    def size(self) -> int:
        """See `Store.size`."""
        return len(self._done)

    @property
    def kept_bytes(self) -> int:
        """See `Store.kept_bytes`."""
        return self._bytes.total

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
        keys = self._keys.get(row.user)
        if keys is None:
            keys = self._keys[row.user] = _Keys()
        keys.entries[row.key] = None
        self._entries.add(row.user, 1)
        if size := size_of(row.record or b""):
            keys.bodies[row.key] = None
            self._bytes.add(row.user, size)

    async def release(self, key: bytes, owner: bytes) -> None:
        """See `Store.release`."""
        self._running.pop(key, None)

    async def trim(self, now: float, limits: Limits, allowed: Mapping[bytes, int]) -> None:
        """See `Store.trim`."""
        left = TRIMMED_AT_ONCE - self._forget_expired(now)
        for user, most in allowed.items():
            left -= self._drop(user, self._bytes.of(user) - most, left)
        left -= self._entries.reduce(limits.max_entries, left, self._evict)
        self._bytes.reduce(limits.max_bytes, left, self._drop)

    def _forget_expired(self, now: float) -> int:
        expired = takewhile(lambda row: row.expires <= now, islice(self._done.values(), TRIMMED_AT_ONCE))
        keys = [row.key for row in expired]
        for key in keys:
            self._forget(key)
        return len(keys)

    def _drop(self, user: bytes, size: int, limit: int) -> int:
        """Give up the oldest bodies of a user until he holds so much less; how many."""
        dropped, most = 0, self._bytes.of(user) - size
        while dropped < limit and self._bytes.of(user) > most:
            key = next(iter(self._keys[user].bodies))
            row = self._done[key]
            self._done[key] = LedgerRow(*row[:4], to_mark(row.record or b""), row.user)
            self._forget_body(row)
            dropped += 1
        self.evicted.bodies += dropped
        return dropped

    def _evict(self, user: bytes, count: int, limit: int) -> int:
        """Remove so many of the oldest entries of a user; how many."""
        keys = list(islice(self._keys[user].entries, min(count, limit)))
        for key in keys:
            self._forget(key)
        self.evicted.entries += len(keys)
        return len(keys)

    def _forget(self, key: bytes) -> None:
        row = self._done.pop(key, None)
        if row is None:
            return
        self._forget_body(row)
        self._entries.add(row.user, -1)
        keys = self._keys[row.user]
        del keys.entries[key]
        if not keys.entries:
            del self._keys[row.user]

    def _forget_body(self, row: LedgerRow) -> None:
        if size := size_of(row.record or b""):
            del self._keys[row.user].bodies[row.key]
            self._bytes.add(row.user, -size)

    async def write_activations(self, rows: Sequence[ActivationRow], ended: Sequence[int], now: float) -> None:
        """See `Store.write_activations`."""
        for key in ended:
            self._activations.pop(key, None)
        self._forget_activations(now)
        for row in rows:
            there = self._activations.get(row.key)
            if there is None:
                heappush(self._activations_due, (row.expires, row.key))
                self._activations[row.key] = row
            elif there.since <= row.since:
                self._activations[row.key] = row._replace(expires=max(row.expires, there.expires))

    async def find_activation(self, key: int, now: float) -> ActivationRow | None:
        """See `Store.find_activation`."""
        there = self._activations.get(key)
        return None if there is None or there.expires <= now else there

    def _forget_activations(self, now: float) -> None:
        due, left = self._activations_due, TRIMMED_AT_ONCE
        while due and left and due[0][0] <= now:
            _, key = heappop(due)
            left -= 1
            there = self._activations.get(key)
            if there is not None and there.expires > now:
                heappush(due, (there.expires, key))
            else:
                self._activations.pop(key, None)

    async def renew(self) -> None:
        """Nobody else could look."""

    async def close(self) -> None:
        """Nothing to write out."""
