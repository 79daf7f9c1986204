"""Entries in PostgreSQL: shared by several processes, survive the death of any."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, LiteralString, NamedTuple

from consumer.core.batches import Batches, End
from consumer.ledger import schema, statements
from consumer.ledger.codec import size_of, to_mark
from consumer.ledger.connections import Connection, Connections, connect, limited, name_of, translated
from consumer.ledger.entry import Limits
from consumer.ledger.holdings import Holdings
from consumer.ledger.store import TRIMMED_AT_ONCE, ActivationRow, Evicted, Found, LedgerRow

__all__ = ["PostgresStore", "accept_server", "ask_postgres"]

log = logging.getLogger(__name__)

GROUP: Final = 128
"""Rows written in one statement, at most."""

MARK: Final = to_mark(b"\0\0")[0]
"""Of a record without its body, in its first byte."""

MISSING: Final = "have them made with what `consumer ledger ddl` prints"
GONE: Final = (
    "restore them; a service that starts makes new ones, after which requests that ran before may run again when they "
    "are sent again"
)


class _Order(NamedTuple):
    row: LedgerRow
    seconds: float
    """Until it expires; 0 for a release."""
    take_over: bool = False

    @property
    def is_claim(self) -> bool:
        return self.row.record is None and self.seconds > 0


class PostgresStore:
    """See `Store`. A process proves by a lease, renewed while it lives, that it still runs what it owns.

    What is asked for while a statement runs waits together and is written with the next one: a commit takes as long
    for many rows as for one.

    Args:
        url: postgresql://user:password@host:port/database, with any of libpq's parameters.
        create: make the tables where there are none.
    """

    access = "used"

    def __init__(self, url: str, create: bool = True) -> None:
        self.name = name_of(url)
        self.size = self.kept_bytes = self._counted = 0
        self.evicted = Evicted()
        self._creates, self._prepared = create, False
        self._owner, self._lease = b"", 0.0
        self._batches: Batches[_Order, Found | None] = Batches(self._begin, GROUP)
        self._writing: asyncio.Task[None] | None = None
        self._connections = Connections(url, self._examine)

    async def open(self, owner: bytes, lease: float) -> None:
        """See `Store.open`; the tables are made at the first time only: with new ones everything is forgotten."""
        self._owner, self._lease = owner, lease
        await self._connections.drop()  # what was wrong may be theirs, as in a server that took no writes
        await self._connections.run(self._prepare, examines=False)  # it does so when the tables are there
        self._prepared = True
        await self.renew()

    def claim(self, row: LedgerRow, now: float, take_over: bool) -> asyncio.Future[Found | None]:
        """See `Store.claim`; it is a sign of life too."""
        return self._batches.put(_Order(row, row.expires - now, take_over))

    async def find(self, key: bytes, now: float) -> Found | None:
        """See `Store.find`."""
        return (await self._connections.run(lambda connection: _find(connection, [key], now))).get(key)

    def finish(self, row: LedgerRow, now: float) -> asyncio.Future[Found | None]:
        """See `Store.finish`."""
        return self._batches.put(_Order(row, row.expires - now))

    def release(self, key: bytes, owner: bytes) -> asyncio.Future[Found | None]:
        """See `Store.release`."""
        return self._batches.put(_Order(LedgerRow(key, b"", owner, 0.0), 0.0))

    async def trim(self, now: float, limits: Limits, allowed: Mapping[bytes, int]) -> None:
        """See `Store.trim`; the bounds are those of all processes together, and one of them looks after them."""
        await self._connections.run(lambda connection: self._trim(connection, limits, allowed))

    async def write_activations(self, rows: Sequence[ActivationRow], ended: Sequence[int], now: float) -> None:
        """See `Store.write_activations`; one statement."""
        newest: dict[int, ActivationRow] = {}
        for row in rows:
            there = newest.get(row.key, row)
            if there.since <= row.since:
                newest[row.key] = row._replace(expires=max(row.expires, there.expires))
        keys, deadlines, sinces, traces, extended, expires = zip(*newest.values(), strict=True) if rows else [()] * 6
        parameters = {
            "ended": list(ended),
            "limit": TRIMMED_AT_ONCE,
            "keys": list(keys),
            "deadlines": list(deadlines),
            "sinces": list(sinces),
            "traces": list(traces),
            "extended": list(extended),
            "seconds": [float(each - now) for each in expires],
        }
        await self._connections.run(lambda connection: connection.execute(statements.ACTIVATE, parameters))

    async def find_activation(self, key: int, now: float) -> ActivationRow | None:
        """See `Store.find_activation`."""

        async def find(connection: Connection) -> tuple[Any, ...] | None:
            return await (await connection.execute(statements.FIND_ACTIVATION, (key,))).fetchone()

        found = await self._connections.run(find)
        if found is None:
            return None
        deadline, since, trace, extended, left = found
        return ActivationRow(key, deadline, since, trace, extended, now + left)

    async def renew(self) -> None:
        """See `Store.renew`; looks as well whether the server is the one that it was, and counts."""

        async def renew(connection: Connection) -> None:
            await self._examine(connection)
            await _one(connection, statements.EXPIRE, limit=TRIMMED_AT_ONCE)
            before, alive = self._counted, {"owner": self._owner, "lease": self._lease}
            counts = await _one(connection, statements.RENEW, **alive)
            if before == self._counted:  # otherwise what was written meanwhile may be missing in it
                self.size, self.kept_bytes = counts

        await self._connections.run(renew)

    async def close(self) -> None:
        """See `Store.close`: who takes over what we still ran need not wait for the lease to end."""
        await self._batches.idle()
        try:
            if self._prepared:
                await self._connections.run(lambda each: each.execute(statements.LEAVE, (self._owner,)))
        finally:
            await self._connections.close()

    async def _prepare(self, connection: Connection) -> None:
        creates, advice = self._creates and not self._prepared, GONE if self._prepared else MISSING
        await schema.prepare(connection, self.name, create=creates, advice=advice)
        await self._examine(connection)
        fields = {"ledger": self.name}
        for warning in await schema.list_warnings(connection):
            log.warning("the ledger %s %s", self.name, warning, extra={"event": "ledger.forgetful", **fields})
        if await schema.find_history(connection) is None:
            words = "the ledger %s does not say which server it is, so that a failover is not noticed"
            log.info(words, self.name, extra={"event": "ledger.anonymous", **fields})

    async def _examine(self, connection: Connection) -> None:
        await schema.compare(connection, self.name)

    # --- writing ----------------------------------------------------------------------------------------------------

    def _begin(self, orders: list[_Order], end: End[Found | None]) -> None:
        self._writing = asyncio.get_running_loop().create_task(self._write_and_tell(orders, end))

    async def _write_and_tell(self, orders: list[_Order], end: End[Found | None]) -> None:
        try:
            found = await self._write(orders)
        except BaseException as error:
            end(None, error)
        else:
            end(found, None)

    async def _write(self, orders: Sequence[_Order]) -> list[Found | None]:
        """Write a group; per order what a claim found in its place, None when it is its own."""
        outcomes: list[Found | None] = [None] * len(orders)
        left = list(range(len(orders)))
        while left:
            turn: dict[bytes, int] = {}
            for number in left:
                turn.setdefault(orders[number].row.key, number)  # a statement writes each row once
            done = await self._connections.run(partial(self._write_once, {key: orders[n] for key, n in turn.items()}))
            for key, found in done.items():
                outcomes[turn[key]] = found
            ended = {turn[key] for key in done}
            left = [number for number in left if number not in ended]
        return outcomes

    async def _write_once(self, orders: Mapping[bytes, _Order], connection: Connection) -> dict[bytes, Found | None]:
        """Write orders of one key each; what claims found by their keys, without those that must be written again."""
        written = await connection.execute(statements.WRITE, self._parameters(orders.values()))
        done: dict[bytes, Found | None] = {}
        async for key, was_owner, entries, size in written:
            self.size += entries
            self.kept_bytes += size
            self._counted += 1
            order = orders[key]
            taken_over = order.is_claim and was_owner is not None
            done[key] = Found(order.row.digest, was_owner, None) if taken_over else None
        refused = [key for key, order in orders.items() if key not in done and order.is_claim]
        # One that is not there either was released, or has expired, in this moment.
        found = await _find(connection, refused, 0.0) if refused else {}
        others = {key: None for key, order in orders.items() if key not in done and not order.is_claim}
        return {**done, **found, **others}

    def _parameters(self, orders: Iterable[_Order]) -> dict[str, Any]:
        rows = [order.row for order in orders]
        return {
            "owner": self._owner,
            "lease": self._lease,
            "keys": [row.key for row in rows],
            "digests": [row.digest for row in rows],
            "seconds": [float(order.seconds) for order in orders],
            "sizes": [-1 if row.record is None else size_of(row.record) for row in rows],
            "records": [row.record or b"" for row in rows],
            "users": [row.user for row in rows],
            "take_over": [order.take_over for order in orders],
        }

    # --- removing ---------------------------------------------------------------------------------------------------

    async def _trim(self, connection: Connection, limits: Limits, allowed: Mapping[bytes, int]) -> None:
        async with connection.transaction():
            if await (await connection.execute(statements.SOLE)).fetchone() is None:
                return  # another process is at it
            left = TRIMMED_AT_ONCE - (await _one(connection, statements.EXPIRE, limit=TRIMMED_AT_ONCE))[0]
            held = await (await connection.execute(statements.HOLDINGS)).fetchall()
            cut = _Cut(connection, {row[0]: row[1] for row in held}, {row[0]: row[2] for row in held}, left)
            for user, most in allowed.items():
                await cut.drop(user, cut.sizes.get(user, 0) - most)
            for user, surplus in _list_surpluses(cut.entries, limits.max_entries, cut.left):
                await cut.evict(user, surplus)
            for user, surplus in _list_surpluses(cut.sizes, limits.max_bytes, cut.left):
                await cut.drop(user, surplus)
            if cut.is_wrong:
                await connection.execute(statements.RECOUNT)
        self.size, self.kept_bytes = sum(cut.entries.values()), sum(cut.sizes.values())
        self._counted += 1
        self.evicted.bodies += cut.bodies
        self.evicted.entries += cut.evicted


@dataclass(slots=True)
class _Cut:
    """What is removed before its time, and what is left."""

    connection: Connection
    entries: dict[bytes, int]
    """How many answers each user has."""
    sizes: dict[bytes, int]
    """How many bytes they have."""
    left: int
    """How many pieces may still go."""
    bodies: int = 0
    evicted: int = 0
    is_wrong: bool = False
    """Whether a user had less than was counted: somebody removed it by hand."""

    async def drop(self, user: bytes, surplus: int) -> None:
        """Give up the oldest bodies of a user until he holds so much less."""
        if surplus > 0 and self.left > 0:
            gone, size = await self._remove(statements.BODIES, user, self.left, size=surplus, mark=MARK)
            self.bodies += gone
            self.is_wrong |= size < surplus and self.left > 0

    async def evict(self, user: bytes, surplus: int) -> None:
        """Remove so many of the oldest entries of a user."""
        if self.left > 0:
            gone, _ = await self._remove(statements.OLDEST, user, min(surplus, self.left))
            self.entries[user] -= gone
            self.evicted += gone
            self.is_wrong |= gone < surplus and self.left > 0

    async def _remove(self, statement: LiteralString, user: bytes, limit: int, **more: int) -> tuple[int, int]:
        gone, size = await _one(self.connection, statement, user=user, limit=limit, **more)
        self.left -= gone
        self.sizes[user] -= size
        return gone, size


def _list_surpluses(amounts: Mapping[bytes, int], maximum: int, limit: int) -> list[tuple[bytes, int]]:
    """Which users hold too much, and how much of it goes; see `Holdings.reduce`."""
    holdings, found = Holdings(amounts.items()), list[tuple[bytes, int]]()

    def take(user: bytes, surplus: int, _: int) -> int:
        found.append((user, surplus))
        holdings.add(user, -surplus)
        return 1

    holdings.reduce(maximum, limit, take)
    return found


async def _find(connection: Connection, keys: list[bytes], now: float) -> dict[bytes, Found | None]:
    """The entries of some keys that are there; their time from `now` on."""
    rows = await connection.execute(statements.FIND, (keys,))
    return {
        key: Found(digest, owner, record, alive, now + left) async for key, digest, owner, record, alive, left in rows
    }


async def _one(connection: Connection, statement: LiteralString, **parameters: Any) -> tuple[Any, ...]:
    found = await (await connection.execute(statement, parameters)).fetchone()
    assert found is not None
    return found


async def accept_server(url: str) -> str:
    """Go on with the server as it is now, after a failover or a restored backup; what was done, in words.

    Raises:
        ConnectionError: it was not reached, or has no tables of ours.
    """
    name = name_of(url)
    with translated():
        async with await connect(url) as connection:
            known, now = await limited(connection, schema.accept(connection))
    if now is None:
        return f"{name} does not say which server it is: there is nothing to accept"
    return f"{name}: {now} is accepted" if known != now else f"{name}: {now} was accepted already"


async def ask_postgres(url: str, clock: Callable[[], float]) -> dict[str, Any]:
    """Look at a PostgreSQL, and write nothing.

    Args:
        url: as for `PostgresStore`.
        clock: our time, seconds since 1970.

    Returns:
        The fields of `consumer.ledger.examination.PostgresFacts`.

    Raises:
        OSError: it was not reached, or does not let us in.
    """
    with translated():
        async with await connect(url) as connection:
            return {"name": name_of(url), **await limited(connection, _look(connection, clock))}


async def _look(connection: Connection, clock: Callable[[], float]) -> dict[str, Any]:
    [may_create, encrypted, local] = await _one(connection, statements.TOLD)
    missing = await schema.list_missing(connection)
    history = await schema.find_history(connection)
    sent = clock()
    [its] = await _one(connection, statements.TIME)
    came = clock()
    return {
        "version": connection.info.server_version,
        "warnings": await schema.list_warnings(connection),
        "tables": None if missing else (await _one(connection, statements.OURS))[0],
        "may_create": bool(may_create),
        "encrypted": bool(encrypted),
        "local": local or "127.0.0.1" in str(connection.info.hostaddr),
        "synchronous": None if history is None else history.synchronous,
        "entries": 0 if missing else (await _one(connection, statements.ENTRY_COUNT))[0],
        "sent": sent,
        "came": came,
        "time": its,
    }
