"""What a fault of jobs happens to: a broker, an engine of jobs, proxies, consumers, workers."""

from __future__ import annotations

import asyncio
import re
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aio_pika

from scripts.consumer import Consumer
from scripts.rabbitmq import RabbitMQ
from tests.faults.jobs.checker import Activated, JobHistory, JobVerdict, judge
from tests.faults.jobs.gateway import WITH_STREAMS, JobGateway
from tests.faults.jobs.workers import PREFETCH, Manner, Plan, Worker, ending, plainly, usual
from tests.faults.proxy import Proxy
from tests.integration.broker_control import write_declarations
from tests.integration.service import TIMEOUT, delete, new_consumer
from zeebe_amqp import wire
from zeebe_amqp.jobs import names

WORKERS = 4
"""Of which the first one is the one that is struck."""
IMPATIENT = 60.0
"""Seconds without the end of any job after which what is left counts as stuck."""
PUBLISHED = re.compile(rb"([0-9]{16,19})-([0-9]{13})(?![0-9])")
"""The id of a job's message on the wire: its key and its deadline."""


@dataclass(frozen=True)
class Conditions:
    """What a row needs: how long jobs are locked and how many wait, which gateway, how workers work, which settings."""

    timeout: int = 5
    """Seconds."""
    limit: int = 100
    version: str = WITH_STREAMS
    plan: Plan = usual
    manner: Manner = plainly
    prefetch: int = PREFETCH
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass
class JobSetup:
    """Everything of one run."""

    broker: RabbitMQ
    directory: Path
    conditions: Conditions
    gateway: JobGateway
    to_broker: Proxy
    to_gateway: Proxy
    to_worker: Proxy
    """Between the broker and the first worker."""
    workers: list[Worker] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.engine = self.gateway.engine
        self.history = JobHistory(self.engine.clock)
        self.queue = names.job_queue(self.engine.type)
        self.consumer = self._consumer("consumer")
        self.consumers = [self.consumer]
        self.to_broker.watching = self._watch

    def _consumer(self, name: str, **settings: str) -> Consumer:
        file = self.directory / "jobs.toml"
        conditions = self.conditions
        file.write_text(f'[jobs."{self.engine.type}"]\ntimeout = "{conditions.timeout}s"\nlimit = {conditions.limit}\n')
        given = {"JOBS_FILE": str(file), "CONCURRENCY": "32", "ZEEBE_REQUEST_TIMEOUT": "60s", **conditions.environment}
        url = f"amqp://guest:guest@{self.to_broker.address}"
        return new_consumer(self.directory / name, url, self.to_gateway.address, {**given, **settings})

    def _watch(self, data: bytes) -> None:
        """Note the jobs whose messages leave the service; an id that two chunks share is noted when it arrives."""
        for found in PUBLISHED.finditer(data):
            self.history.published(Activated(int(found[1]), int(found[2])))

    async def another(self) -> None:
        """A further consumer of the same jobs with the same settings, ready; it ends with the rest."""
        consumer = self._consumer(uuid.uuid4().hex, AMQP_QUEUES=",".join(self.consumer.queues))
        self.consumers.append(consumer)
        await asyncio.to_thread(consumer.start)

    async def end(self) -> None:
        """Stop the consumers, politely."""
        for consumer in self.consumers:
            if consumer.process is not None and consumer.process.running:
                await asyncio.to_thread(consumer.stop)

    async def create(self, count: int, pause: float = 0.0) -> None:
        """New jobs, ten at a time and so many seconds between them."""
        for left in range(count, 0, -10):
            self.engine.create(min(10, left))
            await asyncio.sleep(pause)

    async def calm(self, left: int = 0) -> None:
        """Wait until no more jobs than that are left, or none has ended for IMPATIENT seconds."""
        loop = asyncio.get_running_loop()
        last, moved = -1, loop.time()
        while self.engine.left > left and loop.time() - moved < IMPATIENT:
            if self.engine.left != last:
                last, moved = self.engine.left, loop.time()
            await asyncio.sleep(0.05)

    async def verdict(self) -> JobVerdict:
        """What came of it, when nothing happens any more and the consumers have stopped."""
        await self.calm()
        await self._drained()
        await self.end()
        self.history.dead = await self._dead()
        expected = ending(self.conditions.plan)
        return judge(self.history, self.engine.jobs.values(), len(self.engine.refused), expected)

    async def _drained(self) -> None:
        """Wait until nothing is left in the queues of answers and of undone jobs: it may still change something."""
        async with await aio_pika.connect(self.broker.url) as connection:
            channel = await connection.channel()
            for _ in range(100):
                found = [await channel.declare_queue(queue, passive=True) for queue in (names.RESULTS, names.UNDONE)]
                if not any(each.declaration_result.message_count for each in found):
                    return
                await asyncio.sleep(0.1)

    async def _dead(self) -> list[str]:
        """Take the dead letters of the queues of jobs; those of others are acknowledged, too."""
        found = []
        async with asyncio.timeout(TIMEOUT), await aio_pika.connect(self.broker.url) as connection:
            channel = await connection.channel()
            queue = await channel.declare_queue(wire.DEAD_LETTER, passive=True)
            for _ in range(queue.declaration_result.message_count or 0):
                message = await queue.get(no_ack=True, fail=False)
                if message is not None and str(message.routing_key).startswith(names.PREFIX):
                    found.append(f"{message.routing_key}: {message.headers.get(wire.ERROR_CODE)!s}")
        return found


@asynccontextmanager
async def built(directory: Path, broker: RabbitMQ, conditions: Conditions) -> AsyncIterator[JobSetup]:
    """A ready consumer, workers, and everything around them; all but the broker ends."""
    gateway = JobGateway(f"fault-{uuid.uuid4().hex[:8]}", conditions.version)
    async with AsyncExitStack() as stack:
        await gateway.start()
        stack.push_async_callback(gateway.stop)
        to_gateway = await stack.enter_async_context(Proxy(gateway.port))
        to_broker = await stack.enter_async_context(Proxy(broker.port))
        to_worker = await stack.enter_async_context(Proxy(broker.port))
        setup = JobSetup(broker, directory, conditions, gateway, to_broker, to_gateway, to_worker)
        queues = (*setup.consumer.queues, setup.queue, names.RESULTS, names.UNDONE)
        stack.push_async_callback(delete, broker.url, queues)
        stack.push_async_callback(setup.end)
        await asyncio.to_thread(setup.consumer.start)
        await asyncio.to_thread(write_declarations, broker)
        for number in range(WORKERS):
            url = broker.url if number else f"amqp://guest:guest@{to_worker.address}"
            worker = Worker(url, setup.queue, setup.history, conditions.plan, conditions.manner, conditions.prefetch)
            setup.workers.append(await stack.enter_async_context(worker))
        yield setup
