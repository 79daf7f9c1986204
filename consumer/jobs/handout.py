"""Giving jobs out: each is recorded, published to the queue of its type, and given back if that did not take it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from types import TracebackType
from typing import Final, Protocol, TypeAlias

from consumer.config.settings import JobType
from consumer.core import count as counting
from consumer.core.activation import Activation, Leases
from consumer.core.call import Call, Engine
from consumer.core.clock import Clock
from consumer.core.count import Count
from consumer.core.foreign_text import operators_text
from consumer.jobs.job_queues import JobQueues, NotSent, QueueFull
from consumer.jobs.publish_times import PublishTimes
from consumer.jobs.returning import MIN_LEFT, has_time, to_return
from consumer.jobs.room import MAX_BATCH, Room
from consumer.jobs.signed_id import JobId, SignedIds, hash_type
from consumer.jobs.source import NO_TRACE
from zeebe_amqp.commands.jobs import ActivatedJob
from zeebe_amqp.errors import CommandError
from zeebe_amqp.jobs.job_message import write_job

__all__ = ["Handout", "JobParts", "JobSpan", "Publishing", "Unwatched"]

log = logging.getLogger(__name__)

MAX_HELD: Final = 5.0
"""Seconds for which a job is held while the broker is away, at most: given back at once, it would be fetched again at
once; held for longer, it would be kept from others."""
LOOK: Final = 0.1
"""Seconds before the broker is asked whether it is back."""


class JobSpan(Protocol):
    """The publishing of a job, as a context manager: it gives the trace headers to send with it."""

    @property
    def trace(self) -> str:
        """The `traceparent` among them, known before it is published; empty without one."""

    def __enter__(self) -> Mapping[str, str]:
        """The publishing begins."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """It ended; what was raised is its error."""


class Unwatched(nullcontext[Mapping[str, str]]):
    """The span of a publish that nobody watches."""

    trace = ""


Publishing: TypeAlias = Callable[[ActivatedJob, str, Mapping[str, str]], JobSpan]
"""Makes the span of a job's publish, given its queue and the trace context of the call that fetched it."""


@dataclass(frozen=True)
class JobParts:
    """What the types of jobs share.

    Attributes:
        queues: where jobs are published.
        leases: records the activations.
        ids: writes the ids of jobs.
        engine: takes back what was not given out.
        publishing: makes the span of a publish.
        count: counts jobs.
        clock: what waits uses it.
    """

    queues: JobQueues
    leases: Leases
    ids: SignedIds
    engine: Engine
    publishing: Publishing = lambda _, __, ___: Unwatched({})
    count: Count = counting.ignore
    clock: Clock = field(default_factory=Clock)


