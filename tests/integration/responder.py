"""Answers requests as a test says: in the place of the service, where its replies are to be strange, late or absent."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Sequence
from typing import Any, Self

import aio_pika
from aio_pika.abc import AbstractIncomingMessage

from tests.fakes.transport import TOPOLOGY, result

FINE = result("topology", TOPOLOGY)
"""The body of a good reply to a topology request."""


class Responder:
    """A queue of its own; `requests` keeps what came. Use as an async context manager.

    `answers` are the bodies that each request gets at once; with none, a test answers by `reply`.
    """

    def __init__(self, url: str, *answers: bytes, arguments: dict[str, Any] | None = None) -> None:
        self._url = url
        self.answers: Sequence[bytes] = answers
        self._arguments = arguments
        self.queue = f"test.{uuid.uuid4().hex}"
        self.requests: list[AbstractIncomingMessage] = []
        self._more = asyncio.Condition()

    async def __aenter__(self) -> Self:
        self._connection = await aio_pika.connect(self._url)
        self.channel = await self._connection.channel()
        queue = await self.channel.declare_queue(self.queue, durable=True, auto_delete=True, arguments=self._arguments)
        await queue.consume(self._receive, no_ack=True)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._connection.close()

    async def _receive(self, message: AbstractIncomingMessage) -> None:
        async with self._more:
            self.requests.append(message)
            self._more.notify_all()
        for body in self.answers:
            await self.reply(message, body)

    async def arrived(self, count: int) -> list[AbstractIncomingMessage]:
        """The requests, once there are so many."""
        async with asyncio.timeout(60), self._more:
            await self._more.wait_for(lambda: len(self.requests) >= count)
        return self.requests

    async def reply(self, request: AbstractIncomingMessage, body: bytes, **properties: Any) -> None:
        """Send a reply to who asked, with its correlation id unless told otherwise."""
        properties = {"correlation_id": request.correlation_id, **properties}
        await self.publish(str(request.reply_to), body, **properties)

    async def publish(self, queue: str, body: bytes, **properties: Any) -> None:
        """Put a message into a queue."""
        await self.channel.default_exchange.publish(aio_pika.Message(body, **properties), queue, mandatory=False)
