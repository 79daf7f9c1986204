"""A connection to the broker that is opened again until it is closed for good."""

from __future__ import annotations

import asyncio
import logging
import ssl
import time
from collections.abc import Awaitable, Callable, Sequence
from itertools import cycle
from typing import Final, NoReturn, TypeAlias

from yarl import URL

from zeebe_amqp.amqp.address import accepted_parameters
from zeebe_amqp.amqp.connection import (
    CONNECTION_ERRORS,
    PORTS,
    LoginRefused,
    close,
    connect,
    describe,
    explain,
    first_answer,
    place,
    translated_errors,
)
from zeebe_amqp.amqp.refusal import BrokerRefusal
from zeebe_amqp.amqp.tap import TappedConnection
from zeebe_amqp.backoff import backoff
from zeebe_amqp.cancellation import raise_if_cancelled

__all__ = ["OnLost", "Opened", "ReconnectingConnection", "check_urls"]

log = logging.getLogger(__name__)

FIRST_PAUSE: Final = 0.2
MAX_PAUSE: Final = 5.0
"""Seconds between two attempts, at most: callers are waiting."""

OnLost: TypeAlias = Callable[[str | BrokerRefusal], None]
"""Says why a connection is of no more use; it is then closed and opened anew. It is for one connection alone, however
late it is called. A refusal counts until a connection is set up again."""
Opened: TypeAlias = Callable[[TappedConnection, OnLost], Awaitable[None]]
"""Sets up a new connection."""


