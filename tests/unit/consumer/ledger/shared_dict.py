"""A store made up for tests: what a new one has to bring, and nothing else."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from consumer.ledger import Limits
from consumer.ledger.store import Found, LedgerRow


@dataclass
class Shared:
    """What all processes see."""

    rows: dict[bytes, LedgerRow] = field(default_factory=dict)
    alive: set[bytes] = field(default_factory=set)


class DictStore:
    """One process's way to a dictionary that it shares with others."""

    name, access = "dict://", "used"

    def __init__(self, shared: Shared) -> None:
        self.shared = shared
        self.owner = b""
        self.evicted = 0

    @property
    def size(self) -> int:
        return sum(row.record is not None for row in self.shared.rows.values())

    @property
    def kept_bytes(self) -> int:
        return sum(len(row.record or b"") for row in self.shared.rows.values())

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

    async def trim(self, now: float, limits: Limits) -> None:
        done = sorted((row for row in self.shared.rows.values() if row.record is not None), key=lambda row: row.expires)
        sizes = [len(row.record or b"") for row in done]
        for place, row in enumerate(done):
            if row.expires <= now or len(done) - place > limits.max_entries or sum(sizes[place:]) > limits.max_bytes:
                del self.shared.rows[row.key]
                self.evicted += row.expires > now

    async def renew(self) -> None:
        self.shared.alive.add(self.owner)

    async def close(self) -> None:
        self.shared.alive.discard(self.owner)