class Handout:
    """Gives out the jobs of one type, many at a time.

    Args:
        job_type: whose jobs.
        parts: what the types share.
        room: is told what is under way.
        failed: is called with what kept a job from its queue.
    """

    def __init__(
        self,
        job_type: JobType,
        parts: JobParts,
        room: Room,
        failed: Callable[[Exception], None],
    ) -> None:
        self._job_type = job_type
        self._parts = parts
        self._room = room
        self._failed = failed
        self.times = PublishTimes(2 * job_type.limit + MAX_BATCH)
        self._waiting: list[tuple[ActivatedJob, JobSpan]] = []
        self._recording: asyncio.Task[None] | None = None
        self._publishing: set[asyncio.Task[None]] = set()

    def give(self, jobs: Sequence[ActivatedJob], fetch: Mapping[str, str] = NO_TRACE) -> None:
        """Take over jobs that have come; returns at once. What comes while others are recorded is recorded together.

        Args:
            jobs: as the engine gave them out.
            fetch: the trace context of the call that brought them.
        """
        self._room.fetch(len(jobs))
        self._waiting += [(job, self._parts.publishing(job, self._job_type.queue, fetch)) for job in jobs]
        if self._recording is None and self._waiting:
            self._recording = asyncio.get_running_loop().create_task(self._record_all())

    async def settled(self) -> None:
        """Wait until all that was taken over before is in its queue, or will not be."""
        if self._recording is not None:
            await asyncio.wait({self._recording})
        if self._publishing:
            await asyncio.wait(set(self._publishing))

    def cancel(self) -> None:
        """Leave what is under way to time out."""
        for task in (*self._publishing, self._recording):
            if task is not None:
                task.cancel()

    async def _record_all(self) -> None:
        try:
            while self._waiting:
                batch, self._waiting = self._waiting[:MAX_BATCH], self._waiting[MAX_BATCH:]
                error = await self._record(batch)
                for job, span in batch:
                    task = asyncio.get_running_loop().create_task(self._serve(job, span, error))
                    self._publishing.add(task)
                    task.add_done_callback(self._publishing.discard)
        finally:
            self._recording = None

    async def _record(self, batch: Sequence[tuple[ActivatedJob, JobSpan]]) -> Exception | None:
        """Record activations with one write; gives what went wrong."""
        lasts = round(self._job_type.timeout * 1000)
        activations = [Activation(job.key, job.deadline, job.deadline - lasts, span.trace) for job, span in batch]
        try:
            await self._parts.leases.record_activations(activations)
        except Exception as error:  # a defect, too: nothing may be given out that is not recorded
            return error
        return None

    async def _serve(self, job: ActivatedJob, span: JobSpan, error: Exception | None) -> None:
        """Publish a job, unless there is an error already, and give it back where that fails."""
        try:
            if error is None:
                error = await self._try_publish(job, span)
            if isinstance(error, QueueFull):
                self._room.refuse()
            if error is not None:
                self._failed(error)
                await self._return(job, error)
        finally:
            self._room.settle()

    async def _try_publish(self, job: ActivatedJob, span: JobSpan) -> Exception | None:
        try:
            await self._publish(job, span)
        except Exception as error:
            return error
        return None

    async def _publish(self, job: ActivatedJob, span: JobSpan) -> None:
        parts, now = self._parts, self._parts.clock.now()
        if not has_time(job, now):
            left = round(job.deadline / 1000 - now, 1)
            fields = {"event": "jobs.overdue", "type": self._job_type.name, "key": job.key, "seconds": left}
            words = "job %d (%s) came with %.1f s left, and is not published: does the engine's clock differ?"
            log.warning(words, job.key, self._job_type.name, left, extra=fields)
            return
        with span as trace:
            await self._send(job, trace, now + MAX_HELD)
        parts.count("jobs.out", type=self._job_type.name)

    async def _send(self, job: ActivatedJob, trace: Mapping[str, str], until: float) -> None:
        """Publish it; while the broker is away it is held, and goes when that is back."""
        parts = self._parts
        job_id = JobId(job.key, job.deadline, job.retries, hash_type(job.type), self._job_type.answers)
        signed_id = parts.ids.write(job_id)
        while True:
            now = parts.clock.now()
            try:
                await parts.queues.publish(self._job_type, *write_job(job, signed_id, now, trace))
                break
            except NotSent:
                if not await self._hold(min(until, job.deadline / 1000 - MIN_LEFT) - now):
                    raise
        self.times.add(now)

    async def _hold(self, seconds: float) -> bool:
        """Wait for the broker; whether it is back by then."""
        clock = self._parts.clock
        try:
            async with clock.timeout(seconds):
                await clock.sleep(LOOK)
                await self._parts.queues.ready()
        except TimeoutError:
            return False
        return True

    async def _return(self, job: ActivatedJob, error: Exception) -> None:
        command, name = to_return(job, error), self._job_type.name
        fields = {"event": "jobs.unpublished", "type": name, "key": job.key, "error": str(error)}
        fate = "times out" if command is None else "goes back to the engine"
        log.warning("job %d (%s) was not published, and %s: %s", job.key, name, fate, error, extra=fields)
        if command is None:
            return
        try:
            # Not after its time: it would hit the job that somebody else has by then.
            await self._parts.engine.execute(Call(command, deadline=job.deadline / 1000, idempotent=True))
        except CommandError as refusal:
            text = operators_text(refusal)
            fields = {"event": "jobs.unreturned", "type": name, "key": job.key, "error": text}
            words = "job %d (%s) could not be returned to the engine, and times out: %s"
            log.warning(words, job.key, name, text, extra=fields)
        else:
            self._parts.count("jobs.returned", type=name)
