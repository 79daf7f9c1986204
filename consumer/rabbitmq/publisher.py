"""Publishing with confirms, on a connection of its own."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

from consumer.config import Amqp
from consumer.pipeline.publishing import PublishFailed, Refused, TooLarge
from consumer.rabbitmq.connection import initialize, reconnecting
from consumer.rabbitmq.topology import declare_publishing
from zeebe_amqp.amqp.alarm import Alarm
from zeebe_amqp.amqp.connection import CONFIRM_TIMEOUT, CONNECTION_ERRORS, RPC_TIMEOUT, describe, translated_errors
from zeebe_amqp.amqp.hot import HotChannel, Nacked, Returned
from zeebe_amqp.amqp.probe import PROBE, probe
from zeebe_amqp.amqp.properties import Properties
from zeebe_amqp.amqp.reconnecting import OnLost
from zeebe_amqp.amqp.refusal import PUBLISH, BrokerRefusal, max_message_size, refusal
from zeebe_amqp.amqp.tap import TappedConnection
from zeebe_amqp.cancellation import raise_if_cancelled

__all__ = ["Declare", "NotWritten", "Publisher", "Unroutable"]

log = logging.getLogger(__name__)

STUCK: Final = 5.0
"""Seconds after which a message counts as refused when the broker is sound, and has been for a while."""

LOOKS: Final = 5
"""How often what is not confirmed is looked at within that time."""


Declare: TypeAlias = Callable[[TappedConnection, Amqp], Awaitable[None]]
"""Declares, or with AMQP_DECLARE=passive checks, what a new connection publishes to."""


class NotWritten(PublishFailed):
    """Nothing was sent: the broker has not got the message."""


class Unroutable(Exception):
    """The broker returned the message: no queue is there for it."""


@dataclass(slots=True)
class _Unconfirmed:
    """A publish without an answer."""

    tag: int
    patient: bool
    looks: int = 0


class Publisher:
    """One connection and one channel with many confirms outstanding.

    Args:
        amqp: addresses, and whether queues are declared.
        confirm_timeout: seconds to wait for the broker's confirm while it takes messages.
        name: shown in the broker's list of connections.
        declare: is called with each new connection.
        exchange: one of those that it publishes to, where a probe leads nowhere; None = the default exchange.
    """

    def __init__(
        self,
        amqp: Amqp,
        confirm_timeout: float = CONFIRM_TIMEOUT,
        *,
        name: str = "zeebe-amqp publish",
        declare: Declare = declare_publishing,
        exchange: str | None = None,
    ) -> None:
        self._amqp = amqp
        self._exchange = exchange or ""
        self._declare = declare
        self._confirm_timeout = confirm_timeout
        self._stuck = min(STUCK, confirm_timeout)
        self._connection = reconnecting(amqp, name, self._on_opened)
        self._channel: HotChannel | None = None
        self._library: TappedConnection | None = None
        """The connection that is open; rare things are declared on it."""
        self._alarm = Alarm()
        self._on_lost: OnLost = lambda _: None
        self._open = asyncio.Event()
        self._unconfirmed: dict[asyncio.Future[None], _Unconfirmed] = {}
        self._sound = 0
        """The last tag that was published on the channel before the broker was found sound."""
        self._settled = self._recovered = self._found_sound = 0.0
        """By the loop's clock: when a new connection has lasted for a while, when a broker that could not write has had
        its time to recover, and when it was last found sound."""
        self._max_size: int | None = None
        """Bytes of a body that the broker takes, once a larger one has ended the channel; None = not known."""
        self._looking: asyncio.TimerHandle | None = None
        self._asking: asyncio.Task[bool] | None = None
        self._examining: asyncio.Task[None] | None = None

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

    async def _on_opened(self, connection: TappedConnection, on_lost: OnLost) -> None:
        begun = _now()
        try:
            await self._declare(connection, self._amqp)
        finally:
            if _now() - begun > self._stuck / LOOKS:
                self._doubt()
        channel = connection.channel(publisher_confirms=True)
        await initialize(channel)
        hot = await connection.hot(channel)
        async with asyncio.timeout(RPC_TIMEOUT):
            await probe(hot, connection.alarm, self._exchange)
        channel.close_callbacks.add(lambda _, error=None: self._on_closed(hot, on_lost, error))
        self._channel, self._alarm, self._on_lost = hot, connection.alarm, on_lost
        self._library = connection
        self._sound = 0
        self._settled = _now() + self._confirm_timeout
        self._open.set()

    def _on_closed(self, channel: HotChannel, on_lost: OnLost, error: BaseException | None) -> None:
        if self._channel is channel:
            self._channel = self._library = None
            self._open.clear()
            self._alarm.end()
            self._learn_size(error)
        refused = refusal(error, PUBLISH) if isinstance(error, Exception) else None
        on_lost(f"the publishing channel closed: {refused or error}")

    def _learn_size(self, error: BaseException | None) -> None:
        """A broker that comes back after anything else may have another limit."""
        self._max_size = max_message_size(error)
        if self._max_size is not None:
            fields = {"event": "broker.message_size", "limit": self._max_size}
            words = "the broker takes no message of more than %d bytes; a larger reply becomes an error"
            log.warning(words, self._max_size, extra=fields)

    async def declare(self, work: Callable[[TappedConnection], Awaitable[None]]) -> None:
        """Do something rare on the connection.

        Raises:
            PublishFailed: not connected.
        """
        if self._library is None:
            raise PublishFailed(self.problem or "not connected")
        await work(self._library)

    @property
    def is_ready(self) -> bool:
        """Whether something can be published now: connected, and not blocked by an alarm of the broker."""
        return self._channel is not None and not self._alarm.is_on

    async def ready(self) -> None:
        """Wait until something can be published."""
        while not self.is_ready:
            # When the connection is lost during an alarm, that ends with it.
            await self._alarm.wait_over()
            await self._open.wait()

    async def publish(
        self,
        body: bytes,
        properties: Properties,
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
            patient: whether to wait on while the queue alone is the reason.

        Raises:
            Unroutable: mandatory, and no queue is there.
            Refused: not confirmed, and the queue is the reason: it takes no more, or is stuck.
            TooLarge: the broker takes no body of this size.
            NotWritten: there is no connection.
            PublishFailed: not confirmed; the broker may or may not have taken it.
        """
        channel = self._channel
        if self._max_size is not None and len(body) > self._max_size:
            raise TooLarge(len(body), self._max_size)
        if channel is None:
            raise NotWritten("not connected")
        if not channel.is_writable:
            await channel.writable()  # or the connection ends: a peer that reads nothing is noticed
        try:
            confirm = channel.publish(exchange, routing_key, properties, body, mandatory=mandatory)
        except ConnectionError as error:
            raise NotWritten(str(error)) from error
        try:
            self._unconfirmed[confirm] = _Unconfirmed(channel.published, patient)
            try:
                await self._answer(confirm)
            finally:
                del self._unconfirmed[confirm]
        except ConnectionError as error:
            limit = max_message_size(error)
            if limit is not None and len(body) > limit:  # of all that are lost with the channel it is the culprit
                raise TooLarge(len(body), limit) from error
            raise PublishFailed(str(error)) from error
        except Returned as error:
            raise Unroutable(str(error)) from error
        except Nacked as error:
            if not patient and not await self._is_sound():
                raise PublishFailed("the broker sent a nack while it could not write, or soon after") from error
            raise Refused("it is full and takes no more, or has failed (the broker sent a nack)") from error

    def _answer(self, confirm: asyncio.Future[None]) -> asyncio.Future[None]:
        if self._looking is None:
            self._looking = asyncio.get_running_loop().call_later(self._stuck / LOOKS, self._look)
        return confirm

    def _look(self) -> None:
        """Give up what is late. An alarm does not count: what was written is taken after it."""
        self._looking = None
        if not self.blocked:
            for confirm, waiting in self._unconfirmed.items():
                waiting.looks += 1
                failure = self._failure(waiting)
                if failure is not None and not confirm.done():
                    confirm.set_exception(failure)
        if self._unconfirmed:
            self._looking = asyncio.get_running_loop().call_later(self._stuck / LOOKS, self._look)

    def _failure(self, waiting: _Unconfirmed) -> PublishFailed | None:
        """What it means that the broker has not answered for a message by now; None: wait on."""
        if not waiting.patient and waiting.looks > 1:
            self._begin_examining()
        if waiting.looks <= LOOKS:
            return None
        is_blamed = waiting.tag <= self._sound and _now() >= max(self._settled, self._recovered)
        if is_blamed and not waiting.patient:
            return Refused(f"nothing is confirmed for {self._stuck:g} s, while later messages are", stuck=True)
        if waiting.looks * self._stuck / LOOKS > self._confirm_timeout:
            return PublishFailed(f"nothing is confirmed for {self._confirm_timeout:g} s")
        return None

    async def _is_sound(self) -> bool:
        """Whether the broker is sound, and has been for a while; it is asked once for all, and not all the time."""
        if _now() >= self._found_sound + self._stuck / LOOKS:
            # Only waited for: whoever gives up must not take the answer from the others.
            await asyncio.wait({self._begin_examining()})
        return _now() >= self._recovered

    def _begin_examining(self) -> asyncio.Task[None]:
        if self._examining is None:
            self._examining = asyncio.get_running_loop().create_task(self._examine())
        return self._examining

    async def _examine(self) -> None:
        """Find out whether the broker is sound: then what is late is late because of its queue alone.

        A cluster that has lost most of its nodes takes messages and confirms those that lead nowhere, but no queue of
        several members takes one, and nothing can be declared. When the nodes are back, their queues need a while.
        """
        channel, connection = self._channel, self._library
        try:
            if channel is not None and connection is not None:
                before = channel.published
                is_sound = await self.answers() and await self._declares(connection)
                if channel is self._channel and is_sound:
                    self._sound, self._found_sound = before, _now()
                elif channel is self._channel:
                    self._doubt()
        finally:
            self._examining = None

    def _doubt(self) -> None:
        """Blame no queue for what a broker may do that starts, for as long as that may take."""
        self._recovered = _now() + self._confirm_timeout

    async def _declares(self, connection: TappedConnection) -> bool:
        """Whether the broker lets us declare again what is there."""
        try:
            with translated_errors():
                async with asyncio.timeout(self._stuck / LOOKS):
                    await self._declare(connection, self._amqp)
        except BrokerRefusal:  # that is an answer, and the next connection is told what is wrong
            return True
        except CONNECTION_ERRORS as error:
            raise_if_cancelled()
            fields = {"event": "broker.silent", "error": describe(error)}
            log.debug("the broker writes nothing: %s", describe(error), extra=fields)
            return False
        return True

    async def answers(self) -> bool:
        """Whether the broker takes messages, asked with one to nobody; who asks meanwhile gets the same answer.

        It tells a connection of an alarm only when that publishes. During one this waits.
        """
        asking = self._ask()
        # Only waited for: whoever gives up must not take the answer from the others.
        await asyncio.wait({asking})
        return asking.result()

    def _ask(self) -> asyncio.Task[bool]:
        if self._asking is None:
            self._asking = asyncio.get_running_loop().create_task(self._publish_probe())
        return self._asking

    async def _publish_probe(self) -> bool:
        try:
            await self.publish(b"", Properties(), exchange=self._exchange, routing_key=PROBE, mandatory=False)
        except PublishFailed as failure:
            fields = {"event": "broker.silent", "error": str(failure)}
            log.debug("the broker does not answer: %s", failure, extra=fields)
            return False
        finally:
            self._asking = None
        return True


def _now() -> float:
    return asyncio.get_running_loop().time()
