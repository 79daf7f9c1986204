"""Callers that survive everything: what is not confirmed they send again, and no reply of theirs is overlooked."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from types import MappingProxyType
from typing import Any, Self

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage
from aio_pika.exceptions import AMQPError

from tests.faults.checker import History
from tests.integration.service import connected, create, delete
from zeebe_amqp import wire

CONNECTION_ERRORS = (AMQPError, OSError, TimeoutError, RuntimeError)
NUMBER = 4
"""Callers, each with connections and a reply queue of its own."""
SILENT = 10
"""One request in so many names no reply queue."""
CONFIRM = 10.0
"""Seconds that a caller waits for a confirm before it sends again."""


class Callers:
    """Several callers of one request queue, directly at the broker; use as an async context manager.

    `url` lists the addresses of the nodes, `replies` are the arguments of the reply queues. Requests name `process`, or
    without one each a process of its own, so that an answer tells whose it is.
    Replies go to durable queues and are acknowledged after they were written down; so are the queue's dead letters.
    Those of other queues are acknowledged, too: a broker may have had other requests before.
    """

    def __init__(
        self,
        url: str,
        queue: str,
        history: History,
        process: str | None = None,
        replies: Mapping[str, Any] = MappingProxyType({}),
    ) -> None:
        self._url = url
        self._queue = queue
        self._history = history
        self._process = process
        self._replies = dict(replies)
        self._sent = 0
        self.queues = [f"faults.replies.{uuid.uuid4().hex}" for _ in range(NUMBER)]
        self.of: dict[str, set[str]] = {queue: set() for queue in self.queues}
        """The identities of the requests by their reply queue, silent ones left out."""

    async def __aenter__(self) -> Self:
        async with self._channel() as channel:
            for queue in self.queues:
                await channel.declare_queue(queue, durable=True, arguments=self._replies)
        self._begin()
        return self

    def _begin(self) -> None:
        received = {**dict.fromkeys(self.queues, self._answered), wire.DEAD_LETTER: self._buried}
        self._tasks = [asyncio.create_task(self._receive(*each)) for each in received.items()]

    async def _end(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def reconnect(self) -> None:
        """Read the replies over new connections, as callers do that hear nothing: a broker may have stopped handing
        over what it has for them."""
        await self._end()
        self._begin()

    async def __aexit__(self, *_: object) -> None:
        await self._end()
        with suppress(*CONNECTION_ERRORS):
            await delete(self._url, tuple(self.queues))

    @asynccontextmanager
    async def _channel(self) -> AsyncIterator[AbstractChannel]:
        async with connected(self._url) as connection:
            yield await connection.channel(on_return_raises=True)

    async def send(self, number: int, pause: float = 0.0, padding: int = 0) -> None:
        """Send so many new requests, side by side; returns when the broker has confirmed all of them.

        Each caller waits `pause` seconds between two requests, which are `padding` bytes larger.
        """
        numbers = range(self._sent, self._sent + number)
        self._sent += number
        shares = [(list(numbers[part::NUMBER]), queue) for part, queue in enumerate(self.queues)]
        await asyncio.gather(*(self._call(*share, pause, padding) for share in shares))

    async def _call(self, share: list[int], reply_to: str, pause: float, padding: int) -> None:
        left = [(number, uuid.uuid4().hex) for number in reversed(share)]
        while left:
            with suppress(*CONNECTION_ERRORS):
                async with self._channel() as channel:
                    while left:
                        number, identity = left[-1]
                        await self._publish(channel, identity, None if number % SILENT == 0 else reply_to, padding)
                        left.pop()
                        await asyncio.sleep(pause)
            await asyncio.sleep(0.1)

    async def _publish(self, channel: AbstractChannel, identity: str, reply_to: str | None, padding: int) -> None:
        more = {"padding": "x" * padding} if padding else {}
        message = aio_pika.Message(
            create(self._process or identity, id=identity, **more),
            message_id=identity,
            correlation_id=identity,
            reply_to=reply_to,
            delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
        )
        if reply_to is not None:
            self.of[reply_to].add(identity)
        self._history.sent(identity, silent=reply_to is None, process=self._process)
        # Mandatory: a request to a queue that is gone is returned, not confirmed.
        await channel.default_exchange.publish(message, self._queue, mandatory=True, timeout=CONFIRM)
        self._history.confirmed(identity)

    async def _receive(self, queue: str, note: Callable[[AbstractIncomingMessage], Awaitable[None]]) -> None:
        while True:
            with suppress(*CONNECTION_ERRORS):
                async with self._channel() as channel:
                    lost = asyncio.Event()
                    channel.close_callbacks.add(lambda *_, lost=lost: lost.set())
                    raw: Any = await channel.get_underlay_channel()
                    raw.on_consumer_cancel_callbacks.add(lambda _, lost=lost: lost.set())  # its node is gone
                    async with asyncio.timeout(CONFIRM):  # a queue without a leader may never answer
                        await (await channel.get_queue(queue)).consume(note)
                    await lost.wait()
            await asyncio.sleep(0.1)

    async def _answered(self, message: AbstractIncomingMessage) -> None:
        self._history.answered(str(message.correlation_id), str(message.message_id), message.body)
        with suppress(*CONNECTION_ERRORS):
            await message.ack()

    async def _buried(self, message: AbstractIncomingMessage) -> None:
        if message.routing_key == self._queue:
            self._history.buried(str(message.correlation_id), str(message.headers.get(wire.ERROR_CODE)))
        with suppress(*CONNECTION_ERRORS):
            await message.ack()
