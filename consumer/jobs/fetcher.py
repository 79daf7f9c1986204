"""Fetching the jobs of one type: by long polls, with a stream beside them where the engine has streams."""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from math import inf, nan
from typing import Final

from consumer.config.settings import JobType
from consumer.core.foreign_text import operators_text
from consumer.jobs.handout import Handout, JobParts
from consumer.jobs.job_stream import JobStream
from consumer.jobs.pace import Pace
from consumer.jobs.readiness import Readiness
from consumer.jobs.room import Room
from consumer.jobs.source import JobSource
from zeebe_amqp.amqp.depth import QueueState
from zeebe_amqp.commands.jobs import ActivatedJob
from zeebe_amqp.errors import Code, CommandError
from zeebe_amqp.schema.formatting import printable, truncate

__all__ = ["Fetcher"]

log = logging.getLogger(__name__)

WAIT: Final = 10.0
"""Seconds in which a poll may be answered that there are no jobs."""
FRESH: Final = 1.0
"""Seconds for which a look at a queue counts."""
MAX_TEXT: Final = 500
"""Characters of a problem."""
_POLL: Final = "poll"
_STREAM: Final = "stream"
_PASSING: Final = frozenset(
    {Code.UNAVAILABLE, Code.RESOURCE_EXHAUSTED, Code.DEADLINE_EXCEEDED, Code.ABORTED, Code.CANCELLED}
)
"""What an engine says that is busy or away: it is no problem of this type."""


