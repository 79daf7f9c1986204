"""What a fault happens to: a broker, a gateway that counts, proxies before both, a consumer between them, callers."""

from __future__ import annotations

import asyncio
import inspect
import sys
import uuid
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scripts import guard
from scripts.consumer import Consumer
from scripts.rabbitmq import RabbitMQ
from scripts.rabbitmq_cluster import RabbitMQCluster
from tests.faults.callers import CONNECTION_ERRORS, Callers
from tests.faults.checker import History, Verdict, judge
from tests.faults.gateways import InsideGateway
from tests.faults.proxy import Proxy
from tests.integration.broker_control import write_declarations
from tests.integration.caller import Caller
from tests.integration.service import TIMEOUT, connected, delete, new_consumer
from zeebe_amqp.errors import Code

CONCURRENCY = 32
QUORUM = {"x-queue-type": "quorum"}
"""Reply queues in a cluster: a classic one lives and dies with one node."""
IMPATIENT = 90.0
"""Seconds without any new answer after which what is still open counts as unanswered."""


@dataclass
class Setup:
    """Everything of one run."""

    broker: RabbitMQ | RabbitMQCluster
    gateway: Any
    """Of the kind that the fault needs; see `gateways`."""
    to_broker: Any
    """The proxy; None before a cluster, whose nodes the consumer reaches directly."""
    to_gateway: Proxy
    directory: Path
    environment: Mapping[str, str]
    history: History = field(default_factory=History)
    lasting: float = 0.0
    """Seconds of what is told as minutes."""
    ledger: Any = None
    """The server of its ledger; None when that is a file, or in memory."""

    def __post_init__(self) -> None:
        self.consumer = self._consumer("consumer")
        self.consumers = [self.consumer]
        queue = self.consumer.queues[0]
        replies = {} if self.to_broker else QUORUM
        self.callers = Callers(self.broker.url, queue, self.history, self.gateway.process, replies)

    def _consumer(self, name: str, **settings: str) -> Consumer:
        url = f"amqp://guest:guest@{self.to_broker.address}" if self.to_broker else self.broker.url
        return new_consumer(self.directory / name, url, self.to_gateway.address, {**self.environment, **settings})

    async def another(self) -> None:
        """A further consumer of the same queues with the same settings, ready; it ends with the rest."""
        consumer = self._consumer(uuid.uuid4().hex, AMQP_QUEUES=",".join(self.consumer.queues))
        self.consumers.append(consumer)
        await asyncio.to_thread(consumer.start)

    def caller(self) -> Caller:
        """A caller beside those that are counted; use as an async context manager."""
        return Caller(self.broker.url, *self.consumer.queues)

    @property
    def pid(self) -> int:
        """The process of the consumer."""
        return process_of(self.consumer)

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

    async def _calm(self, excused: Collection[str]) -> None:
        """Wait until nothing is open, or nothing has happened for IMPATIENT seconds."""
        loop = asyncio.get_running_loop()
        last, moved, again = -1, loop.time(), False
        while (left := len(self.history.open(self.gateway.counted(), excused))) and loop.time() - moved < IMPATIENT:
            if left != last:
                last, moved = left, loop.time()
            elif not again and loop.time() - moved > IMPATIENT / 2:
                again = True
                print(f"{left} requests are open: the callers connect again", file=sys.stderr, flush=True)
                await self.callers.reconnect()
            await asyncio.sleep(0.1)
        # Nothing is left to deliver either: a redelivery may still run something twice.
        async with connected(self.broker.url) as connection:
            channel = await connection.channel()
            for _ in range(100):
                found = await channel.declare_queue(self.consumer.queues[0], passive=True)
                if not found.declaration_result.message_count:
                    return
                await asyncio.sleep(0.1)

    async def end(self) -> None:
        """Stop the consumers, politely: nothing more is answered."""
        for consumer in self.consumers:
            if consumer.process is not None and consumer.process.running:
                await asyncio.to_thread(consumer.stop)

    async def verdict(self, excused: Collection[str] = (), accepts: Collection[Code] = ()) -> Verdict:
        """What came of it, when nothing happens any more and the consumers have stopped."""
        await self._calm(excused)
        await self.end()
        kept = [identity for queue in self.consumer.queues for identity in await self._kept(queue)]
        return judge(self.history, self.gateway.counted(), kept=kept, excused=excused, accepts=accepts)

    async def _kept(self, name: str) -> set[str]:
        """Identities of what is still in a request queue; takes them out."""
        async with asyncio.timeout(TIMEOUT):
            while True:
                # A queue may still be electing its leader after a crash of the broker.
                with suppress(*CONNECTION_ERRORS):
                    async with connected(self.broker.url) as connection:
                        queue = await (await connection.channel()).declare_queue(name, passive=True)
                        # Only what is there is asked for: a get from an empty queue may wait for a leader.
                        number = queue.declaration_result.message_count or 0
                        found = [await queue.get(no_ack=True, fail=False) for _ in range(number)]
                        return {str(message.message_id) for message in found if message is not None}
                await asyncio.sleep(0.5)


def process_of(consumer: Consumer) -> int:
    """The process of a consumer that runs."""
    assert consumer.process is not None
    return guard.children(consumer.process.pid)[0]


@asynccontextmanager
async def built(
    directory: Path,
    broker: RabbitMQ | RabbitMQCluster,
    environment: Mapping[str, str],
    kind: Callable[[Path], Any] = InsideGateway,
    lasting: float = 0.0,
) -> AsyncIterator[Setup]:
    """A ready consumer with settings from the `environment`, and everything around it; all but the broker ends."""
    gateway = kind(directory)
    # Calls are held for as long as a fault lasts.
    settings = {"CONCURRENCY": str(CONCURRENCY), "ZEEBE_REQUEST_TIMEOUT": "60s", **environment}
    async with AsyncExitStack() as stack:
        await gateway.start()
        stack.push_async_callback(gateway.stop)
        to_gateway = await stack.enter_async_context(Proxy(gateway.port))
        to_broker = await stack.enter_async_context(Proxy(broker.port)) if isinstance(broker, RabbitMQ) else None
        setup = Setup(broker, gateway, to_broker, to_gateway, directory, settings, lasting=lasting)
        stack.push_async_callback(delete, broker.url, setup.consumer.queues)
        await stack.enter_async_context(setup.callers)
        stack.push_async_callback(setup.end)
        await asyncio.to_thread(setup.consumer.start)
        for node in broker.nodes:
            await asyncio.to_thread(write_declarations, node)
        yield setup
