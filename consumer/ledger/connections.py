"""Connections to PostgreSQL: a bounded number, a time limit for each statement, and its words for what is wrong."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final, TypeAlias, TypeVar

from psycopg import AsyncConnection, Error, OperationalError, errors
from psycopg.conninfo import conninfo_to_dict, make_conninfo

__all__ = ["Connection", "Connections", "connect", "limited", "name_of", "translated"]

T = TypeVar("T")
Connection: TypeAlias = AsyncConnection[tuple[Any, ...]]

TIMEOUT: Final = 5
"""Seconds for one statement, and for connecting to one server."""

CANCELLING: Final = 1.0
"""Seconds for a request to cancel."""

MAX_CONNECTIONS: Final = 4
"""At most; what is asked for waits for a free one. One writes, and the others need not wait for it."""

PREPARED_FROM: Final = 3
"""How often a statement is asked before it is prepared: planning takes longer than what most of ours do."""
POOLED: Final = (errors.DuplicatePreparedStatement, errors.InvalidSqlStatementName)
"""What comes when a pooler such as PgBouncer gives us another server connection for each transaction, and does not know
prepared statements. Nothing was done then."""

LIMITS: Final = f"-c statement_timeout={TIMEOUT}s -c idle_in_transaction_session_timeout={TIMEOUT}s"
"""So that the server ends what we no longer wait for."""
DURABLE: Final = "-c synchronous_commit=on"
"""An answer must mean that it is written, whatever is usual for the database."""

PARAMETERS: Final[dict[str, Any]] = {
    "application_name": "zeebe-amqp",
    "connect_timeout": TIMEOUT,
    # Of several servers the one that takes writes, and none that does not.
    "target_session_attrs": "read-write",
    # A connection that fell silent is noticed within half a minute, also while nothing is asked.
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
}
"""What a URL need not say, and may say otherwise."""


class Connections:
    """Connections to one URL that are kept open while they are used.

    The ledger itself opens its store again and again while that is away, and says why. So this one neither tries again
    behind its back nor tells it less than the server said, as a general pool would.

    Args:
        url: postgresql://user:password@host:port/database, with any of libpq's parameters.
        examine: looks at each new connection before it is used, and raises what is wrong with its server.
    """

    def __init__(self, url: str, examine: Callable[[Connection], Awaitable[None]]) -> None:
        self._url, self._examine = url, examine
        self._prepares = True
        self._idle: list[Connection] = []
        self._places = asyncio.Semaphore(MAX_CONNECTIONS)
        self._running: set[asyncio.Task[Any]] = set()

    async def run(self, work: Callable[[Connection], Awaitable[T]], *, examines: bool = True) -> T:
        """Do some work on a connection, and once more if that broke while nobody used it. It goes on when cancelled.

        Args:
            work: what to do.
            examines: look at a new connection first.

        Raises:
            ConnectionError: what the server said.
            TimeoutError: it said nothing; the work may have been done, or not.
        """
        task = asyncio.get_running_loop().create_task(self._run(work, examines))
        self._running.add(task)
        task.add_done_callback(self._end)
        with translated():
            return await asyncio.shield(task)

    async def close(self) -> None:
        """Close all of them, when what is running has ended."""
        while self._running:
            await asyncio.wait(self._running)
        await self.drop()

    def _end(self, task: asyncio.Task[Any]) -> None:
        self._running.discard(task)
        if not task.cancelled():
            task.exception()  # it is looked at, also when nobody waits for it any more

    async def _run(self, work: Callable[[Connection], Awaitable[T]], examines: bool) -> T:
        async with self._places:
            if self._idle:
                connection = self._idle.pop()
                try:
                    return await self._work(connection, work)
                except POOLED:
                    self._prepares = False
                    await self.drop()
                except OperationalError:
                    if not connection.broken:
                        raise
                    await self.drop()  # the others of its age broke with it
            connection = await connect(self._url, prepares=self._prepares)
            if examines:
                try:
                    await limited(connection, self._examine(connection))
                except BaseException:
                    await connection.close()
                    raise
            return await self._work(connection, work)

    async def _work(self, connection: Connection, work: Callable[[Connection], Awaitable[T]]) -> T:
        try:
            return await limited(connection, work(connection))
        finally:
            if not connection.closed:
                self._idle.append(connection)

    async def drop(self) -> None:
        """Close those that nobody uses; what is asked for next gets a new one."""
        while self._idle:
            await self._idle.pop().close()


@contextmanager
def translated() -> Iterator[None]:
    """Errors of the library in one line, as a ConnectionError."""
    try:
        yield
    except Error as error:
        text = error.diag.message_primary or "; ".join(filter(None, map(str.strip, str(error).splitlines())))
        raise ConnectionError(text) from error


async def limited(connection: Connection, work: Awaitable[T]) -> T:
    """What comes of some work on a connection, within the time limit.

    Raises:
        TimeoutError: nothing came in time; the connection is closed.
    """
    ending: list[asyncio.Task[None]] = []
    loop = asyncio.get_running_loop()
    timer = loop.call_later(TIMEOUT + 1, lambda: ending.append(loop.create_task(_disconnect(connection))))
    try:
        found = await work
    except OperationalError:
        if not ending:
            raise
    finally:
        timer.cancel()
    if ending:
        # What came after all was not kept by all who should: a server that waits for its standby stops waiting then.
        await asyncio.wait(ending)
        await connection.close()
        raise TimeoutError(f"no answer within {TIMEOUT + 1} s")
    return found


async def _disconnect(connection: Connection) -> None:
    """End what the server does for a connection, or does no longer."""
    with suppress(Error, OSError):
        await connection.cancel_safe(timeout=CANCELLING)
    # One that is frozen takes no request to cancel, and the library would wait for it.
    with suppress(Error, OSError), socket.socket(fileno=os.dup(connection.fileno())) as other:
        other.shutdown(socket.SHUT_RDWR)


async def connect(url: str, *, prepares: bool = False) -> Connection:
    """A new connection; every statement is a transaction of its own.

    Args:
        url: of the servers.
        prepares: plan what is asked several times only once.

    Raises:
        psycopg.Error: what each of the servers said.
    """
    threshold = PREPARED_FROM if prepares else None
    return await AsyncConnection.connect(_completed(url), autocommit=True, prepare_threshold=threshold)


def _completed(url: str) -> str:
    given = conninfo_to_dict(url)
    options = " ".join(filter(None, (LIMITS, DURABLE, str(given.pop("options", "") or ""))))
    return make_conninfo(**{**PARAMETERS, **given, "options": options})


def name_of(url: str) -> str:
    """The servers and the database that a URL names, without users and passwords."""
    given = conninfo_to_dict(url)
    hosts = str(given.get("host") or given.get("hostaddr") or "").split(",")
    ports = str(given.get("port") or "").split(",")
    if len(ports) < len(hosts):
        ports = ports * len(hosts)
    servers = [f"{host}:{port}" if port else host for host, port in zip(hosts, ports, strict=False)]
    database = f"/{given['dbname']}" if given.get("dbname") else ""
    return f"postgresql://{','.join(servers)}{database}"
