"""Where the jobs of a worker come from: a queue, polls, or whichever of them there is."""

from __future__ import annotations

import logging
import time
from typing import Final, Literal, Protocol, TypeAlias, Unpack

from zeebe_amqp import wire
from zeebe_amqp.client.client import Client
from zeebe_amqp.client.job import Job
from zeebe_amqp.client.jobs import JobOptions, Jobs
from zeebe_amqp.client.queued_jobs import QueuedJobs
from zeebe_amqp.errors import NotFound, PermissionDenied
from zeebe_amqp.jobs.names import RESERVED, job_queue

__all__ = ["QueueOrPolls", "Source", "SourceName", "source"]

log = logging.getLogger(__name__)

LOOK_AGAIN: Final = 30.0
"""Seconds between two looks for a queue while its jobs are polled for: the service may begin to push them."""

SourceName: TypeAlias = Literal["queue", "poll"]
"""Where jobs come from, as a worker is told."""


class Source(Protocol):
    """Gives jobs."""

    async def fetch(self, limit: int, /) -> list[Job]:
        """Wait for jobs, at most `limit`; none after `stop`.

        Raises:
            CommandError: it makes no sense to go on.
        """

    def stop(self) -> None:
        """Get no more."""

    async def aclose(self) -> None:
        """Stop, and give back what was not begun."""

    async def release(self) -> None:
        """All jobs have ended: end what was needed for that."""


class QueueOrPolls:
    """The queue while it is there, else polls."""

    def __init__(self, client: Client, queue: str, queued: QueuedJobs, polled: Jobs) -> None:
        self._client = client
        self._queue = queue
        self._queued = queued
        self._polled = polled
        self._looked: float | None = None
        """When the queue was looked for."""
        self._is_queued = False
        self._is_barred = False
        """Whether we may not read the queue."""
        self._stopped = False

    async def fetch(self, limit: int) -> list[Job]:
        """See `Source.fetch`."""
        while not self._stopped:
            if not self._is_queued:
                await self._look()
            if not self._is_queued:
                if jobs := await self._polled.poll(limit):
                    return jobs
                continue
            try:
                return await self._queued.fetch(limit)
            except (NotFound, PermissionDenied) as error:
                log.warning("%s; polling for jobs instead", error)
                self._is_queued, self._is_barred = False, isinstance(error, PermissionDenied)
        return []

    async def _look(self) -> None:
        now = time.monotonic()
        if self._is_barred or (self._looked is not None and now - self._looked < LOOK_AGAIN):
            return
        self._looked = now
        self._is_queued = await self._client.look(self._queue) is not None

    def stop(self) -> None:
        """See `Source.stop`."""
        self._stopped = True
        self._queued.stop()
        self._polled.stop()

    async def aclose(self) -> None:
        """See `Source.aclose`."""
        self.stop()
        await self._queued.aclose()
        await self._polled.aclose()

    async def release(self) -> None:
        """See `Source.release`."""
        await self._queued.release()


def source(
    client: Client,
    job_type: str,
    name: SourceName | None,
    queue: str | None,
    prefetch: int,
    **options: Unpack[JobOptions],
) -> Source:
    """The source of a worker's jobs.

    Args:
        client: an open client.
        job_type: the type.
        name: where they come from; None = from the queue where that is there, else by polls.
        queue: the queue; None = the type's.
        prefetch: how many jobs of the queue are here at a time.
        options: those of polls.

    Raises:
        ValueError: there is no such source, the type's queue must be named, or a queue is named for polls.
    """
    if name not in (None, "queue", "poll"):
        raise ValueError(f'source: expected "queue", "poll" or None, found {name!r}')
    if name == "poll" and queue is not None:
        raise ValueError(f"queue: expected none, since jobs are polled for, found {queue!r}")
    if queue is None and _has_queue(job_type):
        queue = job_queue(job_type)
    if name == "queue":
        if queue is None:
            raise ValueError(
                f"queue: missing; accepted: a name, because no queue can be named after the type {job_type!r}"
            )
        return QueuedJobs(client, queue, prefetch, waits=True)
    polled = Jobs(client, job_type, **options)
    if name == "poll" or queue is None:
        return polled
    return QueueOrPolls(client, queue, QueuedJobs(client, queue, prefetch, waits=False), polled)


def _has_queue(job_type: str) -> bool:
    """Whether the service would push jobs of a type to the queue of its name."""
    size = len(job_queue(job_type).encode("utf-8", "surrogatepass"))
    return job_type not in RESERVED and size <= wire.MAX_TEXT
