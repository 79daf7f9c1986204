"""Jobs of one type, fetched over the queue: enough to work them without gRPC."""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from collections import deque
from collections.abc import Mapping
from functools import cached_property
from itertools import count
from typing import Any, Final, Self, TypedDict, TypeVar, overload

import msgspec

from zeebe_amqp.backoff import backoff
from zeebe_amqp.client.client import Client
from zeebe_amqp.commands import ActivateJobs, Command, CompleteJob, FailJob, ThrowError
from zeebe_amqp.commands.jobs import ActivatedJob
from zeebe_amqp.errors import OutcomeUnknown, Retryable
from zeebe_amqp.schema.fields import Duration

__all__ = ["GIVEN_BACK", "MAX_PAUSE", "Job", "JobOptions", "Jobs"]

log = logging.getLogger(__name__)

T = TypeVar("T")

GIVEN_BACK: Final = "given back: the worker stopped before it began"
"""The error message of jobs that were fetched, but not begun."""
FIRST_PAUSE: Final = 0.5
"""Seconds between two polls at first, at most, while they fail."""
MAX_PAUSE: Final = 30.0
"""Seconds between two polls at most, while they fail."""


class Job:
    """A job that this worker has locked. Complete it, fail it or throw an error in it, once.

    `activated` holds everything that the engine sent about it.
    """

    def __init__(self, client: Client, activated: ActivatedJob) -> None:
        self._client = client
        self.activated = activated
        self.settled = False
        """Whether it was completed, failed or ended by an error."""

    def __repr__(self) -> str:
        return f"<Job {self.key} of type {self.activated.type!r}>"

    @property
    def key(self) -> int:
        """The job's key."""
        return self.activated.key

    @property
    def process_instance_key(self) -> int:
        """The key of its process instance."""
        return self.activated.process_instance_key

    @property
    def retries(self) -> int:
        """How many tries are left, including this one."""
        return self.activated.retries

    @property
    def deadline(self) -> float:
        """When the lock ends, in seconds since 1970."""
        return self.activated.deadline / 1000

    @cached_property
    def variables(self) -> dict[str, Any]:
        """The variables, parsed on first use. Whole numbers are exact."""
        return self.activated.values()

    @cached_property
    def headers(self) -> dict[str, str]:
        """The custom headers of the element, parsed on first use."""
        return self.activated.headers()

    @overload
    def values(self) -> dict[str, Any]: ...

    @overload
    def values(self, kind: type[T]) -> T: ...

    def values(self, kind: Any = dict[str, Any]) -> Any:
        """Its variables as a `kind`: a dataclass, a msgspec struct, a TypedDict.

        Raises:
            msgspec.ValidationError: they are not of that kind.
        """
        return self.activated.values(kind)

    async def complete(self, variables: Mapping[str, Any] | msgspec.Raw | None = None) -> None:
        """Complete the job with variables for the process. Temporary errors are retried until the lock ends.

        Raises:
            NotFound: the lock has ended, or the process instance has.
            CommandError: the command failed for another reason.
        """
        await self._settle(CompleteJob(job_key=self.key, variables=variables))

    async def fail(
        self,
        message: str,
        *,
        retries: int | None = None,
        back_off: Duration | None = None,
        variables: Mapping[str, Any] | msgspec.Raw | None = None,
    ) -> None:
        """Fail the job. The engine retries it after `back_off` while `retries` (None: one less) are left.

        Raises:
            CommandError: as `complete`.
        """
        left = max(self.retries - 1, 0) if retries is None else retries
        await self._settle(
            FailJob(job_key=self.key, retries=left, error_message=message, retry_back_off=back_off, variables=variables)
        )

    async def throw(
        self, error_code: str, message: str = "", variables: Mapping[str, Any] | msgspec.Raw | None = None
    ) -> None:
        """Throw a BPMN error, for the process to catch.

        Raises:
            CommandError: as `complete`.
        """
        await self._settle(
            ThrowError(job_key=self.key, error_code=error_code, error_message=message, variables=variables)
        )

    async def requeue(self) -> None:
        """Return the job to the engine at once, with its retries unchanged.

        Raises:
            CommandError: as `complete`.
        """
        await self.fail(GIVEN_BACK, retries=self.retries)

    async def _settle(self, command: Command[None]) -> None:
        """Say it to the engine, again while that may help and the job is ours: else the work was for nothing."""
        identity = uuid.uuid4().hex
        for failures in count(1):
            try:
                await self._client.call(command, request_id=identity)
            except Retryable as error:
                pause = backoff(failures, FIRST_PAUSE, MAX_PAUSE)
                if time.time() + pause >= self.deadline:
                    raise
                log.warning("%r: %s; next try in %.1f s", self, error, pause)
                await asyncio.sleep(pause)
            else:
                break
        self.settled = True


