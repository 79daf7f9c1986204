"""Where the ledger's rows are in a simulation: one row of the table for each store.

A real store works on real time, in an event loop of its own. To the simulation each operation is one moment; what may
be lost, and how long ways take, is decided in front of it (`store.py`).
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any, Final

import psycopg
from psycopg.pq import TransactionStatus
from redis import Redis

from consumer.ledger import Store, connections, statements
from consumer.ledger.connections import Connection
from consumer.ledger.postgres import PostgresStore
from consumer.ledger.redis import RedisStore
from consumer.ledger.scripts import OWNER
from consumer.ledger.sqlite import SCHEME, SqliteStore
from consumer.ledger.store import Found, LedgerRow
from tests.simulation.schedule import NONE, Limits
from tests.simulation.store import MakePlaces, Place, Rows, SharedPlace

FAR = 86_400.0
"""Seconds of a lease that does not end by itself while a schedule is played."""


@dataclass(frozen=True)
class StoreKind:
    """How a store is used in a simulation."""

    open: Callable[[str], AbstractContextManager[MakePlaces]]
    """Given where it is: a folder, or an address."""
    limits: Limits = NONE
    """What schedules may have with it."""


class _Thread:
    """An event loop on real time beside that of the simulation, which waits for each call."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def call(self, method: Callable[..., Awaitable[Any]], *arguments: Any) -> Any:
        async def do() -> Any:
            return await method(*arguments)

        return asyncio.run_coroutine_threadsafe(do(), self._loop).result()

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


class _RealPlace:
    """A process's way to a real store."""

    def __init__(self, thread: _Thread, store: Store) -> None:
        self._call, self._store = thread.call, store

    def open(self, owner: bytes, lease: float) -> None:
        self._call(self._store.open, owner, lease)

    def claim(self, row: LedgerRow, now: float, take_over: bool) -> Found | None:
        found: Found | None = self._call(self._store.claim, row, now, take_over)
        return found

    def find(self, key: bytes, now: float) -> Found | None:
        found: Found | None = self._call(self._store.find, key, now)
        return found

    def finish(self, row: LedgerRow, now: float) -> None:
        self._call(self._store.finish, row, now)

    def release(self, key: bytes, owner: bytes) -> None:
        self._call(self._store.release, key, owner)

    def renew(self) -> None:
        self._call(self._store.renew)

    def close(self) -> None:
        self._call(self._store.close)

    def end(self) -> None:
        # Of a file whose process dies, the connection is closed, and everything that was written is there.
        self._call(self._store.close)


class _LeasedPlace(_RealPlace):
    """One whose leases end on the clock of the simulation: that of the server passes too slowly.

    Args:
        leases: of all processes, by owner, when each ends; shared.
        clock: seconds since the run began.
        expire: ends a lease at the server.
        disconnect: closes the connections of a store, and nothing else.
    """

    def __init__(
        self,
        thread: _Thread,
        store: Store,
        leases: dict[bytes, float],
        clock: Callable[[], float],
        expire: Callable[[bytes], object],
        disconnect: Callable[[], Awaitable[Any]],
    ) -> None:
        super().__init__(thread, store)
        self._leases, self._clock, self._expire, self._disconnect = leases, clock, expire, disconnect
        self._owner, self._lease = b"", 0.0

    def _pass_time(self, *, lives: bool) -> None:
        now = self._clock()
        for owner in [owner for owner, ends in self._leases.items() if ends <= now]:
            del self._leases[owner]
            self._expire(owner)
        if lives:
            self._leases[self._owner] = now + self._lease

    def open(self, owner: bytes, lease: float) -> None:
        self._owner, self._lease = owner, lease
        self._pass_time(lives=True)
        super().open(owner, FAR)

    def claim(self, row: LedgerRow, now: float, take_over: bool) -> Found | None:
        self._pass_time(lives=True)
        return super().claim(row, now, take_over)

    def find(self, key: bytes, now: float) -> Found | None:
        self._pass_time(lives=False)
        return super().find(key, now)

    def renew(self) -> None:
        self._pass_time(lives=True)
        super().renew()

    def close(self) -> None:
        self._leases.pop(self._owner, None)
        super().close()

    def end(self) -> None:
        self._call(self._disconnect)


@contextmanager
def _memory(_: str) -> Iterator[MakePlaces]:
    def make(clock: Callable[[], float]) -> Callable[[], Place]:
        rows = Rows(clock)
        return lambda: SharedPlace(rows)

    yield make


@contextmanager
def _sqlite(folder: str) -> Iterator[MakePlaces]:
    thread, numbers = _Thread(), count(1)

    def make(_: Callable[[], float]) -> Callable[[], Place]:
        path = Path(folder) / f"{next(numbers)}.db"
        return lambda: _RealPlace(thread, SqliteStore(f"{SCHEME}{path}"))

    try:
        yield make
    finally:
        thread.close()


@contextmanager
def _redis(url: str) -> Iterator[MakePlaces]:
    thread = _Thread()
    with Redis.from_url(url) as client:

        def make(clock: Callable[[], float]) -> Callable[[], Place]:
            client.flushdb()
            leases: dict[bytes, float] = {}

            def place() -> Place:
                store = RedisStore(url)
                disconnect = store._redis.aclose
                return _LeasedPlace(
                    thread, store, leases, clock, lambda owner: client.delete(f"{OWNER}{owner.hex()}"), disconnect
                )

            return place

        try:
            yield make
        finally:
            thread.close()


@contextmanager
def _shared_connections(thread: _Thread) -> Iterator[None]:
    """What a process closes, the next one opens: a server starts a process of its own for each connection, which takes
    longer than what a schedule asks of it. No statement leaves anything in a connection."""
    connect, free = connections.connect, list[Connection]()

    async def take(url: str, *, prepares: bool = False) -> Connection:
        if free:
            return free.pop()
        connection = await connect(url, prepares=prepares)
        close = connection.close

        async def give_back() -> None:
            if connection.info.transaction_status is TransactionStatus.IDLE:
                free.append(connection)
            else:
                await close()

        connection.close = give_back
        return connection

    connections.connect = take
    try:
        yield
    finally:
        connections.connect = connect
        for each in free:
            thread.call(partial(psycopg.AsyncConnection.close, each))


@contextmanager
def _postgres(url: str) -> Iterator[MakePlaces]:
    thread = _Thread()
    with psycopg.connect(url, autocommit=True) as client:
        client.execute(statements.CREATE)
        written = [table for table in statements.TABLES if table != statements.LEDGER]

        def expire(owner: bytes) -> None:
            client.execute(statements.LEAVE, (owner,))

        def make(clock: Callable[[], float]) -> Callable[[], Place]:
            for table in written:
                client.execute(f"DELETE FROM {table}")
            leases: dict[bytes, float] = {}

            def place() -> Place:
                store = PostgresStore(url)
                return _LeasedPlace(thread, store, leases, clock, expire, store._connections.close)

            return place

        try:
            with _shared_connections(thread):
                yield make
        finally:
            thread.close()


STORES: Final[dict[str, StoreKind]] = {
    "memory": StoreKind(_memory),
    "sqlite": StoreKind(_sqlite, Limits(replicas=1, clock_step=600.0)),
    "redis": StoreKind(_redis),
    "postgresql": StoreKind(_postgres),
}
"""By the name that `--store` takes."""
