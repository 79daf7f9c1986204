"""Consuming requests and publishing answers, on two connections.

Two, because a memory or disk alarm stops the broker from reading a connection that publishes, and acks on it
would stall with it. aio-pika opens connections and channels and declares; the hot path (consume, publish,
ack) uses the AMQP channel beneath it, which costs a third less.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, TypeAlias, cast

from aio_pika.abc import AbstractConnection
from aiormq import Channel as RawChannel
from aiormq.abc import DeliveredMessage
from aiormq.exceptions import DeliveryError, PublishError
from pamqp.commands import Basic

from consumer.broker import properties
from consumer.broker.links import RPC_TIMEOUT, TROUBLE, Link, close, initialize
from consumer.broker.topology import declare
from consumer.config import Amqp
from consumer.delivery.lane import Delivery, PublishFailed
from consumer.types import Incoming, Reply
from zeebe_amqp import wire

__all__ = ["Broker", "queue_names"]

log = logging.getLogger(__name__)

PUBLISH_TIMEOUT = 30.0
"""Seconds to wait for the broker's confirm."""

Publishing: TypeAlias = Callable[[Incoming, Reply], AbstractContextManager[Mapping[str, str]]]
"""Opens the span of a reply's publish and gives the trace headers to send with it."""


class _Delivered:
    """A delivery on its channel."""

    def __init__(self, incoming: Incoming, channel: RawChannel, tag: int) -> None:
        self.incoming = incoming
        self._channel = channel
        self._tag = tag

    @property
    def alive(self) -> bool:
        return not self._channel.is_closed

    async def ack(self) -> bool:
        return await self._settle(lambda: self._channel.basic_ack(self._tag, wait=False))

    async def give_back(self) -> None:
        await self._settle(lambda: self._channel.basic_nack(self._tag, requeue=True, wait=False))

    async def _settle(self, call: Callable[[], Awaitable[None]]) -> bool:
        try:
            async with asyncio.timeout(RPC_TIMEOUT):
                await call()
        except TROUBLE as error:
            # The channel is gone: the broker delivers the message again.
            log.debug("could not settle: %s", error)
            return False
        return True


