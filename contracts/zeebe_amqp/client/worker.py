"""A worker: a function for jobs of one type, run for many of them at a time."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, TypeAlias, Unpack

import msgspec

from zeebe_amqp.client.client import Client
from zeebe_amqp.client.extension import Extension
from zeebe_amqp.client.job import Job
from zeebe_amqp.client.jobs import LOCK, JobOptions
from zeebe_amqp.client.source import SourceName
from zeebe_amqp.client.source import source as source_of
from zeebe_amqp.errors import NotFound
from zeebe_amqp.schema.fields import Duration, milliseconds
from zeebe_amqp.schema.formatting import printable, truncate

__all__ = ["MAX_MESSAGE", "BpmnError", "Handler", "JobFailure", "Variables", "Worker"]

log = logging.getLogger(__name__)

MAX_MESSAGE: Final = 1000
"""How many characters of a failure are told to the engine."""
EXTEND: Final = "25m"
"""How long a handler may keep its job unless told otherwise: a broker takes back a message after 30 minutes."""

Variables: TypeAlias = Mapping[str, Any] | msgspec.Raw | None
"""What a handler has to say to the process, by name, or as a JSON object that is sent as it is; None = nothing."""
Handler: TypeAlias = Callable[[Job], Awaitable[Variables]] | Callable[[Job], Variables]
"""Works a job and returns the variables to complete it with; a plain function runs in a thread of its own."""


class BpmnError(Exception):
    """Raise this in a handler to throw a BPMN error in the job."""

    def __init__(self, error_code: str, message: str = "", variables: Variables = None) -> None:
        if not isinstance(error_code, str):  # bytes would become another code, in base64
            raise TypeError(f"error_code: expected text, found {type(error_code).__name__}")
        super().__init__(message or error_code)
        self.error_code = error_code
        self.message = message
        self.variables = variables


class JobFailure(Exception):
    """Raise this in a handler to fail the job, with these retries left (None: one fewer) and this pause."""

    def __init__(
        self,
        message: str,
        *,
        retries: int | None = None,
        back_off: Duration | None = None,
        variables: Variables = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.retries = retries
        self.back_off = back_off
        self.variables = variables


class Worker:
    """Runs a handler for every job of one type, until `stop`.

    The return value of the handler completes the job. A `BpmnError` throws; any other exception fails the job.

    Args:
        client: an open client.
        job_type: the type.
        handler: handles one job.
        concurrency: how many jobs run, and are locked, at a time; at a queue also the prefetch.
        back_off: the pause before the retry of a job that failed with an unexpected exception.
        source: "queue" = take jobs that the service pushes to the type's queue, and wait for that queue; "poll" = ask
            the service for jobs; None = from the queue while it is there, else by polls.
        queue: the queue's name; None = `zeebe.jobs.` and the type.
        extend: how long a handler may run until its job may be given to somebody else. Before the job's lock ends, it
            is made longer by `timeout`. None = never: the handler has `timeout`. More than 30 minutes (the broker's
            `consumer_timeout`) at a queue needs a broker that waits as long.
        at_most: end after so many jobs; None = go on until `stop`.
        options: further arguments of `Jobs`. At a queue only `timeout` counts: the service has fetched the jobs.

    Raises:
        ValueError: a number is below 1, a duration is none, there is no such source, or `queue` does not fit to it.
    """

    def __init__(
        self,
        client: Client,
        job_type: str,
        handler: Handler,
        *,
        concurrency: int = 16,
        back_off: Duration = "5s",
        source: SourceName | None = None,
        queue: str | None = None,
        extend: Duration | None = EXTEND,
        at_most: int | None = None,
        **options: Unpack[JobOptions],
    ) -> None:
        for name, number in (("concurrency", concurrency), ("at_most", at_most)):
            if number is not None and number < 1:
                raise ValueError(f"{name}: expected 1 or more, found {number}")
        _seconds("back_off", back_off)
        self._lock = _seconds("timeout", options.get("timeout") or LOCK) or _seconds("timeout", LOCK)
        self._extend = _seconds("extend", extend or "0s")
        self._source = source_of(client, job_type, source, queue, min(concurrency, at_most or concurrency), **options)
        self._handler = handler
        self._concurrency = concurrency
        self._left = at_most
        self._back_off = back_off
        self._running: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Run until `stop`, then finish the jobs in progress. Cancelling it also cancels the handlers.

        Raises:
            CommandError: the request is invalid or not allowed, so retrying would not help.
        """
        try:
            try:
                await self._fetch()
            finally:
                await self._source.aclose()
        except asyncio.CancelledError:
            for task in self._running:
                task.cancel()
            raise
        finally:
            await asyncio.gather(*self._running, return_exceptions=True)
            await self._source.release()

    async def _fetch(self) -> None:
        while self._left != 0 and (fetched := await self._source.fetch(self._room())):
            for job in fetched:
                task = asyncio.get_running_loop().create_task(self._work(job))
                self._running.add(task)
                task.add_done_callback(self._running.discard)
            if self._left is not None:
                self._left -= len(fetched)
            if len(self._running) >= self._concurrency:
                await asyncio.wait(self._running, return_when=asyncio.FIRST_COMPLETED)

    def _room(self) -> int:
        room = self._concurrency - len(self._running)
        return room if self._left is None else min(room, self._left)

    def stop(self) -> None:
        """Take no more jobs. `run` returns when a poll and the handlers have ended. It may be a signal handler."""
        self._source.stop()

    async def _work(self, job: Job) -> None:
        with job.settlement.working(job):
            await self._end(job)

    async def _end(self, job: Job) -> None:
        try:
            await self._settle(job)
        except NotFound as error:
            log.warning("%r is not ours any more: %s", job, error)
        except Exception as error:
            await self._fail_after_refusal(job, error)

    async def _fail_after_refusal(self, job: Job, error: Exception) -> None:
        """Its end could not be told: then it has failed, with one retry less, or it would be run again for ever."""
        log.error("%r: its end was refused: %s", job, error)
        try:
            await job.fail(_readable(f"the job's end was refused: {_readable(error)}"), back_off=self._back_off)
        except Exception as again:  # the client may be closed, too
            # The engine offers the job again when its lock ends, unless it did hear of it.
            log.warning("%r could not be settled: %s", job, again)

    async def _settle(self, job: Job) -> None:
        try:
            with Extension(job, self._lock, self._extend):
                variables = await self._handle(job)
        except BpmnError as error:
            await job.throw(error.error_code, _readable(error.message), error.variables)
        except JobFailure as failure:
            message = _readable(failure.message)
            await job.fail(message, retries=failure.retries, back_off=failure.back_off, variables=failure.variables)
        except BaseException as error:
            if _ends_worker(error):
                raise
            log.exception("%r failed", job)
            if not job.settled:
                await job.fail(_readable(f"{type(error).__name__}: {_readable(error)}"), back_off=self._back_off)
        else:
            if not job.settled:
                await job.complete(variables)

    async def _handle(self, job: Job) -> Variables:
        if inspect.iscoroutinefunction(self._handler):
            variables: Variables = await self._handler(job)
            return variables
        returned: Any = await asyncio.to_thread(_call, self._handler, job)
        variables = await returned if inspect.isawaitable(returned) else returned
        return variables


def _call(handler: Callable[[Job], Any], job: Job) -> Any:
    """Call a plain function, in a thread."""
    try:
        return handler(job)
    except (StopIteration, GeneratorExit) as error:  # no future can carry it: the job would wait for ever
        raise RuntimeError(f"{type(error).__name__}: {_readable(error)}") from error


def _ends_worker(error: BaseException) -> bool:
    """Whether an exception is meant for the worker, and not a handler's own: its job then waits for its lock to end."""
    if isinstance(error, asyncio.CancelledError):
        task = asyncio.current_task()
        return task is not None and task.cancelling() > 0  # a handler may also meet the end of a task of its own
    return isinstance(error, KeyboardInterrupt)


def _readable(message: object) -> str:
    """The message of a handler as text for the engine, cleaned and truncated."""
    try:
        text = "" if message is None else str(message)
    except Exception:
        text = f"{type(message).__name__}, which cannot be shown as text"
    return printable(truncate(text, MAX_MESSAGE))


def _seconds(name: str, duration: Duration) -> float:
    """A duration in seconds; refuse what is none: no failure could be told with it."""
    try:
        return milliseconds(duration) / 1000
    except ValueError as problem:
        raise ValueError(f"{name}: {problem}") from None
