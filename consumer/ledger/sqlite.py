"""Entries in a SQLite file: survive the process, also its sudden death."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple, TypeAlias

from consumer.core.batches import Batches, End
from consumer.core.thread import Worker
from consumer.ledger.entry import Limits
from consumer.ledger.store import ActivationRow, Evicted, Found, LedgerRow
from consumer.ledger.table import GROUP, Table

__all__ = ["SCHEME", "SqliteStore", "path_of"]

SCHEME: Final = "sqlite:///"


_Due: TypeAlias = tuple[float, Limits, Mapping[bytes, int]]
"""The arguments of a `Store.trim`."""


class _Order(NamedTuple):
    row: LedgerRow
    now: float = 0.0
    is_claim: bool = False
    take_over: bool = False


class SqliteStore:
    """See `Store`. One file for one process: another one is refused, so whoever else owns an entry is dead.

    One thread does all that touches the file, so the event loop never waits for a disk. What is asked for while that
    thread writes waits together and is written in the next transaction.

    Args:
        url: `sqlite:///path`, four slashes for an absolute path.
    """

    access = "written"

    def __init__(self, url: str) -> None:
        self._path = path_of(url)
        self._batches: Batches[_Order, Found | None] = Batches(self._begin, GROUP)
        self._due: _Due | None = None
        self._thread: Worker | None = None
        self._table: Table | None = None

    @property
    def name(self) -> str:
        """The path."""
        return str(self._path)

    @property
    def size(self) -> int:
        """See `Store.size`."""
        return self._table.entries.total if self._table is not None else 0

    @property
    def kept_bytes(self) -> int:
        """See `Store.kept_bytes`."""
        return self._table.kept_bytes.total if self._table is not None else 0

    @property
    def evicted(self) -> Evicted:
        """See `Store.evicted`."""
        return self._table.evicted if self._table is not None else Evicted()

    async def open(self, owner: bytes, lease: float) -> None:
        """See `Store.open`; a new connection mends more than an old one."""
        if self._thread is None:
            self._thread = Worker("ledger")
        await self._thread.call(self._open)

    def claim(self, row: LedgerRow, now: float, take_over: bool) -> asyncio.Future[Found | None]:
        """See `Store.claim`."""
        return self._batches.put(_Order(row, now, is_claim=True, take_over=take_over))

    async def find(self, key: bytes, now: float) -> Found | None:
        """See `Store.find`."""
        assert self._thread is not None
        found = await self._thread.call(self._look, key)
        return None if found is None or found.expires <= now else found

    def finish(self, row: LedgerRow, now: float) -> asyncio.Future[Found | None]:
        """See `Store.finish`."""
        return self._batches.put(_Order(row, now))

    def release(self, key: bytes, owner: bytes) -> asyncio.Future[Found | None]:
        """See `Store.release`."""
        return self._batches.put(_Order(_released(key, owner)))

    async def trim(self, now: float, limits: Limits, allowed: Mapping[bytes, int]) -> None:
        """See `Store.trim`; it is done with the next batch, because who waited for it alone would leave the batches."""
        self._due = (now, limits, {**self._due[2], **allowed} if self._due else allowed)

    async def write_activations(self, rows: Sequence[ActivationRow], ended: Sequence[int], now: float) -> None:
        """See `Store.write_activations`; one transaction, in its turn."""
        assert self._thread is not None
        await self._thread.call(self._write_activations, rows, ended, now)

    async def find_activation(self, key: int, now: float) -> ActivationRow | None:
        """See `Store.find_activation`."""
        assert self._thread is not None
        found = await self._thread.call(self._look_activation, key)
        return None if found is None or found.expires <= now else found

    async def renew(self) -> None:
        """Nobody else could look."""

    async def close(self) -> None:
        """See `Store.close`."""
        if self._thread is not None:
            await self._batches.idle()
            await self._thread.call(self._close)
            self._thread.close()
            self._thread = None

    def _begin(self, orders: list[_Order], end: End[Found | None]) -> None:
        assert self._thread is not None
        due, self._due = self._due, None
        self._thread.begin(partial(self._write, orders, due), end)

    # --- in the thread ----------------------------------------------------------------------------------------------

    def _open(self) -> None:
        if self._table is None:
            self._table = Table(self._path)
            return
        self._table.close()
        evicted = self._table.evicted
        self._table = Table(self._path, check=False)
        self._table.evicted = evicted
        # A release of nothing, to see whether anything can be written.
        self._table.write([_released(secrets.token_bytes(16), b"")], 0.0)

    def _write(self, orders: Sequence[_Order], due: _Due | None) -> list[Found | None]:
        """Write a group; per order what a claim found in its place, None when it is new."""
        assert self._table is not None
        if due is not None:
            self._table.trim(*due)
        if self._table.write([order.row for order in orders], max(order.now for order in orders)):
            return [None] * len(orders)
        return [self._find(self._table, order) if order.is_claim else None for order in orders]

    def _find(self, table: Table, order: _Order) -> Found | None:
        row, found = order.row, table.find(order.row.key)
        if found is None or not order.take_over:
            return found
        if (found.digest, found.record) == (row.digest, None) and found.owner != row.owner:
            table.take_over(row.key, row.owner)
        return found

    def _look(self, key: bytes) -> Found | None:
        assert self._table is not None
        return self._table.find(key)

    def _write_activations(self, rows: Sequence[ActivationRow], ended: Sequence[int], now: float) -> None:
        assert self._table is not None
        self._table.write_activations(rows, ended, now)

    def _look_activation(self, key: int) -> ActivationRow | None:
        assert self._table is not None
        return self._table.activations.find(key)

    def _close(self) -> None:
        if self._table is not None:
            self._table.close()
            self._table = None


def path_of(url: str) -> Path:
    """The file at a `sqlite:///` URL."""
    return Path(url.removeprefix(SCHEME)).expanduser()


def _released(key: bytes, owner: bytes) -> LedgerRow:
    return LedgerRow(key, b"", owner, expires=0.0)
