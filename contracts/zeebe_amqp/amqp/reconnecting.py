"""A connection to the broker that is opened again until it is closed for good."""

from __future__ import annotations

import asyncio
import logging
import random
import ssl
from collections.abc import Awaitable, Callable, Sequence
from itertools import cycle
from typing import TypeAlias

from aio_pika.abc import AbstractConnection
from yarl import URL

from zeebe_amqp.amqp.connection import (
    CONNECTION_ERRORS,
    PORTS,
    LoginRefused,
    being_cancelled,
    close,
    connect,
    describe,
    place,
    translated_errors,
)
from zeebe_amqp.client.answers import failure
from zeebe_amqp.errors import Code, CommandError, Outcome

__all__ = ["Ended", "Link", "Opened"]

log = logging.getLogger(__name__)

MAX_PAUSE = 5.0
"""Seconds between two attempts at most: callers are waiting."""
FEW = 5
"""The failures that make the pause the longest; after a refused login nobody waits for the next attempt."""

Ended: TypeAlias = Callable[[str], None]
"""Says why a connection is of no more use; it is then closed and opened anew."""
Opened: TypeAlias = Callable[[AbstractConnection, Ended], Awaitable[None]]
"""Sets up a new connection."""


class Link:
    """One connection that is opened again, with jittered back-off, over the hosts in turn.

    Args:
        urls: addresses of the broker, `amqp://` or `amqps://`; ValueError for others.
        name: shown in the broker's list of connections.
        tls: for `amqps://`; None = as the address says.
        opened: called with each new connection; when it fails, the connection is closed and tried again.
        denied: called when the broker does not let us log in again; that is tried on, since somebody may mend it.
    """

    def __init__(
        self,
        urls: Sequence[str],
        name: str,
        tls: ssl.SSLContext | None,
        opened: Opened,
        denied: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._urls = checked(urls)
        self._turns = cycle(self._urls)
        self._name = name
        self._tls = tls
        self._opened = opened
        self._denied = denied
        self.denial: str | None = None
        """Why the broker does not let us log in; None while it does, or was not asked."""
        self._connection: AbstractConnection | None = None
        self._task: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Connect to the first host that answers, and stay connected from then on.

        Raises:
            Unauthenticated: a host does not accept the credentials; the others have the same users.
            Unavailable: none answered; the text says what each of them said.
        """
        failures = []
        for _ in self._urls:
            url = next(self._turns)
            try:
                ended = await self._connect(url)
            except LoginRefused as error:
                await self._disconnect()
                raise failure(Code.UNAUTHENTICATED, str(error), None, outcome=Outcome.NOT_EXECUTED) from error
            except CONNECTION_ERRORS as error:
                await self._disconnect()
                _check_cancelled()
                failures.append(f"{place(url)}: {describe(error)}")
            except BaseException:
                await self._disconnect()
                raise
            else:
                self._task = asyncio.get_running_loop().create_task(self._keep(ended))
                return
        raise _unreachable("; ".join(failures))

    async def close(self) -> None:
        """Close the connection for good."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._disconnect()

    async def _keep(self, ended: asyncio.Future[str]) -> None:
        while True:
            log.warning("broker: %s; connecting again", await ended)
            await self._disconnect()
            ended = await self._reconnect()

    async def _reconnect(self) -> asyncio.Future[str]:
        failures = 0
        while True:
            failures += 1
            # Before the first attempt, too: a connection may end as soon as it is there, again and again.
            await asyncio.sleep(backoff(failures))
            try:
                return await self._connect(next(self._turns))
            except LoginRefused as error:
                log.error("broker: %s", error)
                failures = FEW
                self.denial = str(error)
                self._denied(self.denial)
            except CONNECTION_ERRORS as error:
                log.warning("broker: %s", describe(error))
            except Exception:  # whatever it is: nobody else would open the connection again
                log.exception("broker: a defect while connecting")
            await self._disconnect()
            _check_cancelled()

    async def _connect(self, url: str) -> asyncio.Future[str]:
        ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()

        def end(reason: str) -> None:
            if not ended.done():
                ended.set_result(reason)

        with translated_errors():
            self._connection = await connect(url, self._name, self._tls)
            self._connection.close_callbacks.add(lambda _, error=None: end(describe(error)))
            self.denial = None
            await self._opened(self._connection, end)
        return ended

    async def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await close(connection)


def _check_cancelled() -> None:
    if being_cancelled():
        raise asyncio.CancelledError


def checked(urls: Sequence[str]) -> tuple[str, ...]:
    """The addresses, when all of them are some.

    Raises:
        ValueError: there is none, or one is not an address of a broker; a password is not repeated.
    """
    for url in urls:
        if URL(url).scheme not in PORTS or not URL(url).host:
            found = url.rpartition("@")[2]
            raise ValueError(f"broker: expected an address such as amqp://user:password@host:5672, found {found!r}")
    if not urls:
        raise ValueError("broker: expected at least one address, found none")
    return tuple(urls)


def backoff(failures: int) -> float:
    """Seconds before the next attempt: at most 0.2 s at first, doubling up to 5 s; `failures` counts from 1."""
    return min(MAX_PAUSE, 0.2 * 2.0 ** min(failures - 1, 10)) * random.uniform(0.5, 1.0)


def _unreachable(reasons: str) -> CommandError:
    message = f"no broker: {reasons}; is it up, and the address right?"
    return failure(Code.UNAVAILABLE, message, None, outcome=Outcome.NOT_EXECUTED, retryable=True)
