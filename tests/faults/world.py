"""What a fault happens to: a broker, a gateway that counts, proxies before both, a consumer between them, callers."""

from __future__ import annotations

import asyncio
import inspect
import uuid
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

import aio_pika
from aio_pika.abc import AbstractChannel

from scripts import guard
from scripts.consumer import Consumer
from scripts.process import memory_of
from scripts.rabbitmq import RabbitMQ
from tests.faults.callers import CONFIRM, CONNECTION_ERRORS, Callers
from tests.faults.gateways import ClusterGateway, EngineGateway, InsideGateway, ProgramGateway
from tests.faults.history import History
from tests.faults.proxy import Proxy
from tests.integration.service import TIMEOUT, UNMEASURED, delete, metric, new_consumer

CONCURRENCY = 32
AnyGateway: TypeAlias = InsideGateway | ProgramGateway | ClusterGateway | EngineGateway
Kind: TypeAlias = type[InsideGateway] | type[ProgramGateway] | type[ClusterGateway] | type[EngineGateway]
IMPATIENT = 90.0
"""Seconds without any new answer after which what is still open counts as unanswered."""


@dataclass
class World:
    """Everything of one run."""

    broker: RabbitMQ
    gateway: AnyGateway
    to_broker: Proxy
    to_gateway: Proxy
    consumer: Consumer
    directory: Path
    environment: Mapping[str, str]
    history: History
    callers: Callers
    lasting: float
    """Seconds of what is told as minutes."""
    more: list[Consumer] = field(default_factory=list)

    @property
    def inside(self) -> InsideGateway:
        """The gateway, where it is one that can be scripted."""
        assert isinstance(self.gateway, InsideGateway)
        return self.gateway

    @property
    def mortal(self) -> ProgramGateway | ClusterGateway:
        """The gateway, where it is one that can be killed."""
        assert isinstance(self.gateway, ProgramGateway | ClusterGateway)
        return self.gateway

    async def another(self) -> Consumer:
        """A further consumer of the same queues with the same settings, ready; it ends with the world."""
        consumer = self._consumer(self.directory / uuid.uuid4().hex)
        self.more.append(consumer)
        await asyncio.to_thread(consumer.start)
        return consumer

    def _consumer(self, directory: Path) -> Consumer:
        url = f"amqp://guest:guest@{self.to_broker.address}"
        settings = {**self.environment, "AMQP_QUEUES": ",".join(self.consumer.queues)}
        return new_consumer(directory, url, self.to_gateway.address, settings)

    def memory(self) -> int:
        """Bytes that the consumer has in memory."""
        assert self.consumer.process is not None
        return memory_of(guard.children(self.consumer.process.pid)[0])

    async def peak(self, seconds: float) -> int:
        """The most that it has in memory during the next seconds."""
        loop, most = asyncio.get_running_loop(), 0
        end = loop.time() + seconds
        while loop.time() < end:
            most = max(most, self.memory())
            await asyncio.sleep(0.2)
        return most

    def grows_at_most(self, bound: int, before: int, peak: int) -> None:
        """Raise AssertionError when the memory has grown by more than `bound` bytes from `before` to `peak`."""
        grown = peak - before
        assert grown <= bound, f"memory: grew by {grown >> 20} MiB; accepted: {bound >> 20} MiB"

    def files(self) -> set[Path]:
        """Where the consumer keeps its state; the files of the ledger left out, which come and go."""
        return {path for path in (self.consumer.directory / "state").rglob("*") if "ledger" not in path.name}

    def redelivered(self) -> float:
        """Requests that came to the consumer again."""
        return sum(metric(self.consumer, "redelivered_total"))

    async def reconnected(self, strike: Callable[[], object], number: int, seconds: float = TIMEOUT) -> None:
        """Strike, and wait until the consumer has made that many new connections to the broker."""
        before = self.to_broker.made
        striking = strike()
        if inspect.isawaitable(striking):
            await striking
        try:
            async with asyncio.timeout(seconds):
                while self.to_broker.made < before + number:  # noqa: ASYNC110 - another program's
                    await asyncio.sleep(0.05)
        except TimeoutError:
            made = self.to_broker.made - before
            raise AssertionError(f"not within {seconds:g} s: {number} new connections; found: {made}") from None

    async def calm(self, excused: Collection[str] = ()) -> None:
        """Wait until nothing is open, or nothing has happened for IMPATIENT seconds."""
        loop = asyncio.get_running_loop()
        last, moved = -1, loop.time()
        while (left := len(self.history.open(self.gateway.counted(), excused))) and loop.time() - moved < IMPATIENT:
            if left != last:
                last, moved = left, loop.time()
            await asyncio.sleep(0.1)
        await self._emptied()

    async def _emptied(self) -> None:
        """Wait until the request queue has nothing left to deliver: a redelivery may still run something twice."""
        async with await aio_pika.connect(self.broker.url) as connection:
            channel = await connection.channel()
            for _ in range(100):
                found = await channel.declare_queue(self.consumer.queues[0], passive=True)
                if not found.declaration_result.message_count:
                    return
                await asyncio.sleep(0.1)

    async def end(self) -> None:
        """Stop the consumers, politely: nothing more is answered."""
        for consumer in (self.consumer, *self.more):
            if consumer.process is not None and consumer.process.running:
                await asyncio.to_thread(consumer.stop)

    async def kept(self) -> set[str]:
        """Identities of what is still in the request queues; takes them out."""
        found: set[str] = set()
        for queue in self.consumer.queues:
            found |= await self._kept(queue)
        return found

    async def _kept(self, queue: str) -> set[str]:
        async with asyncio.timeout(TIMEOUT):
            while True:
                # A queue may still be electing its leader after a crash of the broker.
                with suppress(*CONNECTION_ERRORS):
                    async with await aio_pika.connect(self.broker.url, timeout=CONFIRM) as connection:
                        return await _drained(await connection.channel(), queue)
                await asyncio.sleep(0.5)


