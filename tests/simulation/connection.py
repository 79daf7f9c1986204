"""A connection to the broker, in the shape that the service sees of its library's: the service's own code uses it.

What the service reconnects, declares, consumes, publishes and acknowledges with is real; frames are not written.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, Self

from tests.simulation.broker import Broker, Stored, Subscription, redelivered
from tests.simulation.history import History
from tests.simulation.loop import Process, VirtualLoop
from tests.simulation.network import Delays, Direction
from zeebe_amqp.amqp.alarm import Alarm
from zeebe_amqp.amqp.hot import ChannelEnded, Nacked
from zeebe_amqp.amqp.properties import Properties

LOST = "the connection was lost"


class Arrived:
    """See `zeebe_amqp.amqp.hot.Incoming`."""

    __slots__ = ("body", "elsewhere", "properties", "redelivered", "size", "tag")

    def __init__(self, tag: int, message: Stored) -> None:
        self.tag, self.redelivered = tag, redelivered(message)
        self.properties, self.body, self.size = message.properties, message.body, len(message.body)
        self.elsewhere = None


class Callbacks(dict[Callable[..., object], None]):
    """Called in the order in which they came: a set's is another one each time."""

    def add(self, callback: Callable[..., object]) -> None:
        self[callback] = None


class Channel:
    """A channel: see `aio_pika`'s, `aiormq`'s, and `zeebe_amqp.amqp.hot.HotChannel`, of all of which it has a part."""

    is_writable = True

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._subscription: Subscription | None = None
        self._prefetch = 1
        self._unconfirmed: dict[int, asyncio.Future[None]] = {}
        self.deliver: Callable[[Any], None] = lambda _: None
        self.close_callbacks = Callbacks()
        self.on_consumer_cancel_callbacks = Callbacks()
        self.published = 0
        self.ended: ChannelEnded | None = None

    # --- rare things ------------------------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        await self.initialize()
        return self

    async def __aexit__(self, *_: object) -> None:
        """It is closed, which nobody waits for."""

    async def initialize(self) -> None:
        await self._connection.ask()

    async def get_underlay_channel(self) -> Self:
        return self

    async def set_qos(self, *, prefetch_count: int, **_: object) -> None:
        self._prefetch = prefetch_count

    async def declare_queue(self, *_: object, **__: object) -> Any:
        return SimpleNamespace(bind=self.declare_exchange)

    async def declare_exchange(self, *_: object, **__: object) -> None:
        """It is there already."""

    async def basic_consume(self, *_: object, **__: object) -> Any:
        await self._connection.ask()
        if self._subscription is None:
            self._subscription = self._connection.subscription(self, self._prefetch)
        self._connection.up.send(self._consume, self._subscription, True)
        return SimpleNamespace(consumer_tag="consumer")

    async def basic_cancel(self, *_: object, **__: object) -> None:
        await self._connection.ask()
        if self._subscription is not None:
            self._connection.up.send(self._consume, self._subscription, False)

    def _consume(self, subscription: Subscription, consuming: bool) -> None:
        subscription.consuming = consuming
        self._connection.broker.distribute()

    # --- frames -----------------------------------------------------------------------------------------------------

    def receive(self, tag: int, message: Stored) -> None:
        """A delivery arrived; called in the process."""
        if self.ended is None:
            self._connection.note("takes", message.send)
            self.deliver(Arrived(tag, message))

    def ack(self, tag: int) -> bool:
        return self._settle(self._connection.broker.ack, tag)

    def nack(self, tag: int) -> bool:
        return self._settle(self._connection.broker.nack, tag)

    reject = nack
    """The limit of deliveries is not simulated."""

    def _settle(self, settle: Callable[[Subscription, int], None], tag: int) -> bool:
        if self.ended is not None or not self._connection.process.alive:
            return False
        self._connection.up.send(self._settled, settle, self._subscription, tag)
        return True

    def _settled(self, settle: Callable[[Subscription, int], None], subscription: Subscription, tag: int) -> None:
        settle(subscription, tag)

    def publish(
        self, exchange: str, routing_key: str, properties: Properties, body: bytes, *, mandatory: bool = False
    ) -> asyncio.Future[None]:
        if self.ended is not None:
            raise self.ended.again()
        self.published += 1
        confirm: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._unconfirmed[self.published] = confirm
        self._connection.up.send(self._publish, self.published, (exchange, routing_key, properties, body))
        return confirm

    def _publish(self, tag: int, message: tuple[str, str, Properties, bytes]) -> None:
        taken = self._connection.broker.publish(*message)
        self._connection.down.send(self._confirm, tag, taken)

    def _confirm(self, tag: int, taken: bool) -> None:
        confirm = self._unconfirmed.pop(tag)
        if confirm.done():
            return
        if taken:
            confirm.set_result(None)
        else:
            confirm.set_exception(Nacked("the broker sent a nack"))

    def end(self) -> None:
        """The connection is gone; called in the process."""
        self.ended = ChannelEnded(LOST)
        for confirm in self._unconfirmed.values():
            if not confirm.done():
                confirm.set_exception(self.ended.again())
                confirm.exception()
        for callback in list(self.close_callbacks):
            callback(self, self.ended)


