"""A job in the hands of a worker, wherever it came from."""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from collections.abc import Mapping
from contextlib import AbstractContextManager
from functools import cached_property
from itertools import count
from typing import Any, Final, Protocol, TypeVar, overload

import msgspec

from zeebe_amqp.backoff import backoff
from zeebe_amqp.commands import Command, CompleteJob, FailJob, ThrowError, UpdateJobTimeout
from zeebe_amqp.commands.jobs import ActivatedJob
from zeebe_amqp.errors import Retryable
from zeebe_amqp.schema.fields import Duration, milliseconds

__all__ = ["FIRST_PAUSE", "GIVEN_BACK", "MAX_PAUSE", "Job", "Settlement"]

log = logging.getLogger(__name__)

T = TypeVar("T")

GIVEN_BACK: Final = "given back: the worker stopped before it began"
"""The error message of jobs that were fetched, but not begun."""
FIRST_PAUSE: Final = 0.5
"""Seconds between two attempts at first, at most, while they fail."""
MAX_PAUSE: Final = 30.0
"""Seconds between two attempts at most, while they fail."""


class Settlement(Protocol):
    """How the end of one job is told: by a command, or by an answer to the message that it came in."""

    def working(self, job: Job, /) -> AbstractContextManager[None]:
        """What surrounds all the work on the job."""

    async def tell(self, command: Command[None], identity: str, /) -> None:
        """Tell what becomes of it; under the same identity that is told once, however often it is tried.

        Raises:
            CommandError: it could not be told, or it was refused.
        """

    def requeue(self) -> bool:
        """Return it as it was; false where the engine has to be told."""


class Job:
    """A job that this worker has locked. Complete it, fail it or throw an error in it, once.

    `activated` holds everything that the engine sent about it, `settlement` tells how it ends.
    """

    def __init__(self, activated: ActivatedJob, settlement: Settlement) -> None:
        self.activated = activated
        self.settlement = settlement
        self.settled = False
        """Whether it was completed, failed, ended by an error, or returned."""
        self.deadline = activated.deadline / 1000
        """When the lock ends, in seconds since 1970."""

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

    async def extend(self, lock: Duration) -> None:
        """Keep the lock for so long from now.

        Raises:
            CommandError: as `complete`.
        """
        until = time.time() + milliseconds(lock) / 1000
        await self._tell(UpdateJobTimeout(job_key=self.key, timeout=lock))
        self.deadline = until

    async def requeue(self) -> None:
        """Return the job at once, with its retries unchanged, for somebody else to work.

        Raises:
            CommandError: as `complete`.
        """
        if not self.settlement.requeue():
            await self.fail(GIVEN_BACK, retries=self.retries)
        self.settled = True

    async def _settle(self, command: Command[None]) -> None:
        await self._tell(command)
        self.settled = True

    async def _tell(self, command: Command[None]) -> None:
        """Tell it, again while that may help and the job is ours: else the work was for nothing."""
        identity = uuid.uuid4().hex
        for failures in count(1):
            try:
                await self.settlement.tell(command, identity)
            except Retryable as error:
                pause = backoff(failures, FIRST_PAUSE, MAX_PAUSE)
                if time.time() + pause >= self.deadline:
                    raise
                log.warning("%r: %s; next try in %.1f s", self, error, pause)
                await asyncio.sleep(pause)
            else:
                return
