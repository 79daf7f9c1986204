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

from consumer.config import Amqp
from consumer.core.delivery import Delivery, Reply
from consumer.core.message import Message
from consumer.pipeline.worker import Count, PublishFailed
from consumer.rabbitmq import properties
from consumer.rabbitmq.connection import initialize, reconnecting
from consumer.rabbitmq.publisher import Publisher, Unroutable
from consumer.rabbitmq.topology import declare_requests
from zeebe_amqp import wire
from zeebe_amqp.amqp.connection import CONNECTION_ERRORS, RPC_TIMEOUT, logins, translated_errors
from zeebe_amqp.amqp.reconnecting import OnLost
from zeebe_amqp.amqp.tolerance import tolerate

__all__ = ["Broker", "queue_names"]

log = logging.getLogger(__name__)

STOPPING = "stopping"
"""The pause that nothing ends."""

Publishing: TypeAlias = Callable[[Delivery, Reply], AbstractContextManager[Mapping[str, str]]]
"""Opens the span of a reply's publish and gives the trace headers to send with it."""


class _QueueDelivery(Delivery):
    """A delivery on its channel."""

    def __init__(self, message: Message, max_depth: int, channel: RawChannel, tag: int) -> None:
        super().__init__(message, max_depth)
        self._channel = channel
        self._tag = tag
        self._requeued = False

    @property
    def alive(self) -> bool:
        # What was given back is delivered again, as after a lost channel.
        return not self._requeued and not self._channel.is_closed

    def channel(self) -> Callable[[], bool]:
        channel = self._channel
        return lambda: not channel.is_closed

    async def ack(self) -> bool:
        return await self._settle(lambda: self._channel.basic_ack(self._tag, wait=False))

    async def requeue(self) -> None:
        self._requeued = True
        await self._settle(lambda: self._channel.basic_nack(self._tag, requeue=True, wait=False))

    async def _settle(self, call: Callable[[], Awaitable[None]]) -> bool:
        try:
            with translated_errors():
                if self._channel.write_queue.full():
                    async with asyncio.timeout(RPC_TIMEOUT):
                        await call()
                else:  # writing does not wait, and a timeout costs more than the rest of it
                    await call()
        except CONNECTION_ERRORS as error:
            # The channel is gone: the broker delivers the message again.
            log.debug("could not settle: %s", error)
            return False
        return True


