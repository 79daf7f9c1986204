"""What the tests of fetching share: jobs, an engine that gives them, a broker that takes them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from consumer.config.settings import JobType
from consumer.core.activation import Activation
from consumer.core.call import Call
from consumer.core.clock import Clock
from consumer.jobs.handout import JobParts
from consumer.jobs.signed_id import SignedIds
from consumer.jobs.source import Fetched
from zeebe_amqp.amqp.depth import QueueState
from zeebe_amqp.amqp.properties import Properties
from zeebe_amqp.commands.jobs import ActivatedJob

TYPE = JobType("charge-card", limit=20)
LONG = 60.0
"""Seconds of a rest that no test waits for."""
IDS = SignedIds([b"a key"])


def job(key: int = 1, *, left: float = 300.0, **other: Any) -> ActivatedJob:
    """A job with so many seconds left."""
    facts: dict[str, Any] = {
        "key": key,
        "type": TYPE.name,
        "process_instance_key": 2,
        "bpmn_process_id": "order",
        "process_definition_version": 1,
        "process_definition_key": 3,
        "element_id": "charge",
        "element_instance_key": 4,
        "custom_headers": "{}",
        "worker": "zeebe-amqp",
        "retries": 3,
        "deadline": int((time.time() + left) * 1000),
        "variables": '{"n": 1.50}',
        "tenant_id": "<default>",
        "kind": None,
        "listener_event_type": None,
    }
    return ActivatedJob(**facts | other)


class QuickClock(Clock):
    """Sleeps a moment, unless it is for minutes, and writes down how long it should have been."""

    def __init__(self) -> None:
        self.slept: list[float] = []

    async def sleep(self, seconds: float) -> None:
        """A moment."""
        self.slept.append(seconds)
        await asyncio.sleep(seconds if seconds >= LONG else 0)

    def random(self) -> float:
        """No luck."""
        return 1.0


class FakeQueues:
    """A broker: `failure` is what a publish or a preparation ends with."""

    def __init__(self) -> None:
        self.is_ready, self.openings = True, 1
        self.state: QueueState | None = QueueState(0, 1)
        self.worked: int | None = None
        """How many published jobs a worker has taken; None: what waits is in `state`."""
        self.published: list[tuple[bytes, Properties]] = []
        self.failure: Exception | None = None
        self.unprepared: Exception | None = None
        self.takes = asyncio.Event()
        self.takes.set()

    async def ready(self) -> None:
        """At once."""

    async def prepare(self, job_type: JobType) -> None:
        """As `unprepared` says."""
        if self.unprepared is not None:
            raise self.unprepared

    async def measure(self, job_type: JobType) -> QueueState | None:
        """The state."""
        return self.state if self.worked is None else QueueState(len(self.published) - self.worked, 1)

    async def publish(self, job_type: JobType, body: bytes, properties: Properties) -> None:
        """As `failure` says, once it takes anything."""
        await self.takes.wait()
        if self.failure is not None:
            raise self.failure
        self.published.append((body, properties))


class FakeLeases:
    """A ledger: `failure` is what recording ends with."""

    def __init__(self) -> None:
        self.recorded: list[list[Activation]] = []
        self.failure: Exception | None = None

    async def record_activations(self, activations: Sequence[Activation]) -> None:
        """One write."""
        await asyncio.sleep(0)
        if self.failure is not None:
            raise self.failure
        self.recorded.append([*activations])

    async def newest_activation(self, key: int) -> Activation | None:
        """Nobody asks here."""
        return None

    def forget_activation(self, key: int) -> None:
        """Nobody asks here."""


class FakeEngine:
    """Takes jobs back, unless `failure` says otherwise."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.failure: Exception | None = None

    async def execute(self, call: Call) -> None:
        """Write the command down."""
        self.calls.append(call)
        if self.failure is not None:
            raise self.failure

    async def close(self) -> None:
        """Nothing to close."""


class Bench:
    """Everything around the jobs of one type."""

    def __init__(self) -> None:
        self.queues, self.leases, self.engine, self.clock = FakeQueues(), FakeLeases(), FakeEngine(), QuickClock()
        self.counted: list[tuple[str, dict[str, str]]] = []
        self.parts = JobParts(
            self.queues,
            self.leases,
            IDS,
            self.engine,
            count=lambda name, **labels: self.counted.append((name, labels)),
            clock=self.clock,
        )


class FakeSource:
    """An engine: polls get what is in `polls`, and then wait until they are `ended`; streams push `pushed`."""

    def __init__(self) -> None:
        self.polls: list[Sequence[ActivatedJob] | Exception] = []
        self.asked: list[int] = []
        self.pushed: list[ActivatedJob] = []
        self.streams = 0
        self.stream_failure: Exception | None = None
        self.ended = asyncio.Event()

    async def activate(self, job_type: JobType, number: int, wait: float) -> Fetched:
        """The next ones."""
        self.asked.append(number)
        if not self.polls:
            await self.ended.wait()
            return Fetched([])
        found = self.polls.pop(0)
        if isinstance(found, Exception):
            raise found
        return Fetched(found)

    async def stream(self, job_type: JobType, take: Callable[[ActivatedJob], Awaitable[None] | None]) -> None:
        """Push as fast as it is read, fail if it should, and stay open otherwise."""
        self.streams += 1
        while self.pushed:
            await asyncio.sleep(0)
            if (rest := take(self.pushed.pop(0))) is not None:
                await rest
        if self.stream_failure is not None:
            raise self.stream_failure
        await self.ended.wait()
