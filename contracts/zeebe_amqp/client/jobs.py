"""Jobs of one type, fetched over the queue: enough to work them without gRPC."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from contextlib import AbstractContextManager, nullcontext
from typing import Final, Self, TypedDict

import msgspec

from zeebe_amqp.backoff import backoff
from zeebe_amqp.client.client import Client
from zeebe_amqp.client.job import FIRST_PAUSE, MAX_PAUSE, Job
from zeebe_amqp.commands import ActivateJobs, Command
from zeebe_amqp.errors import OutcomeUnknown, Retryable
from zeebe_amqp.schema.fields import Duration

__all__ = ["LOCK", "ByCommand", "JobOptions", "Jobs"]

log = logging.getLogger(__name__)

LOCK: Final = "5m"
"""How long the lock of a job lasts unless told otherwise."""


class ByCommand:
    """The end of a job that was fetched: a command of its own. See `zeebe_amqp.client.job.Settlement`."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def working(self, _: Job) -> AbstractContextManager[None]:
        """Nothing to do."""
        return nullcontext()

    async def tell(self, command: Command[None], identity: str) -> None:
        """Ask for it, and wait for the answer."""
        await self._client.call(command, request_id=identity)

    def requeue(self) -> bool:
        """The engine has to be told."""
        return False


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
        timeout: Duration = LOCK,
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
        self._failures = 0
        """How many polls failed one after the other."""
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

    async def release(self) -> None:
        """Nothing is held for jobs that are worked on."""

    async def fetch(self, limit: int | None = None) -> list[Job]:
        """Poll until jobs arrive (at most `limit`; None = `at_once`). Returns none after `stop`.

        A poll that fails temporarily is repeated after a growing pause.

        Raises:
            CommandError: polling makes no sense: the request is wrong, or not allowed.
        """
        while not self._stopping.is_set():
            if jobs := await self.poll(limit):
                return jobs
        return []

    async def poll(self, limit: int | None = None) -> list[Job]:
        """Poll once, for at most `limit` jobs (None = `at_once`). A pause follows where it failed.

        Raises:
            CommandError: as `fetch`.
        """
        poll = self._poll if limit is None else msgspec.structs.replace(self._poll, max_jobs_to_activate=limit)
        started = time.monotonic()
        try:
            jobs = [Job(activated, ByCommand(self._client)) for activated in await self._client.call(poll)]
        except (Retryable, OutcomeUnknown) as error:
            self._failures += 1
            log.warning("polling for %r: %s", poll.job_type, error)
        else:
            if jobs:
                self._failures = 0
                return await self._keep(jobs)
            # An answer that comes early without jobs is the engine's way not to wait.
            is_early = time.monotonic() - started < poll.wait() / 2000
            self._failures = self._failures + 1 if is_early else 0
        await self._pause()
        return []

    async def _keep(self, jobs: list[Job]) -> list[Job]:
        if not self._stopping.is_set():
            return jobs
        await _requeue(deque(jobs))
        return []

    async def _pause(self) -> None:
        if self._failures:
            try:
                async with asyncio.timeout(backoff(self._failures, FIRST_PAUSE, MAX_PAUSE)):
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
