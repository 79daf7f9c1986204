"""Where jobs come from: an engine, of which the service asks jobs of one type."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from consumer.config.settings import JobType
from zeebe_amqp.commands.jobs import ActivatedJob

__all__ = ["JobSource"]


class JobSource(Protocol):
    """Gives out jobs. What it gave is locked until the deadline of the job."""

    async def activate(self, job_type: JobType, number: int, wait: float) -> Sequence[ActivatedJob]:
        """Jobs of a type, as soon as there are any; none when the engine has none by then.

        Args:
            job_type: which.
            number: how many, at most.
            wait: seconds in which the engine may answer that there are none.

        Raises:
            CommandError: the engine refuses, or is away.
        """

    async def stream(self, job_type: JobType, take: Callable[[ActivatedJob], None]) -> None:
        """Have jobs of a type pushed until the engine ends it; whoever wants an end before that cancels it.

        Args:
            job_type: which.
            take: is given each job as it comes; returns at once.

        Raises:
            CommandError: the engine refuses, or the stream broke; UNIMPLEMENTED where the engine pushes no jobs.
        """
