"""A connection to the broker that is kept open for ever."""

from __future__ import annotations

import asyncio
import logging
import random
import ssl
from collections.abc import Awaitable, Callable
from itertools import cycle
from typing import TypeAlias

from aio_pika.abc import AbstractChannel, AbstractConnection
from yarl import URL

from consumer.config import Amqp
from zeebe_amqp.amqp import connection
from zeebe_amqp.amqp.connection import (
    CONNECTION_ERRORS,
    RPC_TIMEOUT,
    LoginRefused,
    being_cancelled,
    close,
    describe,
    login,
    place,
    translated_errors,
)

__all__ = ["Link", "Lost", "Opened", "connect", "initialize", "login", "logins"]

log = logging.getLogger(__name__)

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
                url = next(self._urls)
                if not failures:  # afterwards the failures are told
                    log.info("broker (%s): connecting to RabbitMQ at %s", self._name, place(url))
                lost = await self._open(url)
                failures = 0
                self.problem = f"connection lost: {await lost}"
            except LoginRefused as error:
                # Tried on: credentials are changed at the broker as often as here.
                self.problem = f"UNAUTHENTICATED: {error}; look at AMQP_URL"
            except CONNECTION_ERRORS as error:
                self.problem = describe(error)
            except Exception as error:  # whatever it is: nobody else would open the connection again
                log.exception("broker (%s): a defect while connecting", self._name)
                self.problem = describe(error)
            finally:
                await self.close()
            if being_cancelled():  # the library turns a cancellation while it connects into an error of its own
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

        with translated_errors():
            self._connection = await connect(self._amqp, url, self._name)
            self._connection.close_callbacks.add(lambda _, error=None: on_lost(describe(error)))
            await self._opened(self._connection, on_lost)
        if not lost.done():
            self.problem = None
            log.info("broker (%s): connected to %s", self._name, URL(url).host)
        return lost

    async def close(self) -> None:
        """Close the connection; harmless when there is none."""
        opened, self._connection = self._connection, None
        if opened is not None:
            await close(opened)


async def connect(amqp: Amqp, url: str, name: str) -> AbstractConnection:
    """Open one connection with the certificates of the settings; see `zeebe_amqp.amqp.connection.connect`."""
    return await connection.connect(url, name, _tls(amqp))


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
