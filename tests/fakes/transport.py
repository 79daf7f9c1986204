"""A transport in memory: a test says what each request gets."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any

import orjson

from zeebe_amqp import envelope
from zeebe_amqp.amqp.properties import Properties
from zeebe_amqp.client import NotConnected, Outgoing, Peer, QueueState, Subscription, Unroutable
from zeebe_amqp.commands import Command

TOPOLOGY: dict[str, Any] = {"brokers": [], **dict.fromkeys(("clusterSize", "partitionsCount", "replicationFactor"), 1)}
TOPOLOGY |= {"gatewayVersion": "8.6.0", "clusterId": None}


def result(operation: str, data: Any = None) -> bytes:
    """The body of a reply with a result."""
    return orjson.dumps({"operation": operation, "data": data})


def error(code: str, **facts: Any) -> bytes:
    """The body of an error reply."""
    facts = {"message": "no", "source": "gateway", "outcome": "not-executed", "retryable": False, **facts}
    return orjson.dumps({"operation": "topology", "error": {"code": code, **facts}})


class MemoryTransport:
    """Answers each request with the next of `answers`, then with what `always` returns; None is no answer.

    `failures` are raised by the next publishes. `published` keeps every request. `state` is what looks at queues find.
    """

    def __init__(self, *answers: bytes | None, always: Callable[[Command], bytes | None] = lambda _: None) -> None:
        self.answers = deque(answers)
        self.always = always
        self.failures: deque[Exception] = deque()
        self.published: list[Outgoing] = []
        self.online = True
        self.closed = False
        self.state: QueueState | None = None
        self.looked: list[str] = []

    async def open(self, peer: Peer) -> None:
        """Begin."""
        self.peer = peer
        self.closed = False

    async def close(self) -> None:
        """End."""
        self.closed = True

    async def look(self, queue: str) -> QueueState | None:
        """Tell `state`."""
        self.looked.append(queue)
        return self.state

    async def publish(self, request: Outgoing) -> None:
        """Take a request, and answer soon."""
        await asyncio.sleep(0)
        if not self.online:
            raise NotConnected
        self.published.append(request)
        if self.failures:
            raise self.failures.popleft()
        answer = self.answers.popleft() if self.answers else self.always(command(request))
        if answer is not None and request.replied:
            asyncio.get_running_loop().call_soon(self.peer.on_received, request.correlation_id, answer)

    async def subscribe(self, queue: str, prefetch: int) -> Subscription:
        """There are no queues of jobs."""
        raise Unroutable(queue)

    async def publish_answer(self, queue: str, body: bytes, properties: Properties) -> None:
        """Nor queues of answers."""
        raise Unroutable(queue)

    def restore(self) -> None:
        """The connection is there again."""
        self.online = True
        self.peer.on_connected()

    async def arrived(self, count: int) -> None:
        """Wait until so many requests have been published."""
        while len(self.published) < count:  # noqa: ASYNC110 - what is waited for is a few steps of the event loop
            await asyncio.sleep(0.001)


def command(request: Outgoing) -> Command:
    """The command in a request, read as the service reads it."""
    return envelope.decode(request.body, type=request.type, content_type=request.content_type).command
