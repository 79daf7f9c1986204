"""Consuming queues: one connection, and on it a channel for each queue."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Any, NoReturn, TypeAlias, cast

from aiormq import Channel as RawChannel

from consumer.config import Amqp
from consumer.core.delivery import Delivery
from consumer.core.message import Message
from consumer.rabbitmq.connection import initialize, reconnecting
from consumer.rabbitmq.topology import declare_requests
from zeebe_amqp import wire
from zeebe_amqp.amqp.connection import CONNECTION_ERRORS, RPC_TIMEOUT, translated_errors
from zeebe_amqp.amqp.hot import HotChannel, Incoming
from zeebe_amqp.amqp.reconnecting import OnLost
from zeebe_amqp.amqp.tap import TappedConnection

__all__ = ["Consumer", "QueueDelivery", "Receive"]

log = logging.getLogger(__name__)

Receive: TypeAlias = Callable[[str, HotChannel, Incoming], None]
"""Takes what came from a queue, and the channel it came on; returns at once."""


class QueueDelivery(Delivery):
    """A delivery on its channel."""

    def __init__(self, message: Message, max_depth: int, channel: HotChannel, tag: int) -> None:
        super().__init__(message, max_depth)
        self._channel = channel
        self._tag = tag
        self._requeued = False

    @property
    def alive(self) -> bool:
        # What was given back is delivered again, as after a lost channel.
        return self._channel.ended is None and not self._requeued

    def channel(self) -> Callable[[], bool]:
        channel = self._channel
        return lambda: channel.ended is None

    def ack(self) -> bool:
        return self._channel.ack(self._tag)

    def requeue(self) -> None:
        self._requeued = True
        self._channel.nack(self._tag)


class Consumer:
    """Consumes some request queues on one connection.

    Args:
        amqp: addresses, prefetch.
        queues: which.
        name: shown in the broker's list of connections.
        receive: takes what comes.
    """

    def __init__(self, amqp: Amqp, queues: Sequence[str], name: str, receive: Receive) -> None:
        self._amqp = amqp
        self._queues = queues
        self._receive = receive
        self._connection = reconnecting(amqp, name, self._opened)
        self._channels: dict[str, RawChannel] = {}
        self._tags: dict[str, str] = {}
        """By queue, the consumer that is there now."""
        self._changing = asyncio.Lock()
        self._paused = False

    @property
    def problem(self) -> str | None:
        """Why nothing can be consumed; None when it can."""
        return self._connection.problem

    async def run(self) -> NoReturn:
        """Keep the connection open until cancelled."""
        await self._connection.run()

    async def _opened(self, connection: TappedConnection, on_lost: OnLost) -> None:
        await declare_requests(connection, self._amqp, self._queues)
        channels = {queue: await self._channel(connection, queue, on_lost) for queue in self._queues}
        async with self._changing:
            self._channels, self._tags = channels, {}
            await self._follow()

    async def _channel(self, connection: TappedConnection, queue: str, on_lost: OnLost) -> RawChannel:
        channel = connection.channel(publisher_confirms=False)
        await initialize(channel)
        await channel.set_qos(prefetch_count=self._amqp.held(queue), timeout=RPC_TIMEOUT)
        raw = cast("RawChannel", await channel.get_underlay_channel())
        # A channel or consumer that ends (queue deleted, channel error) is set up anew with its connection.
        channel.close_callbacks.add(_closed(queue, on_lost))
        raw.on_consumer_cancel_callbacks.add(_ended(queue, on_lost))
        hot = await connection.hot(
            channel, lambda incoming: self._receive(queue, hot, incoming), max_body=wire.MAX_BODY
        )
        return raw

    async def pause(self, paused: bool) -> None:
        """Cancel the consumers, or consume again; what was delivered stays ours."""
        self._paused = paused
        async with self._changing:
            try:
                with translated_errors():
                    await self._follow()
            except CONNECTION_ERRORS as error:
                # The connection is going; the next one starts as the pauses say.
                log.debug("could not change the consumers: %s", error)

    async def _follow(self) -> None:
        """Consume, or do not; to be called with the lock held."""
        before = len(self._tags)
        for queue, channel in self._channels.items():
            tag = self._tags.get(queue)
            if self._paused and tag is not None:
                del self._tags[queue]
                await channel.basic_cancel(tag, timeout=RPC_TIMEOUT)
            elif not self._paused and tag is None:
                ok = await channel.basic_consume(queue, _nothing, timeout=RPC_TIMEOUT)
                self._tags[queue] = str(ok.consumer_tag)
        if len(self._tags) > before:
            log.info("consuming %s", ", ".join(self._tags))


async def _nothing(_: Any) -> None:
    """What the library would call with a delivery; none gets there."""


def _closed(queue: str, on_lost: OnLost) -> Callable[..., None]:
    return lambda _, error=None: on_lost(f"the channel that consumes {queue!r} closed: {error}")


def _ended(queue: str, on_lost: OnLost) -> Callable[..., None]:
    return lambda _: on_lost(f"the broker ended the consumer of {queue!r} (was the queue deleted?)")
