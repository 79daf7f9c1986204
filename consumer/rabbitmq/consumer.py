"""Consuming queues: one connection, and on it a channel for each queue."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, NoReturn, TypeAlias, cast

from aio_pika.abc import AbstractConnection
from aiormq import Channel as RawChannel
from aiormq.exceptions import ConnectionInternalError

from consumer.config import Amqp
from consumer.core.delivery import Decoder, Delivery
from consumer.core.large import offload
from consumer.core.message import Message
from consumer.core.seal import digest_in, digest_of
from consumer.rabbitmq.connection import initialize, reconnecting
from consumer.rabbitmq.held import HeldBytes, Spilled
from consumer.rabbitmq.prefetch import Prefetch, Window
from consumer.rabbitmq.topology import declare_requests
from zeebe_amqp import wire
from zeebe_amqp.amqp.connection import CONNECTION_ERRORS, RPC_TIMEOUT, translated_errors
from zeebe_amqp.amqp.depth import QueueState, measure
from zeebe_amqp.amqp.hot import LARGE, HotChannel, Incoming
from zeebe_amqp.amqp.reconnecting import OnLost
from zeebe_amqp.amqp.refusal import CONSUME, refusals
from zeebe_amqp.amqp.tap import TappedConnection, unheard

__all__ = ["Consumer", "QueueDelivery", "Receive"]

log = logging.getLogger(__name__)

RESIZE_PAUSE: Final = 5.0
"""Seconds between two changes of a queue's prefetch, at least."""

STUCK_PAUSE: Final = 0.5
"""The same where what is small has taken all places of a consumer."""

CAREFUL_SECONDS: Final = 10.0
"""How long a connection must hold before it is believed that the broker can hand over what there is."""

MAX_HURRIES: Final = 100
"""After so many failures in a row the pauses grow as after every lost connection: enough for four such messages."""

Receive: TypeAlias = Callable[[str, HotChannel, Incoming, Window], None]
"""Takes what came from a queue, the channel it came on, and where it counts until it is done; returns at once."""


class QueueDelivery(Delivery):
    """A delivery on its channel."""

    def __init__(
        self,
        message: Message,
        max_depth: int,
        channel: HotChannel,
        incoming: Incoming,
        window: Window,
        held: HeldBytes,
        decoder: Decoder | None = None,
    ) -> None:
        super().__init__(message, max_depth, decoder)
        self._channel = channel
        self._tag = incoming.tag
        self._requeued = False
        self._window = window
        self._held = held
        self._elsewhere = cast("Spilled | None", incoming.elsewhere)
        self._holds = len(message.body)
        self._fetched = 0
        # As `HeldBytes.gather` counts it: of a dead letter that is sent again, who sends it.
        self._user = message.resent_by or message.user_id
        # Larger ones are counted from their first piece on.
        if self._holds <= LARGE:
            held.hold(self._holds)

    @property
    def alive(self) -> bool:
        # What was given back is delivered again, as after a lost channel.
        return self._channel.ended is None and not self._requeued

    def channel(self) -> Callable[[], bool]:
        channel = self._channel
        return lambda: channel.ended is None

    @property
    def large(self) -> bool:
        # What is larger than its sender may send stays where it is, unread.
        return super().large or (self._elsewhere is not None and self.message.size <= self.max_body)

    async def fetch(self) -> None:
        if self._elsewhere is not None:
            size = self.message.size
            self.message.body = await self._held.fetch(self._elsewhere, size, self._user)
            self._fetched = size
            self._drop()
        if self.message.resent_by is not None and not await offload(_is_as_signed, self.message):
            # Ours, but not what we sent: whoever it names did not send it.
            self.message.user_id, self.message.resent_by = self.message.resent_by, None

    def dismiss(self) -> None:
        super().dismiss()
        self._window.done(self.message.size)
        self._drop()
        if self._holds <= LARGE:
            self._held.release(self._holds)
        else:
            self._held.release_large(self._holds, self._user)
        if self._fetched:
            self._held.release_fetched(self._fetched, self._user)

    def _drop(self) -> None:
        if self._elsewhere is not None:
            self._elsewhere.drop()
            self._elsewhere = None

    def ack(self) -> bool:
        return self._channel.ack(self._tag)

    def requeue(self, *, failed: bool = False) -> None:
        self._requeued = True
        # Brokers before 4.3 count both.
        put_back = self._channel.reject if failed else self._channel.nack
        put_back(self._tag)


