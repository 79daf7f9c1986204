"""The stream of jobs of one type: open while there is room, and ended so that nothing pushed is left behind."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
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
SILENT: Final = 0.1
"""Seconds without a job after which a stream may be ended: the library drops what has come and was not read."""
MAX_READING: Final = 1.0
"""Seconds for which jobs are taken from a stream that should end, at most."""
MAX_TEXT: Final = 500
"""Characters of an error."""


class JobStream:
    """Has jobs pushed while there is room.

    Args:
        job_type: whose jobs.
        source: pushes them.
        prepare: waits until jobs may be fetched, and looks how many.
        room: how many may be fetched.
        take: is given each job; also what is one too many, because it is locked for us already. Tells whether another
            one may come.
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
        self._taken = 0
        self._reading: asyncio.Task[None] | None = None
        self._ending: asyncio.Task[None] | None = None
        self._failing = False
        self._stopping = False
        self.is_wanted = room.limit >= MIN_STREAM
        """Whether there is, or may be, a stream beside the polls."""

    @property
    def is_open(self) -> bool:
        """Whether jobs may be pushed now."""
        return self._reading is not None

    async def run(self) -> float:
        """Have jobs pushed while there is room; seconds to rest after that."""
        self._failing = False
        try:
            await self._prepare()
            if not self._room.has_space:
                return self._pace.after_full()
            self.is_wanted = True
            began = self._clock.monotonic()
            await self._read()
        except Exception as error:
            return self._note_failure(error)
        if self._failing:
            return self._pace.after_failure()
        self._pace.note_success()
        return self._pace.after_poll(0, self._clock.monotonic() - began)

    def _note_failure(self, error: Exception) -> float:
        if isinstance(error, CommandError) and error.code is Code.UNIMPLEMENTED:
            self.is_wanted = False
            return NO_STREAM
        name, text = self._job_type.name, printable(truncate(str(error) or type(error).__name__, MAX_TEXT))
        fields = {"event": "jobs.stream_broken", "type": name, "error": text}
        log.warning("the stream of jobs of type %r broke: %s", name, text, extra=fields)
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
            reading.cancel()
            self._reading = None

    def _on_job(self, job: ActivatedJob) -> Awaitable[None] | None:
        self._taken += 1
        return None if self._take(job) or self._stopping else self._rest()

    async def _rest(self) -> None:
        """Read no more before there is room.

        The stream stays open meanwhile: ended, it would lose what is on its way, which then waits for its time-out. An
        engine notices that nobody reads, and pushes no more. After the time-out of its jobs there is nothing to lose.
        """
        until = self._clock.monotonic() + self._job_type.timeout
        while self._clock.monotonic() < until:
            await self._clock.sleep(self._pace.after_full())
            if self._stopping:
                return
            await self._prepare()
            if self._room.has_space:
                self._pace.note_space()
                return
        self.end()

    def stop(self) -> None:
        """Rest no more: what has come is taken, and the source ends the stream."""
        self._stopping = True

    def end(self, *, failing: bool = False) -> None:
        """End it soon: what was pushed by then is still taken.

        Args:
            failing: whether jobs cannot be given out, so that the next one has to wait.
        """
        self._failing = self._failing or failing
        if self._reading is not None and (self._ending is None or self._ending.done()):
            self._ending = asyncio.get_running_loop().create_task(self._end(self._reading))

    async def _end(self, reading: asyncio.Task[None]) -> None:
        last, until = -1, self._clock.monotonic() + MAX_READING
        while last != self._taken and self._clock.monotonic() < until:
            last = self._taken
            await self._clock.sleep(SILENT)
        reading.cancel()

    def cancel(self) -> None:
        """End it at once."""
        for task in (self._reading, self._ending):
            if task is not None:
                task.cancel()
