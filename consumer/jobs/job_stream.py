"""The stream of jobs of one type: read while there is room, and left open meanwhile, so that nothing is left behind."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from math import inf
from typing import Final

from consumer.config.settings import JobType
from consumer.core.clock import Clock
from consumer.jobs.pace import Pace
from consumer.jobs.room import MIN_STREAM, Room
from consumer.jobs.source import JobSource
from zeebe_amqp.commands.jobs import ActivatedJob
from zeebe_amqp.errors import Code, CommandError
from zeebe_amqp.schema.formatting import printable, truncate

__all__ = ["JobStream"]

log = logging.getLogger(__name__)

NO_STREAM: Final = 300.0
"""Seconds after which an engine that has no streams is asked again: another one may be there by then."""
FORGIVEN: Final = 60.0
"""Seconds without a failure after which the next one is the first again; more than any rest."""
MAX_TEXT: Final = 500
"""Characters of an error."""


class JobStream:
    """Has jobs pushed while there is room.

    Args:
        job_type: whose jobs.
        source: pushes them.
        prepare: waits until jobs may be fetched, and looks how many.
        room: how many may be fetched.
        take: is given each job; also what is one too many, because it is locked for us already. Tells whether there is
            room for another one.
        clock: what waits uses it.
    """

    def __init__(
        self,
        job_type: JobType,
        source: JobSource,
        *,
        prepare: Callable[[], Awaitable[None]],
        room: Room,
        take: Callable[[ActivatedJob], bool],
        clock: Clock,
    ) -> None:
        self._job_type, self._source = job_type, source
        self._prepare, self._room, self._take = prepare, room, take
        self._clock = clock
        self._pace = Pace(clock.random)
        self._reading: asyncio.Task[None] | None = None
        self._resting: asyncio.Task[None] | None = None
        self._failed = -inf
        """When something failed last."""
        self._is_failing = False
        """Whether a job was not given out since the last rest."""
        self._stopping = False
        self.is_wanted = room.limit >= MIN_STREAM
        """Whether there is, or may be, a stream beside the polls."""

    @property
    def is_open(self) -> bool:
        """Whether jobs may be pushed now."""
        return self._reading is not None

    async def run(self) -> float:
        """Have jobs pushed until the stream ends; seconds to rest after that."""
        try:
            await self._prepare()
            if not self._room.has_space:
                return self._pace.after_full()
            self.is_wanted = True
            began = self._clock.monotonic()
            await self._read()
        except Exception as error:
            return self._note_failure(error)
        return self._pace.after_poll(0, self._clock.monotonic() - began)

    def _note_failure(self, error: Exception) -> float:
        if isinstance(error, CommandError) and error.code is Code.UNIMPLEMENTED:
            self.is_wanted = False
            return NO_STREAM
        name, text = self._job_type.name, printable(truncate(str(error) or type(error).__name__, MAX_TEXT))
        fields = {"event": "jobs.stream_broken", "type": name, "error": text}
        log.warning("the stream of jobs of type %r broke: %s", name, text, extra=fields)
        self._forgive()
        return self._pace.after_failure()

    async def _read(self) -> None:
        """Read to its end, which may be ours."""
        loop = asyncio.get_running_loop()
        reading = self._reading = loop.create_task(self._source.stream(self._job_type, self._on_job))
        try:
            await asyncio.wait({reading})
            if not reading.cancelled():
                reading.result()
        finally:
            self.cancel()
            self._reading = None

    def _on_job(self, job: ActivatedJob) -> Awaitable[None] | None:
        has_room = self._take(job)
        return None if self._stopping or (has_room and not self._is_failing) else self._rest()

    async def _rest(self) -> None:
        """Read no more before there is room, and what is given out gets into its queue.

        The stream stays open meanwhile: ended, it would lose what is on its way, which then waits for its time-out. An
        engine notices that nobody reads, and pushes no more. After the time-out of its jobs there is nothing to lose.
        """
        resting = self._resting = asyncio.get_running_loop().create_task(self._wait_for_room())
        try:
            async with self._clock.timeout(self._job_type.timeout):
                await asyncio.wait({resting})
        except TimeoutError:
            if self._reading is not None:
                self._reading.cancel()
        finally:
            resting.cancel()
            self._resting = None

    async def _wait_for_room(self) -> None:
        while True:
            failing, self._is_failing = self._is_failing, False
            await self._clock.sleep(self._pace.after_failure() if failing else self._pace.after_full())
            try:
                await self._prepare()
            except Exception:  # the polls tell it: they meet the same
                self._is_failing = True
            if self._room.has_space and not self._is_failing:
                self._pace.note_space()
                return

    def fail(self) -> None:
        """A job is not in its queue: the next one that is read may be the last for a while."""
        self._forgive()
        self._is_failing = True

    def _forgive(self) -> None:
        """Something fails: long after the last time, it is the first time again."""
        now = self._clock.monotonic()
        if now - self._failed > FORGIVEN:
            self._pace.note_success()
        self._failed = now

    def stop(self) -> None:
        """Rest no more: what has come is taken, and the source ends the stream."""
        self._stopping = True
        if self._resting is not None:
            self._resting.cancel()

    def cancel(self) -> None:
        """End it at once."""
        for task in (self._reading, self._resting):
            if task is not None:
                task.cancel()
