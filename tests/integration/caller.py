"""A caller as any service would be one: publishes requests, waits for replies on a queue of its own."""

from __future__ import annotations

import asyncio
import uuid
from typing import Any, Self

import aio_pika
import orjson
from aio_pika.abc import AbstractIncomingMessage

from zeebe_amqp.reply import Reply
from zeebe_amqp.wire import COMMANDS_QUEUE, POLLS_QUEUE


class Caller:
    """Use as an async context manager. `arrived` keeps every reply, in order; requests go to `commands` by default."""

    def __init__(self, url: str, commands: str = COMMANDS_QUEUE, polls: str = POLLS_QUEUE) -> None:
        self._url = url
        self.commands, self.polls = commands, polls
        self._waiting: dict[str, asyncio.Future[AbstractIncomingMessage]] = {}
        self.arrived: list[AbstractIncomingMessage] = []
        self.reply_to = f"test.replies.{uuid.uuid4().hex}"

    async def __aenter__(self) -> Self:
        self.connection = await aio_pika.connect(self._url)
        self.channel = await self.connection.channel(on_return_raises=True)
        queue = await self.channel.declare_queue(self.reply_to, durable=True, auto_delete=True)
        await queue.consume(self._receive, no_ack=True)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.connection.close()

    async def _receive(self, message: AbstractIncomingMessage) -> None:
        self.arrived.append(message)
        waiting = self._waiting.get(message.correlation_id or "")
        if waiting is not None and not waiting.done():
            waiting.set_result(message)

    async def publish(self, body: bytes, *, queue: str | None = None, **properties: Any) -> str:
        """Send a request with confirm; `reply_to=None` forgets. Returns its correlation id."""
        correlation = str(properties.pop("correlation_id", None) or uuid.uuid4())
        properties = {"content_type": "application/json", "reply_to": self.reply_to, **properties}
        message = aio_pika.Message(body, correlation_id=correlation, **properties)
        await self.channel.default_exchange.publish(message, queue or self.commands, timeout=30)
        return correlation

    def expect(self, correlation: str) -> asyncio.Future[AbstractIncomingMessage]:
        """The first reply with that correlation id; ask before the request is sent."""
        self._waiting[correlation] = asyncio.get_running_loop().create_future()
        return self._waiting[correlation]

    async def request(self, body: bytes, *, seconds: float = 60, **properties: Any) -> AbstractIncomingMessage:
        """Send a request and wait for the reply message."""
        correlation = str(properties.pop("correlation_id", None) or uuid.uuid4())
        waiting = self.expect(correlation)
        await self.publish(body, correlation_id=correlation, **properties)
        async with asyncio.timeout(seconds):
            return await waiting

    async def call(
        self, operation: str, data: Any = None, metadata: dict[str, str] | None = None, **properties: Any
    ) -> Reply:
        """Send an envelope and return the decoded reply."""
        body = orjson.dumps({"operation": operation, "data": data, "metadata": metadata or {}})
        return Reply.decode((await self.request(body, **properties)).body)

    async def result(self, operation: str, data: Any = None, **more: Any) -> Any:
        """The data of a call that must succeed."""
        reply = await self.call(operation, data, **more)
        assert reply.error is None, reply.error
        return reply.data

    async def get(self, queue: str, seconds: float = 30) -> AbstractIncomingMessage:
        """Take the next message of a queue."""
        source = await self.channel.get_queue(queue, ensure=False)
        async with asyncio.timeout(seconds):
            while True:
                if (message := await source.get(no_ack=True, fail=False)) is not None:
                    return message
                await asyncio.sleep(0.05)
