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
from consumer.pipeline.worker import PublishFailed, Refused
from consumer.rabbitmq.connection import initialize, reconnecting
from consumer.rabbitmq.topology import declare_dead_letters
from zeebe_amqp.amqp.alarm import Alarm, AlarmedConnection
from zeebe_amqp.amqp.connection import CONFIRM_TIMEOUT, CONNECTION_ERRORS, translated_errors
from zeebe_amqp.amqp.reconnecting import OnLost

__all__ = ["Publisher", "Unroutable"]

log = logging.getLogger(__name__)


STUCK = 5.0
"""Seconds after which a message counts as refused when the broker has answered for later ones."""

PROBE = "zeebe-amqp.probe"
"""A routing key of the default exchange that leads nowhere: the broker answers for such a message at once."""


class Unroutable(Exception):
    """The broker returned the message: no queue is there for it."""


class Publisher:
    """One connection and one channel with many confirms outstanding.

    Args:
        amqp: addresses, and whether queues are declared.
        confirm_timeout: seconds to wait for the broker's confirm while it takes messages.
        stuck: seconds to wait for it while the broker answers for later messages.
    """

    def __init__(self, amqp: Amqp, confirm_timeout: float = CONFIRM_TIMEOUT, stuck: float = STUCK) -> None:
        self._amqp = amqp
        self._confirm_timeout = confirm_timeout
        self._stuck = min(stuck, confirm_timeout)
        self._written = self._answered = 0
        self._probe: asyncio.Task[None] | None = None
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
        self,
        body: bytes,
        properties: Basic.Properties,
        *,
        exchange: str,
        routing_key: str,
        mandatory: bool,
        patient: bool = True,
    ) -> None:
        """Publish and wait for the broker's confirm; during an alarm for as long as it lasts.

        Args:
            body: of the message.
            properties: of the message.
            exchange: where it goes.
            routing_key: where it goes from there.
            mandatory: whether the broker returns what no queue takes.
            patient: whether to wait on while the broker answers for later messages.

        Raises:
            Unroutable: mandatory, and no queue is there.
            Refused: not confirmed, and the queue is the reason: it takes no more, or is stuck.
            PublishFailed: not confirmed; the broker may or may not have taken it.
        """
        channel = self._channel
        if channel is None:
            raise PublishFailed("not connected")
        self._written = number = self._written + 1
        try:
            with translated_errors():
                async with self._timeout(number, patient):
                    await channel.basic_publish(
                        body,
                        exchange=exchange,
                        routing_key=routing_key,
                        properties=properties,
                        mandatory=mandatory,
                        wait=False,
                    )
        except (PublishError, DeliveryError) as error:
            self._has_answered(number)
            raise _answer(error) from error
        except CONNECTION_ERRORS as error:
            raise self._failure(error, number, patient) from error
        self._has_answered(number)

    def _has_answered(self, number: int) -> None:
        self._answered = max(self._answered, number)

    def _failure(self, error: BaseException, number: int, patient: bool) -> PublishFailed:
        """What it means that the broker did not answer for the message of that number."""
        if not isinstance(error, TimeoutError):
            return PublishFailed(f"{type(error).__name__}: {error}")
        if not patient and number < self._answered:
            return Refused(f"nothing is confirmed for {self._stuck:g} s, while later messages are", stuck=True)
        return PublishFailed(f"nothing is confirmed for {self._confirm_timeout:g} s")

    @asynccontextmanager
    async def _timeout(self, number: int, patient: bool) -> AsyncIterator[None]:
        """Raise TimeoutError for a confirm that is late, not counting an alarm: what was written is taken after it."""
        loop = asyncio.get_running_loop()
        looks = 0

        def look() -> None:
            nonlocal looks
            looks += not self.blocked
            overtaken = not patient and number < self._answered
            if looks and (overtaken or looks * self._stuck >= self._confirm_timeout):
                limit.reschedule(loop.time())
                return
            if looks and not patient and self._probe is None:
                self._probe = loop.create_task(self._ask())
            timers.append(loop.call_later(self._stuck, look))

        async with asyncio.timeout(None) as limit:
            timers = [loop.call_later(self._stuck, look)]
            try:
                yield
            finally:
                timers[-1].cancel()

    async def _ask(self) -> None:
        """Find out whether the broker answers at all: when one queue does not, perhaps all that waits is for it."""
        try:
            await self.publish(b"", Basic.Properties(), exchange="", routing_key=PROBE, mandatory=False)
        except PublishFailed as failure:
            log.debug("the broker does not answer: %s", failure)
        finally:
            self._probe = None


def _answer(error: PublishError | DeliveryError) -> Exception:
    """What the broker's own answer means."""
    if isinstance(error, PublishError):
        return Unroutable(str(error))
    return Refused("it is full and takes no more, or has failed (the broker sent a nack)")
