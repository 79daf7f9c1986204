"""Where jobs come from: an engine, of which the service asks jobs of one type."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Final, NamedTuple, Protocol

from consumer.config.settings import JobType
from zeebe_amqp.commands.jobs import ActivatedJob

__all__ = ["NO_TRACE", "Fetched", "JobSource"]

NO_TRACE: Final[Mapping[str, str]] = MappingProxyType({})
"""The trace context where there is none."""


class Fetched(NamedTuple):
    """Jobs that an engine gave out."""

    jobs: Sequence[ActivatedJob]
    trace: Mapping[str, str] = NO_TRACE
    """The trace context of the call that brought them; empty without one."""


class JobSource(Protocol):
    """Gives out jobs. What it gave is locked until the deadline of the job."""

    async def activate(self, job_type: JobType, number: int, wait: float) -> Fetched:
        """Jobs of a type, as soon as there are any; none when the engine has none by then.

        Args:
            job_type: which.
            number: how many, at most.
            wait: seconds in which the engine may answer that there are none.

        Raises:
            CommandError: the engine refuses, or is away.
        """

    async def stream(self, job_type: JobType, take: Callable[[ActivatedJob], Awaitable[None] | None]) -> None:
        """Have jobs of a type pushed until the engine ends it; whoever wants an end before that cancels it.

        Args:
            job_type: which.
            take: is given each job as it comes; the next one is read when what it returns, if anything, is done.

        Raises:
            CommandError: the engine refuses, or the stream broke; UNIMPLEMENTED where the engine pushes no jobs.
        """