def _is_as_signed(message: Message) -> bool:
    return digest_in(message.headers.get(wire.SIGNATURE)) == digest_of(message.body)


class Consumer:
    """Consumes some request queues on one connection.

    Args:
        amqp: addresses, prefetch.
        queues: which.
        name: shown in the broker's list of connections.
        receive: takes what comes.
        held: what is in memory.
        connected: is given each new connection, to look through.
    """

    def __init__(
        self,
        amqp: Amqp,
        queues: Sequence[str],
        name: str,
        receive: Receive,
        held: HeldBytes,
        connected: Callable[[AbstractConnection], None] = lambda _: None,
    ) -> None:
        self._amqp = amqp
        self.queues = queues
        self._receive = receive
        self._held = held
        self._connected = connected
        self._connection = reconnecting(amqp, name, self._on_opened, lambda: 0 < self._failures <= MAX_HURRIES)
        self._failures = 0
        """How often the broker has failed to hand a message over; above 0, they are taken one at a time."""
        self._prefetch = {queue: Prefetch(amqp.held(queue), amqp.max_held_bytes) for queue in queues}
        self._resizing: dict[str, asyncio.Task[None]] = {}
        self._newest: TappedConnection | None = None
        self._channels: dict[str, RawChannel] = {}
        self._tags: dict[str, str] = {}
        """By queue, the consumer that is there now."""
        self._changing = asyncio.Lock()
        self._paused = False

    def prefetch(self, queue: str) -> int:
        """How many deliveries of a queue the broker has been told to let us hold."""
        return self._prefetch[queue].value

    @property
    def problem(self) -> str | None:
        """Why nothing can be consumed; None when it can."""
        return self._connection.problem

    async def run(self) -> NoReturn:
        """Keep the connection open until cancelled."""
        try:
            await self._connection.run()
        finally:
            for task in self._resizing.values():
                task.cancel()

    async def _on_opened(self, connection: TappedConnection, on_lost: OnLost) -> None:
        await declare_requests(connection, self._amqp, self.queues)
        connection.close_callbacks.add(self._on_closed)
        channels = {queue: await self._channel(connection, queue, on_lost) for queue in self.queues}
        self._newest = connection
        self._connected(connection)
        async with self._changing:
            for prefetch in self._prefetch.values():
                prefetch.restart()
            self._channels, self._tags = channels, {}
            await self._follow()
        if self._failures:
            asyncio.get_running_loop().call_later(CAREFUL_SECONDS, self._relax, connection)

    def _on_closed(self, _: object, error: BaseException | None = None) -> None:
        """Take one message at a time, if the broker has failed to hand one over: each try counts as a delivery of that
        one and of all that we hold. So it reaches its limit alone."""
        if not isinstance(error, ConnectionInternalError):
            return
        if not self._failures:
            fields = {"event": "consuming.careful", "queues": [*self.queues], "error": str(error)}
            words = "the broker failed, probably at a message in AMQP 1.0 that it cannot translate (%s): one at a time"
            log.warning(words, error, extra=fields)
        self._failures += 1
        for prefetch in self._prefetch.values():
            prefetch.is_careful = True
            prefetch.begin()

    def _relax(self, connection: TappedConnection) -> None:
        """Take as many as ever, unless the connection has ended meanwhile."""
        if connection is not self._newest or connection.is_closed:
            return
        self._failures = 0
        for queue, prefetch in self._prefetch.items():
            prefetch.is_careful = False
            self._resize_soon(queue)

    async def _channel(self, connection: TappedConnection, queue: str, on_lost: OnLost) -> RawChannel:
        channel = connection.channel(publisher_confirms=False)
        await initialize(channel)
        await channel.set_qos(prefetch_count=self._prefetch[queue].value, timeout=RPC_TIMEOUT)
        raw = cast("RawChannel", await channel.get_underlay_channel())
        # A channel or consumer that ends (queue deleted, channel error) is set up anew with its connection.
        channel.close_callbacks.add(_on_channel_closed(queue, on_lost))
        raw.on_consumer_cancel_callbacks.add(_on_consumer_cancelled(queue, on_lost))
        hot = await connection.hot(
            channel,
            lambda incoming: self._take(queue, hot, incoming),
            max_body=wire.MAX_BODY,
            gather=self._held.gather,
        )
        return raw

    def _take(self, queue: str, channel: HotChannel, incoming: Incoming) -> None:
        prefetch = self._prefetch[queue]
        if prefetch.note(incoming.size):
            self._resize_soon(queue)
        self._receive(queue, channel, incoming, prefetch.window)

    def _resize_soon(self, queue: str) -> None:
        if queue not in self._resizing:
            self._resizing[queue] = asyncio.get_running_loop().create_task(self._resize(queue))

    async def _resize(self, queue: str) -> None:
        """Let another consumer take over: the broker is told a prefetch for those that start after it."""
        prefetch = self._prefetch[queue]
        try:
            while prefetch.is_due:  # also what became due meanwhile: a consumer whose places are taken hears nothing
                before, pause = prefetch.value, STUCK_PAUSE if prefetch.is_stuck else RESIZE_PAUSE
                async with self._changing:
                    prefetch.begin()
                    await self._change(lambda: self._renew(queue, prefetch.value))
                if prefetch.value != before:
                    fields = {"event": "prefetch.changed", "queue": queue, "prefetch": prefetch.value, "before": before}
                    words = "queue %r: %d requests at a time, not %d"
                    log.info(words, queue, prefetch.value, before, extra=fields)
                await asyncio.sleep(pause)
        finally:
            del self._resizing[queue]

    async def _renew(self, queue: str, prefetch: int) -> None:
        channel, tag = self._channels[queue], self._tags.pop(queue, None)
        if tag is not None:
            await channel.basic_cancel(tag, timeout=RPC_TIMEOUT)
        await channel.basic_qos(prefetch_count=prefetch, timeout=RPC_TIMEOUT)
        await self._follow()

    async def pause(self, paused: bool) -> None:
        """Cancel the consumers, or consume again; what was delivered stays ours."""
        self._paused = paused
        async with self._changing:
            await self._change(self._follow)

    async def backlog(self) -> dict[str, int]:
        """Requests that wait in its queues, without those that could not be counted."""
        states = {queue: await self.measure(queue) for queue in self.queues}
        return {queue: state.waiting for queue, state in states.items() if state is not None}

    async def measure(self, queue: str) -> QueueState | None:
        """The state of a queue, one of its own or another one; None when the broker does not say."""
        return None if self._newest is None else await measure(self._newest, queue)

    async def _change(self, change: Callable[[], Awaitable[None]]) -> None:
        """Change the consumers; to be called with the lock held."""
        try:
            with translated_errors():
                await change()
        except CONNECTION_ERRORS as error:
            # The connection is going; the next one starts as it should be by then.
            fields = {"event": "consuming.unchanged", "error": str(error)}
            log.debug("could not change the consumers: %s", error, extra=fields)

    async def _follow(self) -> None:
        """Consume, or do not; to be called with the lock held."""
        before = len(self._tags)
        for queue, channel in self._channels.items():
            tag = self._tags.get(queue)
            if self._paused and tag is not None:
                del self._tags[queue]
                await channel.basic_cancel(tag, timeout=RPC_TIMEOUT)
            elif not self._paused and tag is None:
                with refusals(CONSUME):
                    ok = await channel.basic_consume(queue, unheard, timeout=RPC_TIMEOUT)
                self._tags[queue] = str(ok.consumer_tag)
        if len(self._tags) > before:
            fields = {"event": "consuming.started", "queues": [*self._tags]}
            log.info("consuming %s", ", ".join(self._tags), extra=fields)


def _on_channel_closed(queue: str, on_lost: OnLost) -> Callable[..., None]:
    return lambda _, error=None: on_lost(f"the channel that consumes {queue!r} closed: {error}")


def _on_consumer_cancelled(queue: str, on_lost: OnLost) -> Callable[..., None]:
    return lambda _: on_lost(f"the broker ended the consumer of {queue!r} (was the queue deleted?)")