class JobOptions(TypedDict, total=False):
    """The options of `Jobs`; see its arguments."""

    worker: str
    timeout: Duration
    fetch_variables: tuple[str, ...]
    at_once: int
    request_timeout: Duration
    tenant_ids: tuple[str, ...]


class Jobs:
    """An async iterator over jobs of one type. When it stops, it returns fetched jobs that nobody took.

        async with Jobs(zeebe, "ship-order") as jobs:
            async for job in jobs:
                await job.complete()

    Args:
        client: an open client.
        job_type: the type.
        worker: the worker's name at the engine.
        timeout: how long the lock of a job lasts.
        fetch_variables: the variables to fetch; none = all.
        at_once: how many jobs one poll may fetch.
        request_timeout: how long a poll waits for jobs; stopping takes as long.
        tenant_ids: whose jobs to fetch; none = the default tenant.
    """

    def __init__(
        self,
        client: Client,
        job_type: str,
        *,
        worker: str = "default",
        timeout: Duration = "5m",
        fetch_variables: tuple[str, ...] = (),
        at_once: int = 32,
        request_timeout: Duration = "10s",
        tenant_ids: tuple[str, ...] = (),
    ) -> None:
        self._client = client
        self._poll = ActivateJobs(
            job_type=job_type,
            max_jobs_to_activate=at_once,
            timeout=timeout,
            worker_name=worker,
            fetch_variables=fetch_variables,
            request_timeout=request_timeout,
            tenant_ids=tenant_ids,
        )
        self._fetched: deque[Job] = deque()
        self._stopping = asyncio.Event()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Job:
        """The next job, as soon as there is one.

        Raises:
            CommandError: the request is invalid or not allowed, so polling would not help.
        """
        while not self._stopping.is_set():
            if self._fetched:
                return self._fetched.popleft()
            self._fetched.extend(await self.fetch())
        await self.aclose()
        raise StopAsyncIteration

    def stop(self) -> None:
        """Stop fetching. The iterator ends when the current poll has ended."""
        self._stopping.set()

    async def aclose(self) -> None:
        """Stop, and return fetched jobs that nobody took."""
        self.stop()
        await _requeue(self._fetched)

    async def fetch(self, limit: int | None = None) -> list[Job]:
        """Poll until jobs arrive (at most `limit`; None = `at_once`). Returns none after `stop`.

        A poll that fails temporarily is repeated after a growing pause.

        Raises:
            CommandError: polling makes no sense: the request is wrong, or not allowed.
        """
        poll = self._poll if limit is None else msgspec.structs.replace(self._poll, max_jobs_to_activate=limit)
        failures = 0
        while not self._stopping.is_set():
            started = time.monotonic()
            try:
                jobs = [Job(self._client, activated) for activated in await self._client.call(poll)]
            except (Retryable, OutcomeUnknown) as error:
                failures += 1
                log.warning("polling for %r: %s", poll.job_type, error)
            else:
                if jobs:
                    return await self._keep(jobs)
                # An answer that comes early without jobs is the engine's way not to wait.
                failures = failures + 1 if time.monotonic() - started < poll.wait() / 2000 else 0
            await self._pause(failures)
        return []

    async def _keep(self, jobs: list[Job]) -> list[Job]:
        if not self._stopping.is_set():
            return jobs
        await _requeue(deque(jobs))
        return []

    async def _pause(self, failures: int) -> None:
        if failures:
            try:
                async with asyncio.timeout(backoff(failures, FIRST_PAUSE, MAX_PAUSE)):
                    await self._stopping.wait()
            except TimeoutError:
                return


async def _requeue(jobs: deque[Job]) -> None:
    while jobs:
        job = jobs.popleft()
        try:
            await job.requeue()
        except Exception as error:  # the client may be closed, too
            log.warning("%r could not be given back, and waits for the end of its lock: %s", job, error)
