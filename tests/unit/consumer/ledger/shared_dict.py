"""A store made up for tests: what a new one has to bring, and nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from consumer.ledger import Evicted, Limits
from consumer.ledger.codec import size_of, to_mark
from consumer.ledger.store import ActivationRow, Found, LedgerRow


@dataclass
class Shared:
    """What all processes see."""

    rows: dict[bytes, LedgerRow] = field(default_factory=dict)
    alive: set[bytes] = field(default_factory=set)
    activations: dict[int, ActivationRow] = field(default_factory=dict)


class DictStore:
    """One process's way to a dictionary that it shares with others."""

    name, access = "dict://", "used"

    def __init__(self, shared: Shared) -> None:
        self.shared = shared
        self.owner = b""
        self.evicted = Evicted()

    @property
    def size(self) -> int:
        return len(self.done())

    @property
    def kept_bytes(self) -> int:
        return sum(self.sizes())

    async def open(self, owner: bytes, lease: float) -> None:
        self.owner = owner
        await self.renew()

    async def claim(self, row: LedgerRow, now: float, take_over: bool) -> Found | None:
        await asyncio.sleep(0)
        found = await self.find(row.key, now)
        if found is None or (take_over and (found.digest, found.record, found.alive) == (row.digest, None, False)):
            self.shared.rows[row.key] = row
        return found

    async def find(self, key: bytes, now: float) -> Found | None:
        there = self.shared.rows.get(key)
        if there is None or there.expires <= now:
            return None
        return Found(there.digest, there.owner, there.record, there.owner in self.shared.alive, there.expires)

    async def finish(self, row: LedgerRow, now: float) -> None:
        if self.shared.rows.get(row.key, row).owner == row.owner:
            self.shared.rows[row.key] = row

    async def release(self, key: bytes, owner: bytes) -> None:
        there = self.shared.rows.get(key)
        if there is not None and (there.owner, there.record) == (owner, None):
            del self.shared.rows[key]

    async def trim(self, now: float, limits: Limits, allowed: Mapping[bytes, int]) -> None:
        """As slowly and plainly as can be."""
        for row in [row for row in self.done() if row.expires <= now]:
            del self.shared.rows[row.key]
        for user, most in allowed.items():
            while sum(self.sizes(user)) > most:
                self.drop(user)
        while self.size > limits.max_entries:
            user = max(self.users(), key=lambda user: len(self.done(user)))
            del self.shared.rows[self.done(user)[0].key]
            self.evicted.entries += 1
        while self.kept_bytes > limits.max_bytes:
            self.drop(max(self.users(), key=lambda user: sum(self.sizes(user))))

    def drop(self, user: bytes) -> None:
        row = next(row for row in self.done(user) if size_of(row.record or b""))
        self.shared.rows[row.key] = LedgerRow(*row[:4], to_mark(row.record or b""), row.user)
        self.evicted.bodies += 1

    def users(self) -> set[bytes]:
        return {row.user for row in self.done()}

    def done(self, user: bytes | None = None) -> list[LedgerRow]:
        rows = (row for row in self.shared.rows.values() if row.record is not None and user in (None, row.user))
        return sorted(rows, key=lambda row: row.expires)

    def sizes(self, user: bytes | None = None) -> list[int]:
        return [size_of(row.record or b"") for row in self.done(user)]

    async def write_activations(self, rows: Sequence[ActivationRow], ended: Sequence[int], now: float) -> None:
        there = self.shared.activations
        for key in [key for key in there if key in ended or there[key].expires <= now]:
            del there[key]
        for row in rows:
            old = there.get(row.key, row)
            if old.since <= row.since:
                there[row.key] = row._replace(expires=max(row.expires, old.expires))

    async def find_activation(self, key: int, now: float) -> ActivationRow | None:
        found = self.shared.activations.get(key)
        return found if found is not None and found.expires > now else None

    async def renew(self) -> None:
        self.shared.alive.add(self.owner)

    async def close(self) -> None:
        self.shared.alive.discard(self.owner)
