"""Messages of a queue over RabbitMQ, on a channel of their own."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Self, cast

from aio_pika.abc import AbstractChannel
from aiormq import Channel as RawChannel

from zeebe_amqp.amqp.connection import CONNECTION_ERRORS, RPC_TIMEOUT, translated_errors
from zeebe_amqp.amqp.hot import HotChannel, Incoming
from zeebe_amqp.amqp.properties import NO_HEADERS
from zeebe_amqp.amqp.refusal import CONSUME, refusals
from zeebe_amqp.amqp.tap import TappedConnection, unheard
from zeebe_amqp.cancellation import raise_if_cancelled
from zeebe_amqp.client.transport import Delivery

__all__ = ["AmqpSubscription"]


class AmqpSubscription:
    """A consumer of one queue; see `zeebe_amqp.client.transport.Subscription`. Made by `open`."""

    def __init__(self, channel: AbstractChannel) -> None:
        self._channel = channel
        self._arrived: deque[Incoming] = deque()
        self._changed = asyncio.Event()
        self._ended = False
        self._hot: HotChannel
        self._raw: RawChannel
        self._consumer = ""

    @classmethod
    async def open(cls, connection: TappedConnection, queue: str, prefetch: int) -> Self:
        """Consume a queue.

        Raises:
            BrokerRefusal: there is no such queue, or we may not read it.
            One of CONNECTION_ERRORS: the connection is in trouble.
        """
        subscription = cls(connection.channel(publisher_confirms=False))
        with translated_errors():
            async with asyncio.timeout(RPC_TIMEOUT):
                try:
                    await subscription._consume(connection, queue, prefetch)
                except BaseException:
                    await subscription.close()
                    raise
        return subscription

    async def _consume(self, connection: TappedConnection, queue: str, prefetch: int) -> None:
        await self._channel.initialize()
        await self._channel.set_qos(prefetch_count=prefetch)
        self._raw = cast("RawChannel", await self._channel.get_underlay_channel())
        self._hot = await connection.hot(self._channel, self._receive)
        self._channel.close_callbacks.add(lambda *_: self.stop())
        self._raw.on_consumer_cancel_callbacks.add(lambda _: self.stop())
        with refusals(CONSUME):
            self._consumer = str((await self._raw.basic_consume(queue, unheard)).consumer_tag)

    def _receive(self, incoming: Incoming) -> None:
        self._arrived.append(incoming)
        self._changed.set()

    async def take(self) -> Delivery | None:
        """The next message; see `Subscription.take`."""
        while not self._ended:
            if self._arrived:
                return _delivery(self._arrived.popleft())
            self._changed.clear()
            await self._changed.wait()
        return None

    def stop(self) -> None:
        """End `take`; see `Subscription.stop`."""
        self._ended = True
        self._changed.set()

    async def cancel(self) -> None:
        """Cancel the consumer; see `Subscription.cancel`."""
        self.stop()
        if self._hot.ended is None:
            try:
                with translated_errors():
                    async with asyncio.timeout(RPC_TIMEOUT):
                        await self._raw.basic_cancel(self._consumer)
            except CONNECTION_ERRORS:
                raise_if_cancelled()  # else it has ended without us
        while self._arrived:
            self._hot.nack(self._arrived.popleft().tag)

    async def close(self) -> None:
        """Close the channel; see `Subscription.close`."""
        self.stop()
        try:
            with translated_errors():
                async with asyncio.timeout(RPC_TIMEOUT):
                    await self._channel.close()
        except CONNECTION_ERRORS:
            raise_if_cancelled()

    def ack(self, delivery: Delivery) -> bool:
        """See `Subscription.ack`."""
        return self._hot.ack(delivery.tag)

    def nack(self, delivery: Delivery, *, requeue: bool) -> bool:
        """See `Subscription.nack`."""
        return self._hot.reject(delivery.tag) if requeue else self._hot.nack(delivery.tag, requeue=False)


def _delivery(incoming: Incoming) -> Delivery:
    found = incoming.properties
    return Delivery(
        body=incoming.body,
        headers=found.headers or NO_HEADERS,
        correlation_id=found.correlation_id,
        reply_to=found.reply_to,
        redelivered=incoming.redelivered,
        tag=incoming.tag,
    )