async def _drained(channel: AbstractChannel, name: str) -> set[str]:
    found: set[str] = set()
    queue = await channel.declare_queue(name, passive=True)
    # Only what is there is asked for: a get from an empty queue may wait for a leader.
    for _ in range(queue.declaration_result.message_count or 0):
        if (message := await queue.get(no_ack=True, fail=False)) is not None:
            found.add(str(message.message_id))
    return found


@asynccontextmanager
async def built(
    directory: Path,
    broker: RabbitMQ,
    environment: Mapping[str, str],
    kind: Kind = InsideGateway,
    lasting: float = 0.0,
) -> AsyncIterator[World]:
    """A world with a ready consumer; everything but the broker ends with it.

    Args:
        directory: for logs and state; exists.
        broker: is running, and is again when the world ends.
        environment: settings of the consumer.
        kind: of gateway.
        lasting: seconds of what is told as minutes.
    """
    gateway = kind.new(directory)
    # Calls are held for as long as a fault lasts.
    settings = {"CONCURRENCY": str(CONCURRENCY), "ZEEBE_REQUEST_TIMEOUT": "60s", **UNMEASURED, **environment}
    async with AsyncExitStack() as stack:
        await gateway.start()
        stack.push_async_callback(gateway.stop)
        to_gateway = await stack.enter_async_context(Proxy(gateway.port))
        to_broker = await stack.enter_async_context(Proxy(broker.port))
        url = f"amqp://guest:guest@{to_broker.address}"
        consumer = new_consumer(directory / "consumer", url, to_gateway.address, settings)
        stack.push_async_callback(delete, broker.url, consumer.queues)
        history = History()
        callers = await stack.enter_async_context(Callers(broker.url, consumer.queues[0], history, gateway.process))
        world = World(
            broker, gateway, to_broker, to_gateway, consumer, directory, settings, history, callers, lasting
        )  # fmt: skip
        stack.push_async_callback(world.end)
        await asyncio.to_thread(consumer.start)
        yield world
