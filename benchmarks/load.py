"""Load: requests published through a real broker, replies awaited, latencies kept; bare aiormq, as it costs little."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any

import aiormq
import uvloop
from aiormq.abc import AbstractChannel, DeliveredMessage
from pamqp.commands import Basic

from zeebe_amqp import wire

ENVELOPE = b'{"operation":"create-instance","data":{"bpmnProcessId":"order","variables":{"id":7}}}'


def run(program: Coroutine[Any, Any, None]) -> None:
    """Run a program on the event loop that the service uses."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(program)


async def declare(channel: AbstractChannel, queue: str) -> None:
    """Declare a request queue as the service does."""
    await channel.queue_declare(queue, durable=True, arguments=wire.queue_arguments(queue))


@dataclass(frozen=True)
class Measured:
    """What a load saw: commands per second; latencies in seconds."""

    rate: float
    p50: float
    p99: float


class Load:
    """Requests to one queue and their replies on a queue of its own; use as an async context manager."""

    def __init__(self, url: str, queue: str) -> None:
        self._url = url
        self._queue = queue
        self._waiting: dict[str, asyncio.Future[None]] = {}
        self._reply_to = f"bench.replies.{uuid.uuid4().hex}"

    async def __aenter__(self) -> Load:
        self._connection = await aiormq.connect(self._url)
        self._channel = await self._connection.channel(publisher_confirms=False)
        await self._channel.queue_declare(self._reply_to, exclusive=True)
        await self._channel.basic_consume(self._reply_to, self._receive, no_ack=True)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._connection.close()

    async def _receive(self, message: DeliveredMessage) -> None:
        self._waiting.pop(str(message.header.properties.correlation_id)).set_result(None)

    async def _once(self) -> float:
        name = uuid.uuid4().hex
        answered = self._waiting[name] = asyncio.get_running_loop().create_future()
        properties = Basic.Properties(
            content_type="application/json", correlation_id=name, message_id=name, reply_to=self._reply_to
        )
        started = time.perf_counter()
        await self._channel.basic_publish(ENVELOPE, routing_key=self._queue, properties=properties, wait=False)
        await answered
        return time.perf_counter() - started

    async def run(self, count: int, in_flight: int) -> Measured:
        """Send `count` requests, `in_flight` at a time, and wait for every answer (a minute for all of them)."""
        latencies: list[float] = []

        async def worker(share: int) -> None:
            for _ in range(share):
                latencies.append(await self._once())

        started = time.perf_counter()
        async with asyncio.timeout(60 + count / 50):
            await asyncio.gather(*(worker(count // in_flight) for _ in range(in_flight)))
        took = time.perf_counter() - started
        latencies.sort()
        return Measured(len(latencies) / took, latencies[len(latencies) // 2], latencies[int(len(latencies) * 0.99)])