class Broker:
    """Consumes the request queues and publishes replies and dead letters.

    Args:
        amqp: addresses, queues, prefetch.
        max_depth: nesting of variables that is accepted, for decoding.
        accept: takes over each delivery, by the name of its queue; returns at once.
        publishing: opens the span of a publish.
    """

    def __init__(
        self,
        amqp: Amqp,
        *,
        max_depth: int,
        accept: Callable[[str, Delivery], None],
        publishing: Publishing = lambda _, __: nullcontext({}),
    ) -> None:
        properties.tolerate()
        self._amqp = amqp
        self._max_depth = max_depth
        self._accept = accept
        self._publishing = publishing
        self._consume = Link(amqp, "zeebe-amqp consume", self._start_consuming)
        self._publish = Link(amqp, "zeebe-amqp publish", self._start_publishing)
        self._consumers: dict[str, RawChannel] = {}
        self._outbox: RawChannel | None = None
        self._outbox_open = asyncio.Event()
        self._unblocked: Callable[[], Awaitable[None]] | None = None
        self._stopping = False
        self._links: list[asyncio.Task[None]] = []

    def problems(self) -> dict[str, str]:
        """What keeps it from working, by connection; empty when all is well."""
        links = {"broker.consume": self._consume, "broker.publish": self._publish}
        return {name: link.problem for name, link in links.items() if link.problem is not None}

    async def start(self) -> None:
        """Begin to connect; returns at once, connecting goes on for ever."""
        loop = asyncio.get_running_loop()
        self._links = [loop.create_task(link.run()) for link in (self._publish, self._consume)]

    async def _start_publishing(self, connection: AbstractConnection) -> None:
        channel = connection.channel(publisher_confirms=True, on_return_raises=True)
        await initialize(channel)
        channel.close_callbacks.add(lambda *_: self._outbox_lost(connection))
        self._outbox = cast("RawChannel", await channel.get_underlay_channel())
        self._unblocked = self._outbox.connection.ready
        self._outbox_open.set()

    def _outbox_lost(self, connection: AbstractConnection) -> None:
        self._outbox_open.clear()
        self._outbox = None
        if not self._stopping:
            asyncio.get_running_loop().create_task(close(connection))

    async def _start_consuming(self, connection: AbstractConnection) -> None:
        await declare(connection, self._amqp)
        self._consumers = {}
        for queue in self._amqp.queues:
            channel = connection.channel(publisher_confirms=False)
            await initialize(channel)
            await channel.set_qos(prefetch_count=self._amqp.prefetch, timeout=RPC_TIMEOUT)
            raw = cast("RawChannel", await channel.get_underlay_channel())
            # A channel or consumer that ends (queue deleted, channel error) is set up anew with its connection.
            channel.close_callbacks.add(lambda *_: self._consumer_lost(connection))
            raw.on_consumer_cancel_callbacks.add(lambda _: self._consumer_lost(connection))
            if not self._stopping:
                ok = await raw.basic_consume(queue, self._receiver(queue, raw), timeout=RPC_TIMEOUT)
                self._consumers[str(ok.consumer_tag)] = raw

    def _consumer_lost(self, connection: AbstractConnection) -> None:
        if not self._stopping:
            asyncio.get_running_loop().create_task(close(connection))

    def _receiver(self, queue: str, channel: RawChannel) -> Callable[[DeliveredMessage], Coroutine[Any, Any, None]]:
        async def receive(message: DeliveredMessage) -> None:
            incoming = properties.incoming(message, queue, self._max_depth)
            delivered = _Delivered(incoming, channel, int(message.delivery_tag or 0))
            incoming.alive = lambda: delivered.alive
            self._accept(queue, delivered)

        return receive

    async def ready(self) -> None:
        """Wait until something can be published: connected, and not blocked by an alarm of the broker."""
        await self._outbox_open.wait()
        if self._unblocked is not None:
            await self._unblocked()

    async def reply(self, incoming: Incoming, reply: Reply) -> None:
        """Publish a reply to the request's `reply_to`; see `consumer.delivery.lane.Outbox`."""
        assert incoming.reply_to is not None
        # Direct reply-to: the broker both delivers and returns a mandatory message on versions before 4.2.
        mandatory = not incoming.reply_to.startswith(wire.DIRECT_REPLY_TO + ".")
        with self._publishing(incoming, reply) as trace:
            headers = properties.reply_properties(incoming, reply, trace)
            try:
                await self._publish_confirmed("", incoming.reply_to, reply.encode(), headers, mandatory)
            except PublishError:
                log.warning("reply queue %r does not exist; the reply is dropped", incoming.reply_to)

    async def dead_letter(self, incoming: Incoming, reply: Reply) -> None:
        """Publish a request to the dead-letter exchange; see `consumer.delivery.lane.Outbox`."""
        headers = properties.dead_letter_properties(incoming, reply)
        try:
            await self._publish_confirmed(wire.DEAD_LETTER, incoming.queue, incoming.body, headers, mandatory=True)
        except PublishError as error:
            raise PublishFailed(f"no queue is bound to the exchange {wire.DEAD_LETTER!r}") from error

    async def _publish_confirmed(
        self, exchange: str, routing_key: str, body: bytes, headers: Basic.Properties, mandatory: bool
    ) -> None:
        outbox = self._outbox
        if outbox is None:
            raise PublishFailed("not connected")
        try:
            async with asyncio.timeout(PUBLISH_TIMEOUT):
                await outbox.basic_publish(
                    body,
                    exchange=exchange,
                    routing_key=routing_key,
                    properties=headers,
                    mandatory=mandatory,
                    wait=False,
                )
        except PublishError:  # returned as unroutable
            raise
        except DeliveryError as error:
            raise PublishFailed("the broker refused it (nack)") from error
        except TROUBLE as error:
            raise PublishFailed(f"{type(error).__name__}: {error}") from error

    async def stop_consuming(self) -> None:
        """Cancel the consumers; what was delivered stays ours."""
        self._stopping = True
        for tag, channel in self._consumers.items():
            try:
                await channel.basic_cancel(tag, timeout=RPC_TIMEOUT)
            except TROUBLE as error:
                log.debug("could not cancel a consumer: %s", error)
        # Deliveries that came before the cancel's answer are in callbacks that have not run yet.
        await asyncio.sleep(0)

    async def close(self) -> None:
        """Close both connections for good."""
        self._stopping = True
        for task in self._links:
            task.cancel()
        await asyncio.gather(*self._links, return_exceptions=True)


def queue_names(amqp: Amqp) -> Sequence[str]:
    """The queues that are ours: requests and dead letters."""
    return (*amqp.queues, wire.DEAD_LETTER)
