"""Locks that last as long as their jobs are worked on: they are made longer in time."""

from __future__ import annotations

import asyncio
import logging
import time
from datetime import timedelta
from typing import Final

from zeebe_amqp.client.job import Job

__all__ = ["Extension"]

log = logging.getLogger(__name__)

SHARE: Final = 2 / 3
"""How much of what is left of a lock passes before it is made longer."""


class Extension:
    """Keeps a job locked while it is worked on; a context manager around the handler.

    Args:
        job: a job that was just begun.
        step: how long it is locked each time, seconds.
        bound: how long after its begin it is kept at most, seconds; 0 = its lock is never made longer.
    """

    # Written out: whatever a handler raises must pass, and a generator changes some of it.
    def __init__(self, job: Job, step: float, bound: float) -> None:
        self._job = job
        self._step = step
        self._bound = bound
        self._task: asyncio.Task[None] | None = None

    def __enter__(self) -> None:
        """Begin to watch the lock."""
        if self._bound:
            end = time.time() + self._bound
            self._task = asyncio.get_running_loop().create_task(_extend(self._job, self._step, end))

    def __exit__(self, *_: object) -> None:
        """The handler has ended."""
        if self._task is not None:
            self._task.cancel()


async def _extend(job: Job, step: float, end: float) -> None:
    while (left := job.deadline - time.time()) > 0:
        await asyncio.sleep(left * SHARE)
        if job.settled:
            return
        seconds = min(step, end - time.time())
        if time.time() + seconds <= job.deadline:
            log.warning("%r: its handler takes too long: its lock is not made longer any more", job)
            return
        try:
            await job.extend(timedelta(seconds=seconds))
        except Exception as error:  # the client may be closed, too
            log.warning("%r: its lock cannot be made longer: %s", job, error)
            return
