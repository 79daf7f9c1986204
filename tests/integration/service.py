"""A consumer between a real broker and a gateway that counts, for tests of delivery."""

from __future__ import annotations

import asyncio
import os
import random
import re
import uuid
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import aio_pika
import orjson
from aio_pika.abc import AbstractConnection, AbstractIncomingMessage
from yarl import URL

from scripts.consumer import Consumer
from tests.fakes.gateway import FakeGateway, stream
from tests.integration.caller import Caller
from zeebe_amqp import Client, wire
from zeebe_amqp.amqp.connection import close, first_answer, translated_errors

MEASURED = {"COVERAGE_PROCESS_CONFIG": os.environ.get("COVERAGE_PROCESS_CONFIG", "")}
"""For a consumer whose lines are counted. Most are not: counting takes time, and a few run all lines."""
TIMEOUT = 120.0
"""Seconds that a test waits for what must happen."""
CONNECT = 5.0
"""Seconds for which a node may keep a caller waiting for a connection."""
CONNECTIONS = 3
"""To the broker: for publishing, for requests, and for long-running ones."""


def create(name: str = "order", **variables: Any) -> bytes:
    """The envelope of a create-instance; the gateway counts executions by the variables."""
    return orjson.dumps({"operation": "create-instance", "data": {"bpmnProcessId": name, "variables": variables}})


class DeadLetterCollector:
    """Collects copies of one consumer's dead letters in `messages`; the dead-letter queue itself keeps its own."""

    def __init__(self, url: str, queues: tuple[str, ...]) -> None:
        self._url = url
        self._queues = queues
        self.messages: list[AbstractIncomingMessage] = []
        self._more = asyncio.Condition()

    async def __aenter__(self) -> Self:
        self._connection = await aio_pika.connect(self._url)
        channel = await self._connection.channel()
        exchange = await channel.declare_exchange(wire.DEAD_LETTER, aio_pika.ExchangeType.FANOUT, durable=True)
        queue = await channel.declare_queue(exclusive=True)
        await queue.bind(exchange)
        await queue.consume(self._receive, no_ack=True)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def stop(self) -> None:
        """Collect no more; what is dead has then only the dead-letter queue to go to."""
        await self._connection.close()

    async def _receive(self, message: AbstractIncomingMessage) -> None:
        if message.routing_key in self._queues:
            async with self._more:
                self.messages.append(message)
                self._more.notify_all()

    async def with_body(self, body: bytes) -> AbstractIncomingMessage:
        """The first dead letter with that body, as soon as it is there."""
        async with asyncio.timeout(TIMEOUT), self._more:
            await self._more.wait_for(lambda: any(message.body == body for message in self.messages))
        return next(message for message in self.messages if message.body == body)


@dataclass
class ConsumerSetup:
    """The address of a broker, a gateway without an engine, and the consumer between them."""

    url: str
    gateway: FakeGateway
    consumer: Consumer
    dead_letters: DeadLetterCollector
    directory: Path
    others: list[Consumer] = field(default_factory=list)

    def caller(self) -> Caller:
        """A new caller; use as an async context manager."""
        return Caller(self.url, *self.consumer.queues)

    def client(self, **options: Any) -> Client:
        """A client of it; use as an async context manager."""
        commands, polls = self.consumer.queues
        return Client(self.url, **{"commands": commands, "polls": polls, **options})

    async def another(self, **environment: str) -> Consumer:
        """A further consumer of the same queues, ready; it ends with this one."""
        settings = {"AMQP_QUEUES": ",".join(self.consumer.queues), **environment}
        consumer = new_consumer(self.directory / uuid.uuid4().hex, self.url, self.gateway.address, settings)
        self.others.append(consumer)
        await asyncio.to_thread(consumer.start)
        return consumer

    def log(self) -> str:
        """Everything the consumer has logged."""
        return self.consumer.log.read_text(errors="replace")

    def metric(self, name: str, **labels: str) -> float:
        """What the consumer's metrics say."""
        found = metric(self.consumer, name, **labels)
        assert found, f"no metric {name} with {labels} in\n{self.consumer.get('/metrics')[1]}"
        return found[0]

    def connections(self) -> int:
        """How many connections to the broker the consumer has opened so far: `CONNECTIONS`, unless one was lost."""
        return self.log().count("connected to")


