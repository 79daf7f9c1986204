"""A connection to the broker that is kept open for ever."""

from __future__ import annotations

import asyncio
import logging
import random
import ssl
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from itertools import cycle
from typing import TypeAlias

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractConnection
from aiormq.exceptions import AMQPError
from yarl import URL

from consumer.config import Amqp

__all__ = [
    "RPC_TIMEOUT",
    "TROUBLE",
    "Link",
    "Lost",
    "Opened",
    "close",
    "connect",
    "initialize",
    "library_calls",
    "login",
    "logins",
]

log = logging.getLogger(__name__)

HEARTBEAT = 10
"""Seconds; a dead peer is noticed after about three of them."""

DEFAULT_LOGIN = "guest"
"""The name that the AMQP library uses where the URL has none."""

CONNECT_TIMEOUT = 15.0
RPC_TIMEOUT = 15.0
"""Seconds for one broker call; the AMQP library itself may wait for ever."""

TROUBLE = (AMQPError, OSError, TimeoutError, RuntimeError)
"""What a call to the broker raises when the broker or the way to it is the cause."""

Lost: TypeAlias = Callable[[str], None]
"""Says why a connection is of no more use; it is then closed and opened anew."""
Opened: TypeAlias = Callable[[AbstractConnection, Lost], Awaitable[None]]
"""Sets up a new connection; the `Lost` is for this connection alone, however late it is called."""


class Link:
    """One connection that is opened again for ever, with jittered back-off, over the hosts in turn.

    Args:
        amqp: addresses and certificates.
        name: shown in the broker's list of connections.
        opened: called with each new connection; when it fails, the connection is closed and tried again.
    """

    def __init__(self, amqp: Amqp, name: str, opened: Opened) -> None:
        self._amqp = amqp
        self._urls = cycle(amqp.urls)
        self._name = name
        self._opened = opened
        self._connection: AbstractConnection | None = None
        self.problem: str | None = "not connected yet"
        """Why it is not usable; None while it is."""

    async def run(self) -> None:
        """Keep the connection open until cancelled."""
        failures = 0
        while True:
            try:
                lost = await self._open(next(self._urls))
                failures = 0
                self.problem = f"connection lost: {await lost}"
            except TROUBLE as error:
                self.problem = _said(error)
            except Exception as error:  # whatever it is: nobody else would open the connection again
                log.exception("broker (%s): a defect while connecting", self._name)
                self.problem = _said(error)
            finally:
                await self.close()
            if _being_cancelled():  # the library turns a cancellation while it connects into an error of its own
                raise asyncio.CancelledError
            failures += 1
            delay = backoff(failures)
            log.warning("broker (%s): %s; next try in %.1f s", self._name, self.problem, delay)
            await asyncio.sleep(delay)

    async def _open(self, url: str) -> asyncio.Future[str]:
        lost: asyncio.Future[str] = asyncio.get_running_loop().create_future()

        def on_lost(reason: str) -> None:
            if not lost.done():
                lost.set_result(reason)

        with library_calls():
            self._connection = await connect(self._amqp, url, self._name)
            self._connection.close_callbacks.add(lambda _, error=None: on_lost(_said(error)))
            await self._opened(self._connection, on_lost)
        if not lost.done():
            self.problem = None
            log.info("broker (%s): connected to %s", self._name, URL(url).host)
        return lost

    async def close(self) -> None:
        """Close the connection; harmless when there is none."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await close(connection)


@contextmanager
def library_calls() -> Iterator[None]:
    """Raise ConnectionError for the two odd ways in which the AMQP library ends what waits on a lost connection.

    One is a bare Exception, the other a CancelledError although nobody cancelled: taken for a real one, that would
    end the task that waits. A real cancellation passes.
    """
    try:
        yield
    except asyncio.CancelledError as error:
        if _being_cancelled():
            raise
        raise ConnectionError("the connection was lost") from error
    except Exception as error:
        if type(error) is not Exception:
            raise
        raise ConnectionError("the connection was closed") from error


def _being_cancelled() -> bool:
    task = asyncio.current_task()
    return task is None or task.cancelling() > 0


def _said(error: BaseException | None) -> str:
    if error is None or not (error.args or str(error)):
        return "closed" if error is None or isinstance(error, asyncio.CancelledError) else type(error).__name__
    return f"{type(error).__name__}: {error}"


async def connect(amqp: Amqp, url: str, name: str) -> AbstractConnection:
    """Open one connection; `name` is shown in the broker's list of connections.

    Raises:
        One of TROUBLE.
    """
    query = {"heartbeat": str(HEARTBEAT), "name": name, **URL(url).query}
    return await aio_pika.connect(URL(url).with_query(query), ssl_context=_tls(amqp), timeout=CONNECT_TIMEOUT)


def login(url: str) -> str | None:
    """The name under which a URL logs in; None where a certificate says who we are."""
    parts = URL(url)
    if parts.query.get("auth", "plain").lower() == "external":
        return None
    return parts.user or DEFAULT_LOGIN


def logins(amqp: Amqp) -> frozenset[str]:
    """Every name under which we may log in."""
    return frozenset(name for name in map(login, amqp.urls) if name is not None)


def backoff(failures: int) -> float:
    """Seconds before the next try: between 0.5 and 1 s, doubling to between 15 and 30 s; `failures` counts from 1."""
    return min(30.0, 2.0 ** min(failures - 1, 10)) * random.uniform(0.5, 1.0)


def _tls(amqp: Amqp) -> ssl.SSLContext | None:
    if not any((amqp.ca, amqp.cert, amqp.key)):
        return None
    context = ssl.create_default_context(cafile=amqp.ca)
    if amqp.cert is not None:
        context.load_cert_chain(amqp.cert, amqp.key)
    return context


async def initialize(channel: AbstractChannel) -> None:
    """Open a channel, with a time limit."""
    async with asyncio.timeout(RPC_TIMEOUT):
        await channel.initialize()


async def close(connection: AbstractConnection) -> None:
    """Close a connection that may be broken; never raises for that."""
    try:
        with library_calls():
            async with asyncio.timeout(RPC_TIMEOUT):
                await connection.close()
    except TROUBLE:
        log.debug("closing a broken connection", exc_info=True)
