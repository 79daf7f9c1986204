"""Ledgers on one server, as several replicas have them: opened by a test, closed at its end."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from consumer.ledger import Allowance, Ledger, Limits, State, Store
from consumer.ledger.ledger import LEASE as LONG
from consumer.ledger.slack import unbounded
from tests.unit.consumer.ledger.promises import DIGEST, TTL, named

LEASE = 0.6
"""Seconds; `LONG` is the service's own."""


class SharedLedgers:
    """The ledgers of one test on a server that was emptied before.

    Args:
        url: where the server is.
        store: makes a store for that address.
        sleep: waits for so many seconds, or less.
    """

    def __init__(self, url: str, store: Callable[[str], Store], sleep: Callable[[float], Awaitable[object]]) -> None:
        self.url = url
        self._store, self._sleep = store, sleep
        self.opened: list[Ledger] = []

    async def open(self, limits: Limits, allowance: Allowance = unbounded) -> Ledger:
        return await self.leased(limits, LONG, allowance)

    async def leased(self, limits: Limits, lease: float = LEASE, allowance: Allowance = unbounded) -> Ledger:
        ledger = Ledger(self._store(self.url), limits, allowance=allowance, lease=lease, sleep=self._sleep)
        self.opened.append(ledger)
        await ledger.start()
        return ledger

    async def expire(self) -> None:
        await asyncio.sleep(2 * TTL)

    async def close(self) -> None:
        for ledger in self.opened:
            await ledger.close()


async def die(ledger: Ledger) -> None:
    """End a ledger as kill -9 would: nothing is said, nothing is renewed."""
    await ledger._end_keeping()


async def change(ledger: Ledger, name: str, state: State) -> State:
    """What a claim finds once it finds something else than `state`."""
    found = state
    while found is state:
        found = (await ledger.claim(named(name), DIGEST, rerun=False)).state
    return found