def metric(consumer: Consumer, name: str, **labels: str) -> list[float]:
    """What a consumer's metrics say, one value for each line with that name and those labels."""
    wanted = [f'{label}="{value}"' for label, value in labels.items()]
    return [
        float(re.split(r"\s", line)[-1])
        for line in consumer.get("/metrics")[1].splitlines()
        if re.match(rf"zeebe_amqp_{name}[{{ ]", line) and all(label in line for label in wanted)
    ]


def new_consumer(directory: Path, url: str, address: str, environment: Mapping[str, str]) -> Consumer:
    """A consumer that has not been started, with queues of its own unless told otherwise.

    Its lines are counted only with MEASURED.
    """
    name = f"test.{uuid.uuid4().hex}"
    directory.mkdir(parents=True, exist_ok=True)
    settings = {"AMQP_QUEUES": f"{name}.commands,{name}.polls", **environment}
    return Consumer(directory, url, address, settings)


@asynccontextmanager
async def running_service(
    directory: Path, url: str, *, gateway_version: str = "8.6.0", has_jobs: bool = True, **environment: str
) -> AsyncIterator[ConsumerSetup]:
    """A ready consumer, with everything around it; its queues are deleted at the end.

    Args:
        directory: of what the consumer writes.
        url: of the broker.
        gateway_version: what the gateway says.
        has_jobs: whether the gateway gives jobs to whoever asks; otherwise it has none.
        environment: settings.
    """
    async with FakeGateway(version=gateway_version) as gateway:
        if not has_jobs:
            gateway.always("ActivateJobs", stream())
            gateway.always("StreamActivatedJobs", stream(open_for=TIMEOUT))
        consumer = new_consumer(directory, url, gateway.address, environment)
        async with DeadLetterCollector(url, consumer.queues) as dead_letters:
            service = ConsumerSetup(url, gateway, consumer, dead_letters, directory)
            try:
                await asyncio.to_thread(consumer.start)
                yield service
            finally:
                for running in (consumer, *service.others):
                    if running.process is not None and running.process.running:
                        await asyncio.to_thread(running.process.stop)
        await delete(url, consumer.queues)


@contextmanager
def running_consumer(
    directory: Path, url: str, address: str, environment: Mapping[str, str] | None = None
) -> Iterator[Consumer]:
    """A ready consumer of any gateway, with queues of its own, which are deleted at the end."""
    with new_consumer(directory, url, address, environment or {}) as running:
        yield running
    asyncio.run(delete(url, running.queues))


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[AbstractConnection]:
    """A connection to a node that answers, of those that `url` lists; a dead one is noticed, and does not hold its end.

    Raises:
        Unreachable: none does.
    """
    nodes = url.split(",")
    connection = await first_answer(random.sample(nodes, len(nodes)), _connect)
    try:
        with translated_errors():
            yield connection
    finally:
        await close(connection)


async def _connect(url: str) -> AbstractConnection:
    return await aio_pika.connect(URL(url) % {"heartbeat": "10"}, timeout=CONNECT)


async def delete(url: str, queues: tuple[str, ...]) -> None:
    """Delete queues, with what is in them."""
    async with connected(url) as connection:
        channel = await connection.channel()
        for queue in queues:
            await channel.queue_delete(queue)


async def eventually(true: Any, what: str, pause: float = 0.05) -> None:
    """Wait until `true()` is so, looking every `pause` seconds; `what` says what was waited for."""
    try:
        async with asyncio.timeout(TIMEOUT):
            while not true():  # noqa: ASYNC110 - what is waited for happens in another program
                await asyncio.sleep(pause)
    except TimeoutError:
        raise AssertionError(f"not within {TIMEOUT:g} s: {what}") from None