class ReconnectingConnection:
    """One connection that is opened again, with jittered back-off, over the hosts in turn.

    Either `open` it, which fails where no host answers, and `close` it; or `run` it, which tries until it is cancelled.

    Args:
        urls: addresses of the broker, `amqp://` or `amqps://`; ValueError for others.
        name: shown in the broker's list of connections.
        opened: called with each new connection; when it fails, the connection is closed and tried again.
        tls: makes the context for `amqps://`, for each connection anew, as certificates are renewed; it may give None:
            as the address says.
        refused: called when the broker does not let us in again, or refuses what a new connection needs; that is tried
            on, since somebody may mend it.
        login_hint: what the log says besides when it does not let us in.
        first_pause: seconds between two attempts at first, at most.
        max_pause: seconds between two attempts later, at most.
        is_hurried: asked when a connection has ended: whether the next one follows after FIRST_PAUSE, however many
            ended before it.
        sleep: waits for so many seconds.
        clock: seconds since whenever; a connection that held for less than the maximum pause does not end the growth of
            the pauses.
    """

    def __init__(
        self,
        urls: Sequence[str],
        name: str,
        opened: Opened,
        *,
        tls: Callable[[], ssl.SSLContext | None] = lambda: None,
        refused: Callable[[BrokerRefusal], None] = lambda _: None,
        login_hint: str = "",
        first_pause: float = FIRST_PAUSE,
        max_pause: float = MAX_PAUSE,
        is_hurried: Callable[[], bool] = lambda: False,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._urls = check_urls(urls)
        self._hosts = cycle(self._urls)
        self._name = name
        self._opened = opened
        self._tls = tls
        self._refused = refused
        self._login_hint = login_hint
        self._pauses = first_pause, max_pause
        self._is_hurried = is_hurried
        self._sleep = sleep
        self._clock = clock
        self._connection: TappedConnection | None = None
        self._task: asyncio.Task[NoReturn] | None = None
        self.problem: str | None = "not connected yet"
        """Why it is not usable; None while it is."""
        self.refusal: BrokerRefusal | None = None
        """What the broker refused last; None once a connection was set up since."""

    async def open(self) -> None:
        """Connect to the first host that answers, and stay connected from then on until `close`.

        Raises:
            BrokerRefusal: a host does not let us in, or refuses what we need; the others would, too.
            Unreachable: none answered; the text says what each of them said.
        """
        lost = await first_answer((next(self._hosts) for _ in self._urls), self._connect)
        self._task = asyncio.get_running_loop().create_task(self._keep(lost))

    async def close(self) -> None:
        """Close the connection for good."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._disconnect()

    async def run(self) -> NoReturn:
        """Connect, and stay connected until cancelled."""
        hosts = [*map(place, self._urls)]
        fields = {"event": "broker.connecting", "connection": self._name, "hosts": hosts}
        log.info("broker (%s): connecting to RabbitMQ at %s", self._name, ", ".join(hosts), extra=fields)
        try:
            await self._keep(await self._try())
        finally:
            await self._disconnect()

    async def _keep(self, lost: asyncio.Future[str] | None) -> NoReturn:
        """Connect again whenever the connection is `lost`; None: there is none yet."""
        failures, (_, max_pause) = 0, self._pauses
        while True:
            if lost is not None:
                since = self._clock()
                self.problem = f"connection lost: {await lost}"
                # A connection may end as soon as it is there, again and again: that is one trouble.
                failures = 0 if self._clock() - since > max_pause else failures
                await self._disconnect()
            failures += 1
            is_hurried = lost is not None and self._is_hurried()
            pause = backoff(1, FIRST_PAUSE, FIRST_PAUSE) if is_hurried else backoff(failures, *self._pauses)
            self._tell_unreached(pause)
            await self._sleep(pause)
            lost = await self._try()

    def _tell_unreached(self, pause: float) -> None:
        fields: dict[str, object] = {"event": "broker.unreached", "connection": self._name, "error": self.problem}
        fields |= {"seconds": round(pause, 1)}
        log.warning("broker (%s): %s; next try in %.1f s", self._name, self.problem, pause, extra=fields)

    async def _try(self) -> asyncio.Future[str] | None:
        """Connect to the next host; None when that fails, and `problem` says why."""
        try:
            return await self._connect(next(self._hosts))
        except BrokerRefusal as error:
            hint = self._login_hint if isinstance(error, LoginRefused) else ""
            self.problem = f"{error.code}: {error}{hint}"
            self.refusal = error
            self._refused(error)
        except CONNECTION_ERRORS as error:
            self.problem = explain(error)
        except Exception as error:  # whatever it is: nobody else would open the connection again
            fields = {"event": "broker.defect", "connection": self._name}
            log.exception("broker (%s): a defect while connecting", self._name, extra=fields)
            self.problem = describe(error)
        raise_if_cancelled()
        return None

    async def _connect(self, url: str) -> asyncio.Future[str]:
        """Open and set up a connection; gives the reason of its end, when that comes."""
        lost: asyncio.Future[str] = asyncio.get_running_loop().create_future()

        def on_lost(reason: str | BrokerRefusal) -> None:
            if not lost.done():
                if isinstance(reason, BrokerRefusal):
                    self.refusal = reason
                lost.set_result(str(reason))

        try:
            with translated_errors():
                self._connection = await connect(url, self._name, self._tls())
                raise_if_cancelled()  # the library may take a cancellation for its own, and connect all the same
                self._connection.close_callbacks.add(lambda _, error=None: on_lost(describe(error)))
                await self._opened(self._connection, on_lost)
                raise_if_cancelled()
        except BaseException:
            await self._disconnect()
            raise
        if not lost.done():
            self.problem = self.refusal = None
            fields = {"event": "broker.connected", "connection": self._name, "host": URL(url).host}
            log.info("broker (%s): connected to %s", self._name, URL(url).host, extra=fields)
        return lost

    async def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await close(connection)


def check_urls(urls: Sequence[str]) -> tuple[str, ...]:
    """The addresses, when all of them are some.

    Raises:
        ValueError: there is none, or one is not an address of a broker; a password is not repeated.
    """
    for url in urls:
        if URL(url).scheme not in PORTS or not URL(url).host:
            found = url.rpartition("@")[2]
            raise ValueError(f"broker: expected an address such as amqp://user:password@host:5672, found {found!r}")
        if (accepted := accepted_parameters(url)) is not None:
            raise ValueError(
                f"broker: the address of {URL(url).host} has other parameters than are accepted: {accepted}"
            )
    if not urls:
        raise ValueError("broker: expected at least one address, found none")
    return tuple(urls)