class Connection:
    """See `zeebe_amqp.amqp.tap.TappedConnection`."""

    url = "amqp://broker"
    transport = SimpleNamespace(
        connection=SimpleNamespace(server_properties={"product": "RabbitMQ", "version": "4.3.6"})
    )

    def __init__(
        self, loop: VirtualLoop, delays: Delays, broker: Broker, history: History, process: Process, name: str
    ) -> None:
        self._loop = loop
        self._history = history
        self.broker, self.process, self.name = broker, process, name
        self.up, self.down = Direction(loop, delays), Direction(loop, delays)
        self.alarm = Alarm()
        self.close_callbacks = Callbacks()
        self._channels: list[Channel] = []
        self._asked: dict[asyncio.Future[None], None] = {}
        self._subscriptions: list[Subscription] = []
        self.is_open = True

    def note(self, what: str, *about: object) -> None:
        """For the history."""
        self._history.note(self.process.name, what, *about)

    def channel(self, **_: object) -> Channel:
        made = Channel(self)
        self._channels.append(made)
        return made

    async def hot(self, channel: Channel, deliver: Callable[[Any], None] = lambda _: None, **_: object) -> Channel:
        channel.deliver = deliver
        return channel

    async def ask(self) -> None:
        """A question and its answer.

        Raises:
            ConnectionError: the connection is gone.
        """
        if not self.is_open:
            raise ConnectionError(LOST)
        answer: asyncio.Future[None] = self._loop.create_future()
        self._asked[answer] = None
        try:
            self.up.send(self.down.send, self._answered, answer)
            await answer
        finally:
            del self._asked[answer]

    def _answered(self, answer: asyncio.Future[None]) -> None:
        if not answer.done():
            answer.set_result(None)

    def subscription(self, channel: Channel, prefetch: int) -> Subscription:
        """That of a channel: tags count by channel, however often it begins to consume."""

        def deliver(tag: int, message: Stored) -> None:
            self.down.send(self._in_process, channel.receive, tag, message)

        made = Subscription(deliver, prefetch)
        self._subscriptions.append(made)
        self.up.send(self.broker.subscriptions.append, made)
        return made

    def _in_process(self, function: Callable[..., object], *args: object) -> None:
        self._loop.call_soon(function, *args, context=self.process.context)

    def cut(self, seen_here: float, seen_by_broker: float) -> None:
        """Lose it: each side notices after so many seconds."""
        self.up.cut()
        self.down.cut()
        self._loop.outside(seen_by_broker, self.forget)
        self._loop.outside(seen_here, self._in_process, self._end)

    def forget(self) -> None:
        """The broker notices that the connection is gone."""
        for each in self._subscriptions:
            self.broker.drop(each)

    def _end(self) -> None:
        if not self.is_open:
            return
        self.is_open = False
        self.note("lost", self.name)
        for answer in list(self._asked):
            if not answer.done():
                answer.set_exception(ConnectionError(LOST))
        for channel in self._channels:
            channel.end()
        for callback in list(self.close_callbacks):
            callback(self, ConnectionError(LOST))

    @property
    def is_closed(self) -> bool:
        """Whether it has ended."""
        return not self.is_open

    async def close(self) -> None:
        """Close it in order: what was written still arrives."""
        if self.is_open:
            self.is_open = False
            self.down.cut()
            self.up.send(self.forget)
            for channel in self._channels:
                channel.end()
