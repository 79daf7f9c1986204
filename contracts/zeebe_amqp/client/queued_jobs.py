"""Jobs that the service has pushed to a queue: messages that come, and answers that go."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from zeebe_amqp.backoff import backoff
from zeebe_amqp.client.answering import ByAnswer
from zeebe_amqp.client.client import Client
from zeebe_amqp.client.job import FIRST_PAUSE, Job
from zeebe_amqp.client.tracing import Processing, tracing
from zeebe_amqp.client.transport import Delivery, Subscription
from zeebe_amqp.errors import NotFound, Retryable
from zeebe_amqp.jobs.job_message import read_job

__all__ = ["QueuedJobs"]

log = logging.getLogger(__name__)

MAX_PAUSE: Final = 5.0
"""Seconds between two attempts to read the queue, at most."""
REMEMBERED: Final = 1_000
"""Answers that are known to have been taken: of a message that comes again all the same, nothing is done twice."""
LATE: Final = 3
"""After so many jobs in a row that came too late this machine's clock is suspected."""
MAX_PREFETCH: Final = 2**16 - 1
"""The most that the protocol can say."""


class QueuedJobs:
    """Jobs of one queue.

    A message that comes again while its job is worked on here is the same job: it is not begun twice.

    Args:
        client: an open client.
        queue: where they are.
        prefetch: how many are here at a time, at most.
        waits: wait for a queue that is not there.
    """

    def __init__(self, client: Client, queue: str, prefetch: int, *, waits: bool) -> None:
        self._client = client
        self._queue = queue
        self._prefetch = min(prefetch, MAX_PREFETCH)
        self._waits = waits
        self._tracing = tracing()
        self._subscription: Subscription | None = None
        self._under_way: dict[str, ByAnswer] = {}
        """By the ids of their messages, the jobs that are worked on."""
        self._answered: deque[str] = deque(maxlen=REMEMBERED)
        self._late = 0
        """How many jobs came too late, one after the other."""
        self._stopping = asyncio.Event()

    async def fetch(self, _: int) -> list[Job]:
        """Wait for the next job; none after `stop`. Whenever the connection was lost, it goes on with the next one.

        Raises:
            NotFound: the queue is not there, unless we wait for it.
            CommandError: it may not be read.
        """
        while subscription := self._subscription or await self._subscribe():
            delivery = await subscription.take()
            if delivery is not None:
                if job := self._read(subscription, delivery):
                    return [job]
            elif self._stopping.is_set():
                break
            else:
                log.warning("no more jobs come from queue %r: the connection or the queue is gone", self._queue)
                self._subscription = None
                await subscription.close()
        return []

    async def _subscribe(self) -> Subscription | None:
        failures = 0
        while not self._stopping.is_set():
            try:
                self._subscription = await self._client.subscribe(self._queue, self._prefetch)
            except Retryable as error:
                log.warning("%s", error)
            except NotFound as error:
                if not self._waits:
                    raise
                log.warning("%s; waiting for it", error)
            else:
                log.info("taking jobs from queue %r", self._queue)
                if self._stopping.is_set():  # while we waited for it
                    self._subscription.stop()
                return self._subscription
            failures += 1
            await self._pause(failures)
        return None

    async def _pause(self, failures: int) -> None:
        try:
            async with asyncio.timeout(backoff(failures, FIRST_PAUSE, MAX_PAUSE)):
                await self._stopping.wait()
        except TimeoutError:
            return

    def _read(self, subscription: Subscription, delivery: Delivery) -> Job | None:
        """The job in a message; None where it has none for us, and the message is settled."""
        identity, address = delivery.correlation_id, delivery.reply_to
        if identity in self._under_way and self._under_way[identity].adopt(subscription, delivery):
            return None
        if delivery.redelivered and identity in self._answered:
            subscription.ack(delivery)
            return None
        try:
            activated = read_job(delivery.body, delivery.headers)
            if not identity or not address:
                raise ValueError(f"{'reply_to' if identity else 'correlation_id'}: missing")
        except ValueError as problem:
            # As a dead letter it comes to the service, which takes a retry of the job.
            log.error("rejected a message in queue %r that is no job: %s", self._queue, problem)
            subscription.nack(delivery, requeue=False)
            return None
        span = self._watched(identity, activated.type, delivery)
        settlement = ByAnswer(self._client, subscription, delivery, identity, address, span)
        job = Job(activated, settlement)
        if (late := time.time() - job.deadline) >= 0:
            self._tell_late(job, late)
            subscription.ack(delivery)
            return None
        self._late = 0
        self._under_way[identity] = settlement
        return job

    def _tell_late(self, job: Job, seconds: float) -> None:
        log.warning("%r came %.1f s after its time-out, and is left to whoever gets it next", job, seconds)
        self._late += 1
        if self._late == LATE:
            log.error(
                "no job of queue %r is worked here: the last %d came after their time-out, by %.1f s now. A broker "
                "does not deliver such jobs, so the clock of this machine is probably ahead of the engine's: "
                "synchronise the clocks (NTP)",
                *(self._queue, self._late, seconds),
            )

    @contextmanager
    def _watched(self, identity: str, job_type: str, delivery: Delivery) -> Iterator[Processing]:
        """The work on a job, from its begin to its end."""
        settlement = self._under_way[identity]
        try:
            with self._tracing.process(job_type, self._queue, delivery.headers) as processing:
                yield processing
        finally:
            if self._under_way.get(identity) is settlement:  # else it was requeued, and runs again
                del self._under_way[identity]
            if settlement.is_answered:
                self._answered.append(identity)

    def stop(self) -> None:
        """Take no more jobs."""
        self._stopping.set()
        if self._subscription is not None:
            self._subscription.stop()

    async def aclose(self) -> None:
        """Stop, and give back what was not begun."""
        self.stop()
        if self._subscription is not None:
            await self._subscription.cancel()

    async def release(self) -> None:
        """End it; what has no answer goes back to the queue."""
        if self._subscription is not None:
            await self._subscription.close()
