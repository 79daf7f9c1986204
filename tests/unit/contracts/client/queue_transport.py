"""A transport with a queue of jobs whose messages a test writes, and a worker of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from tests.fakes.transport import MemoryTransport
from zeebe_amqp import Client, Worker
from zeebe_amqp.amqp.properties import Properties
from zeebe_amqp.client import QueueState, Subscription
from zeebe_amqp.client.transport import Delivery
from zeebe_amqp.commands import ActivateJobs
from zeebe_amqp.jobs.job_message import write_job
from zeebe_amqp.testing import FakeConsumer
from zeebe_amqp.testing.jobs import FakeJob

PATIENCE = 20
"""Seconds after which a worker that has not ended counts as one that never will."""
TRACE = {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "tracestate": "a=b"}


def pushing() -> FakeConsumer:
    """A service that pushes jobs."""
    made = FakeConsumer()
    made.push_jobs("ship")
    return made


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110 - a few steps of the event loop
            await asyncio.sleep(0.001)


def message(
    tag: int,
    *,
    seconds: float = 60,
    headers: dict[str, Any] | None = None,
    body: bytes | None = None,
    correlation_id: str | None = "",
    reply_to: str | None = "answers",
    redelivered: bool = False,
    trace: Mapping[str, str] = TRACE,
) -> Delivery:
    """A job's message, whose key is its tag."""
    job = FakeJob(tag, "ship", {"a": 1}, {}, 3)
    activated = job.activated(
        ActivateJobs(job_type="ship", max_jobs_to_activate=1), int((time.time() + seconds) * 1000)
    )
    written, properties = write_job(activated, f"id-{tag}", time.time(), trace)
    return Delivery(
        body=written if body is None else body,
        headers=dict(properties.headers or {}) if headers is None else headers,
        correlation_id=f"id-{tag}" if correlation_id == "" else correlation_id,
        reply_to=reply_to,
        redelivered=redelivered,
        tag=tag,
    )


class Messages:
    """A subscription to some messages; how each ended is in its transport."""

    def __init__(self, transport: QueueTransport, messages: list[Delivery]) -> None:
        self._transport = transport
        self._messages = messages
        self._number = len(messages)
        self._stopped = asyncio.Event()
        self.is_cancelled = self.is_closed = False

    async def take(self) -> Delivery | None:
        """The next one; none when all have ended and others are there for another subscription."""
        if self._messages and not self._stopped.is_set():
            return self._messages.pop(0)
        await until(lambda: self._stopped.is_set() or (self._transport.generations and self._has_ended()))
        return None

    def _has_ended(self) -> bool:
        return len(self._transport.settled) >= self._number

    def stop(self) -> None:
        self._stopped.set()

    async def cancel(self) -> None:
        self.is_cancelled = True

    async def close(self) -> None:
        self.is_closed = True

    def ack(self, delivery: Delivery) -> bool:
        self._transport.settled.append(("ack", delivery.tag))
        return True

    def nack(self, delivery: Delivery, *, requeue: bool) -> bool:
        self._transport.settled.append(("requeue" if requeue else "reject", delivery.tag))
        return True


class QueueTransport(MemoryTransport):
    """Has a queue of jobs. Each list of messages is for one subscription, which ends when they have."""

    worker: Worker
    task: asyncio.Task[None]

    def __init__(self, *generations: list[Delivery], **options: Any) -> None:
        super().__init__(**options)
        self.state = QueueState(0, 0)
        self.generations = list(generations)
        self.refusals: list[Exception] = []
        self.subscriptions: list[Messages] = []
        self.on_subscribe: Callable[[], None] = lambda: None
        self.settled: list[tuple[str, int]] = []
        self.answers: list[tuple[str, bytes, Properties]] = []

    async def subscribe(self, queue: str, prefetch: int) -> Subscription:
        """The messages of the next generation."""
        if self.refusals:
            raise self.refusals.pop(0)
        self.on_subscribe()
        messages = Messages(self, self.generations.pop(0) if self.generations else [])
        self.subscriptions.append(messages)
        return messages

    async def publish_answer(self, queue: str, body: bytes, properties: Properties) -> None:
        """Take an answer, unless there is a failure left."""
        await asyncio.sleep(0)
        if self.failures:
            raise self.failures.popleft()
        self.answers.append((queue, body, properties))

    def ended(self, how: str) -> list[int]:
        """The messages that ended so."""
        return [tag for each, tag in self.settled if each == how]


@asynccontextmanager
async def running(
    *generations: list[Delivery], handler: Any, failures: Sequence[Exception] = (), **options: Any
) -> AsyncIterator[QueueTransport]:
    """A worker of these messages, stopped at the end."""
    transport = QueueTransport(*generations)
    transport.failures.extend(failures)
    async with Client(transport) as client:
        transport.worker = Worker(client, "ship", handler, back_off="0s", **options)
        transport.task = asyncio.create_task(transport.worker.run())
        async with asyncio.timeout(PATIENCE):
            try:
                yield transport
            finally:
                transport.worker.stop()
                await asyncio.wait({transport.task})
    if not transport.task.cancelled():
        transport.task.result()
