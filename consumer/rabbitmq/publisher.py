"""Publishing with confirms, on a connection of its own."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast

from aiormq import Channel as RawChannel
from aiormq.exceptions import DeliveryError, PublishError
from pamqp.commands import Basic

from consumer.config import Amqp
from consumer.pipeline.worker import PublishFailed
from consumer.rabbitmq.connection import initialize, reconnecting
from consumer.rabbitmq.topology import declare_dead_letters
from zeebe_amqp.amqp.alarm import Alarm, AlarmedConnection
from zeebe_amqp.amqp.connection import CONFIRM_TIMEOUT, CONNECTION_ERRORS, translated_errors
from zeebe_amqp.amqp.reconnecting import OnLost

__all__ = ["Publisher", "Unroutable"]

log = logging.getLogger(__name__)


class Unroutable(Exception):
    """The broker returned the message: no queue is there for it."""


class Publisher:
    """One connection and one channel with many confirms outstanding.

    Args:
        amqp: addresses, and whether queues are declared.
        confirm_timeout: seconds to wait for the broker's confirm while it takes messages.
    """

    def __init__(self, amqp: Amqp, confirm_timeout: float = CONFIRM_TIMEOUT) -> None:
        self._amqp = amqp
        self._confirm_timeout = confirm_timeout
        self._connection = reconnecting(amqp, "zeebe-amqp publish", self._opened)
        self._channel: RawChannel | None = None
        self._alarm = Alarm()
        self._on_lost: OnLost = lambda _: None
        self._open = asyncio.Event()

    @property
    def blocked(self) -> bool:
        """Whether an alarm of the broker (memory or disk) keeps it from taking messages."""
        return self._channel is not None and self._alarm.is_on

    @property
    def problem(self) -> str | None:
        """Why nothing can be published; None when it can."""
        if self._connection.problem is None and self.blocked:
            return "the broker takes no messages (memory or disk alarm)"
        return self._connection.problem

    async def run(self) -> None:
        """Keep the connection open until cancelled."""
        await self._connection.run()

    def renew(self, reason: str) -> None:
        """Open the connection anew, and with it declare what it needs."""
        self._on_lost(reason)

    async def _opened(self, connection: AlarmedConnection, on_lost: OnLost) -> None:
        await declare_dead_letters(connection, self._amqp)
        channel = connection.channel(publisher_confirms=True, on_return_raises=True)
        await initialize(channel)
        raw = cast("RawChannel", await channel.get_underlay_channel())
        channel.close_callbacks.add(lambda _, error=None: self._closed(raw, on_lost, error))
        self._channel, self._alarm, self._on_lost = raw, connection.alarm, on_lost
        self._open.set()

    def _closed(self, channel: RawChannel, on_lost: OnLost, error: BaseException | None) -> None:
        if self._channel is channel:
            self._channel = None
            self._open.clear()
            self._alarm.end()
        on_lost(f"the publishing channel closed: {error}")

    async def ready(self) -> None:
        """Wait until something can be published: connected, and not blocked by an alarm of the broker."""
        while self._channel is None or self.blocked:
            # When the connection is lost during an alarm, that ends with it.
            await self._alarm.over()
            await self._open.wait()

    async def publish(
        self, body: bytes, properties: Basic.Properties, *, exchange: str, routing_key: str, mandatory: bool
    ) -> None:
        """Publish and wait for the broker's confirm; during an alarm for as long as it lasts.

        Raises:
            Unroutable: mandatory, and no queue is there.
            PublishFailed: not confirmed; the broker may or may not have taken it.
        """
        channel = self._channel
        if channel is None:
            raise PublishFailed("not connected")
        try:
            with translated_errors():
                async with self._timeout():
                    await channel.basic_publish(
                        body,
                        exchange=exchange,
                        routing_key=routing_key,
                        properties=properties,
                        mandatory=mandatory,
                        wait=False,
                    )
        except PublishError as returned:
            raise Unroutable(str(returned)) from returned
        except DeliveryError as error:
            raise PublishFailed("the broker refused it (nack)") from error
        except CONNECTION_ERRORS as error:
            raise PublishFailed(f"{type(error).__name__}: {error}") from error

    @asynccontextmanager
    async def _timeout(self) -> AsyncIterator[None]:
        """Raise TimeoutError for a confirm that is late, not counting an alarm: what was written is taken after it."""
        loop = asyncio.get_running_loop()

        def look() -> None:
            if self.blocked:
                timers.append(loop.call_later(self._confirm_timeout, look))
            else:
                limit.reschedule(loop.time())

        async with asyncio.timeout(None) as limit:
            timers = [loop.call_later(self._confirm_timeout, look)]
            try:
                yield
            finally:
                timers[-1].cancel()
