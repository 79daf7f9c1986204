"""Jobs on their way to the queues of their types, on a connection of their own."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from math import inf
from typing import Final, TypeAlias

from aio_pika.abc import AbstractConnection

from consumer.config import Amqp
from consumer.config.settings import JobType
from consumer.core.clock import Clock
from consumer.jobs.job_queues import NotSent, NotTaken, QueueFull, QueueRefused, Unwritable
from consumer.pipeline.publishing import PublishFailed, Refused, TooLarge
from consumer.rabbitmq.publisher import NotWritten, Publisher, Unroutable
from consumer.rabbitmq.topology import declare_job_queue, declare_jobs
from zeebe_amqp.amqp.connection import CONNECTION_ERRORS, describe, translated_errors
from zeebe_amqp.amqp.depth import QueueState
from zeebe_amqp.amqp.properties import Properties
from zeebe_amqp.amqp.refusal import BrokerRefusal
from zeebe_amqp.cancellation import raise_if_cancelled
from zeebe_amqp.jobs.names import JOBS_EXCHANGE

__all__ = ["JobPublisher", "Measure"]

Measure: TypeAlias = Callable[[str], Awaitable[QueueState | None]]
"""Tells the state of a queue."""
NAME: Final = "zeebe-amqp publish jobs"
FRESH: Final = 1.0
"""Seconds for which a confirm says that there is no alarm."""


class JobPublisher:
    """Publishes jobs; see `consumer.jobs.job_queues.JobQueues`.

    Args:
        amqp: addresses, and whether queues are declared.
        measure: asks for the state of a queue, over another connection: during an alarm this one is not read.
        clock: tells how old a confirm is.
    """

    def __init__(self, amqp: Amqp, measure: Measure, clock: Clock | None = None) -> None:
        self._amqp = amqp
        self._exchange = "" if amqp.reply_exchange is None else JOBS_EXCHANGE
        self._publisher = Publisher(amqp, name=NAME, declare=self._declare, exchange=self._exchange)
        self._prepared: set[str] = set()
        """The queues that were declared on the connection that is there."""
        self._measure = measure
        self._clock = clock or Clock()
        self._confirmed = -inf
        """When the broker last took a message."""
        self.openings = 0
        """How many connections there have been."""

    async def _declare(self, connection: AbstractConnection, amqp: Amqp) -> None:
        self._prepared.clear()
        self.openings += 1
        await declare_jobs(connection, amqp)

    @property
    def problem(self) -> str | None:
        """Why nothing can be published; None when it can."""
        return self._publisher.problem

    @property
    def is_ready(self) -> bool:
        """Whether something can be published now: connected, and not blocked by an alarm of the broker."""
        return self._publisher.is_ready

    async def run(self) -> None:
        """Keep the connection open until cancelled."""
        await self._publisher.run()

    async def ready(self) -> None:
        """Wait until something can be published, as the broker says now: where nothing was confirmed for a while, it is
        asked."""
        await self._publisher.ready()
        while self._clock.monotonic() - self._confirmed >= FRESH:
            if await self._publisher.answers():
                self._confirmed = self._clock.monotonic()
            await self._publisher.ready()

    async def prepare(self, job_type: JobType) -> None:
        """Declare or check the queue of a type, once for each connection; see `JobQueues`."""
        if job_type.queue in self._prepared:
            return
        openings = self.openings
        try:
            with translated_errors():
                await self._publisher.declare(partial(declare_job_queue, amqp=self._amqp, job_type=job_type))
        except BrokerRefusal as refusal:
            raise QueueRefused(str(refusal)) from refusal
        except (PublishFailed, *CONNECTION_ERRORS) as error:
            raise_if_cancelled()
            raise ConnectionError(describe(error)) from error
        if openings == self.openings:
            self._prepared.add(job_type.queue)

    async def measure(self, job_type: JobType) -> QueueState | None:
        """What waits in the queue of a type; see `JobQueues`."""
        state = await self._measure(job_type.queue)
        if state is None:
            self._prepared.discard(job_type.queue)  # perhaps somebody deleted it
        return state

    async def publish(self, job_type: JobType, body: bytes, properties: Properties) -> None:
        """Publish a job to the queue of its type; see `JobQueues`."""
        # What is written during an alarm waits in the connection, with its time running.
        if not self._publisher.is_ready:
            raise NotSent(self.problem or "not connected")
        try:
            queue = job_type.queue
            await self._publisher.publish(body, properties, exchange=self._exchange, routing_key=queue, mandatory=True)
            self._confirmed = self._clock.monotonic()
        except Unroutable as error:
            self._prepared.discard(job_type.queue)  # somebody deleted it: the next one is declared again
            raise NotTaken(f"no queue {job_type.queue!r} is there") from error
        except NotWritten as error:
            raise NotSent(str(error)) from error
        except Refused as error:
            raise QueueFull(str(error)) from error
        except (TooLarge, TypeError, ValueError) as error:
            raise Unwritable(str(error)) from error