class Fetcher:
    """Fetches the jobs of one type, and has them given out. What is wrong with it disturbs no other type.

    Args:
        job_type: whose jobs.
        source: gives jobs.
        readiness: open while jobs may be fetched.
        parts: what the types share.
    """

    def __init__(self, job_type: JobType, source: JobSource, readiness: Readiness, parts: JobParts) -> None:
        self.job_type = job_type
        self._source = source
        self._readiness = readiness
        self._parts = parts
        self._clock = parts.clock
        self._room = Room(job_type.limit)
        self._handout = Handout(job_type, parts, self._room, failed=self._on_not_given)
        self._pace = Pace(self._clock.random)
        self._stream = JobStream(
            job_type,
            source,
            prepare=partial(self._prepare, _STREAM),
            room=self._room,
            take=self._take,
            clock=self._clock,
        )
        self._looking = asyncio.Lock()
        self._looked = -inf
        """When somebody looked at the queue last."""
        self._known = {_POLL: -inf, _STREAM: -inf}
        """When each of them got to know what waits."""
        self._state: QueueState | None = None
        self._stopping = False
        self._loops: list[asyncio.Task[None]] = []
        self._asking = False
        """Whether a poll is out."""
        self._failing = False
        """Whether anything has failed since the poll that is out, or was last, began."""
        self._fetching = False
        self.problem: str | None = None
        """Why no jobs of this type are given out; None while they are."""

    # --- what it knows ----------------------------------------------------------------------------------------------

    @property
    def waiting(self) -> float:
        """Jobs that waited in the queue at the last look; nan when the broker did not say."""
        return nan if self._state is None else self._state.waiting

    @property
    def workers(self) -> float:
        """Consumers of the queue at the last look; nan when the broker did not say."""
        return nan if self._state is None else self._state.consumers

    @property
    def oldest_age(self) -> float:
        """Age of the oldest job that waits, as far as this process published it, seconds."""
        return 0.0 if self._state is None else self._handout.times.age(self._state.waiting, self._clock.now())

    # --- its life ---------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin to fetch."""
        loop = asyncio.get_running_loop()
        self._loops = [loop.create_task(self._keep_polling())]
        if self._stream.is_wanted:
            self._loops.append(loop.create_task(self._keep_streaming()))

    def stop(self) -> None:
        """Begin nothing more. What is asked already may still be answered, until the source ends it."""
        self._stopping = True
        self._stream.stop()
        for loop, asks in zip(self._loops, (self._asking, self._stream.is_open), strict=False):
            if not asks:
                loop.cancel()

    async def finish(self) -> None:
        """Wait until nothing is asked any more, and what has come is given out."""
        if self._loops:
            await asyncio.wait(self._loops)
        await self._handout.settled()

    def cancel(self) -> None:
        """Leave everything as it is: what is under way times out."""
        for loop in self._loops:
            loop.cancel()
        self._stream.cancel()
        self._handout.cancel()

    # --- polls ------------------------------------------------------------------------------------------------------

    async def _keep_polling(self) -> None:
        while not self._stopping:
            await self._clock.sleep(await self._poll())

    async def _keep_streaming(self) -> None:
        while not self._stopping:
            await self._clock.sleep(await self._stream.run())

    async def _poll(self) -> float:
        """Ask for as many jobs as there is room for, and have them given out; seconds to rest after that."""
        self._failing = False
        try:
            await self._prepare(_POLL)
            number = self._room.portion(beside_stream=self._stream.is_wanted)
            if not number:
                return self._pace.after_full()
            began = self._clock.monotonic()
            jobs = await self._activate(number)
            took = self._clock.monotonic() - began
            await self._handout.settled()
        except Exception as error:
            self._note_failure(error)
        if self._failing:
            return self._pace.after_failure()
        self._note_success()
        return self._pace.after_poll(jobs, took)

    async def _activate(self, number: int) -> int:
        self._asking = True
        self._room.ask(number)
        try:
            fetched = await self._source.activate(self.job_type, number, WAIT)
        finally:
            self._asking = False
            self._room.end_poll()
        self._handout.give(fetched.jobs, fetched.trace)
        return len(fetched.jobs)

    async def _prepare(self, who: str) -> None:
        """Wait until jobs may be fetched, and look how many."""
        await self._parts.queues.ready()
        # Before anything else: workers look for their queue.
        await self._parts.queues.prepare(self.job_type)
        await self._readiness.wait_open()
        async with self._looking:
            now = self._clock.monotonic()
            # While a queue is full, polls and stream would each look. One takes what the other one has seen since then.
            if not (self._looked > self._known[who] and now - self._looked < FRESH):
                await self._look()
                self._looked = now
            self._known[who] = now

    async def _look(self) -> None:
        look = self._room.begin_look()
        self._state = await self._parts.queues.measure(self.job_type)
        self._room.end_look(look, None if self._state is None else self._state.waiting)

    def _take(self, job: ActivatedJob) -> bool:
        self._handout.give([job])
        return not self._room.is_full and self._readiness.is_open

    # --- what goes wrong --------------------------------------------------------------------------------------------

    def _on_not_given(self, error: Exception) -> None:
        """A job is not in its queue: rest, or it would be fetched and given back without end."""
        self._failing = True
        self.problem = _text(f"a job was not published: {error}")
        self._stream.fail()

    def _note_failure(self, error: Exception) -> None:
        self._failing = True
        text = _text(operators_text(error) if isinstance(error, CommandError) else str(error) or type(error).__name__)
        fields = {"event": "jobs.unfetched", "type": self.job_type.name, "error": text}
        log.warning("cannot fetch jobs of type %r: %s", self.job_type.name, text, extra=fields)
        if not _is_passing(error):
            self.problem = text

    def _note_success(self) -> None:
        if self.problem is not None or not self._fetching:
            name, queue = self.job_type.name, self.job_type.queue
            fields = {"event": "jobs.fetching", "type": name, "queue": queue}
            log.info("fetching jobs of type %r for the queue %r", name, queue, extra=fields)
        self.problem, self._fetching = None, True
        self._pace.note_success()


def _is_passing(error: Exception) -> bool:
    """Whether others say it already: the broker is away, or the engine is, or has too much to do."""
    if isinstance(error, CommandError):
        return error.code in _PASSING
    return isinstance(error, ConnectionError)


def _text(text: str) -> str:
    return printable(truncate(text, MAX_TEXT))