class Broker:
    """Consumes the request queues and publishes replies and dead letters.

    Args:
        amqp: addresses, queues, prefetch.
        max_depth: nesting of variables that is accepted, for decoding.
        accept: takes over each delivery; returns at once.
        publishing: opens the span of a publish.
        count: counts replies that could not be delivered.
        connected: is given each new connection that consumes, to look through.
    """

    def __init__(
        self,
        amqp: Amqp,
        *,
        max_depth: int,
        accept: Callable[[Delivery], None],
        publishing: Publishing = lambda _, __: nullcontext({}),
        count: Count = lambda _, **__: None,
        connected: Callable[[AbstractConnection], None] = lambda _: None,
    ) -> None:
        tolerate()
        self._amqp = amqp
        self._max_depth = max_depth
        self._logins = logins(amqp.urls)
        self._accept = accept
        self._publishing = publishing
        self._count = count
        self._connected = connected
        self._consuming = reconnecting(amqp, "zeebe-amqp consume", self._start_consuming)
        self._publisher = Publisher(amqp)
        self._channels: dict[str, RawChannel] = {}
        self._consumers: dict[str, str] = {}
        self._changing = asyncio.Lock()
        self._pauses: set[str] = set()
        self._connections: list[asyncio.Task[None]] = []

    def problems(self) -> dict[str, str]:
        """What keeps it from working, by connection; empty when all is well."""
        all = {"broker.consume": self._consuming.problem, "broker.publish": self._publisher.problem}
        return {name: problem for name, problem in all.items() if problem is not None}

    async def start(self) -> None:
        """Begin to connect; returns at once, connecting goes on for ever."""
        loop = asyncio.get_running_loop()
        self._connections = [loop.create_task(each.run()) for each in (self._publisher, self._consuming)]

    async def _start_consuming(self, connection: AbstractConnection, on_lost: OnLost) -> None:
        await declare_requests(connection, self._amqp)
        channels = {queue: await self._channel(connection, queue, on_lost) for queue in self._amqp.queues}
        self._connected(connection)
        async with self._changing:
            self._channels, self._consumers = channels, {}
            await self._follow()

    async def _channel(self, connection: AbstractConnection, queue: str, on_lost: OnLost) -> RawChannel:
        channel = connection.channel(publisher_confirms=False)
        await initialize(channel)
        await channel.set_qos(prefetch_count=self._amqp.held(queue), timeout=RPC_TIMEOUT)
        raw = cast("RawChannel", await channel.get_underlay_channel())
        # A channel or consumer that ends (queue deleted, channel error) is set up anew with its connection.
        channel.close_callbacks.add(_closed(queue, on_lost))
        raw.on_consumer_cancel_callbacks.add(_ended(queue, on_lost))
        return raw

    async def _follow(self) -> None:
        """Consume, or do not, as the pauses say; to be called with the lock held."""
        before = len(self._consumers)
        await self._set_consumers()
        if len(self._consumers) > before:
            log.info("consuming %s", ", ".join(self._consumers))

    async def _set_consumers(self) -> None:
        for queue, channel in self._channels.items():
            consumer = self._consumers.get(queue)
            if self._pauses and consumer is not None:
                del self._consumers[queue]
                await channel.basic_cancel(consumer, timeout=RPC_TIMEOUT)
            elif not self._pauses and consumer is None:
                ok = await channel.basic_consume(queue, self._receiver(queue, channel), timeout=RPC_TIMEOUT)
                self._consumers[queue] = str(ok.consumer_tag)

    def _receiver(self, queue: str, channel: RawChannel) -> Callable[[DeliveredMessage], Coroutine[Any, Any, None]]:
        async def receive(message: DeliveredMessage) -> None:
            arrived = properties.message(message, queue, self._logins)
            self._accept(_QueueDelivery(arrived, self._max_depth, channel, int(message.delivery_tag or 0)))

        return receive

    async def ready(self) -> None:
        """Wait until something can be published: connected, and not blocked by an alarm of the broker."""
        await self._publisher.ready()

    async def reply(self, delivery: Delivery, reply: Reply) -> None:
        """Publish a reply to the request's `reply_to`; see `consumer.pipeline.worker.ReplyPublisher`."""
        try:
            await self._reply(delivery, reply)
        except Unroutable:
            self._count("reply.failures", reason="unroutable")
            log.warning("reply queue %.80r does not exist; the reply is dropped", delivery.message.reply_to)

    async def _reply(self, delivery: Delivery, reply: Reply) -> None:
        message = delivery.message
        assert message.reply_to is not None
        with self._publishing(delivery, reply) as trace:
            await self._publisher.publish(
                reply.encode(),
                properties.reply_properties(message, reply, trace),
                exchange="",
                routing_key=message.reply_to,
                # Direct reply-to: the broker both delivers and returns a mandatory message on versions before 4.2.
                mandatory=not message.reply_to.startswith(wire.DIRECT_REPLY_TO + "."),
                patient=False,
            )

    async def dead_letter(self, message: Message, reply: Reply) -> None:
        """Publish a request to the dead-letter exchange; see `consumer.pipeline.worker.ReplyPublisher`."""
        try:
            await self._publisher.publish(
                message.kept_body,
                properties.dead_letter_properties(message, reply),
                exchange=wire.DEAD_LETTER,
                routing_key=message.queue,
                mandatory=True,
            )
        except Unroutable as error:
            # Its queue was deleted while we were connected; connecting declares it again.
            self._publisher.renew(f"no queue is bound to the exchange {wire.DEAD_LETTER!r}")
            raise PublishFailed(f"no queue is bound to the exchange {wire.DEAD_LETTER!r}") from error

    async def pause(self, reason: str) -> None:
        """Cancel the consumers until the same `reason` is resumed; what was delivered stays ours."""
        self._pauses.add(reason)
        await self._change()

    async def resume(self, reason: str) -> None:
        """Consume again, unless there is another reason not to."""
        self._pauses.discard(reason)
        await self._change()

    async def _change(self) -> None:
        async with self._changing:
            try:
                with translated_errors():
                    await self._follow()
            except CONNECTION_ERRORS as error:
                # The connection is going; the next one starts as the pauses say.
                log.debug("could not change the consumers: %s", error)

    async def stop_consuming(self) -> None:
        """Pause for good."""
        await self.pause(STOPPING)
        # Deliveries that came before the cancel's answer are in callbacks that have not run yet.
        await asyncio.sleep(0)

    async def close(self) -> None:
        """Close both connections for good."""
        self._pauses.add(STOPPING)
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)


def _closed(queue: str, on_lost: OnLost) -> Callable[..., None]:
    return lambda _, error=None: on_lost(f"the channel that consumes {queue!r} closed: {error}")


def _ended(queue: str, on_lost: OnLost) -> Callable[..., None]:
    return lambda _: on_lost(f"the broker ended the consumer of {queue!r} (was the queue deleted?)")


def queue_names(amqp: Amqp) -> Sequence[str]:
    """The queues that are ours: requests and dead letters."""
    return (*amqp.queues, wire.DEAD_LETTER)
