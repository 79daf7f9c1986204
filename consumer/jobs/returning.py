"""Which jobs are given back to the engine, and how: pure decisions."""

from __future__ import annotations

from typing import Final

from consumer.jobs.job_queues import NotTaken, Unwritable
from consumer.ledger import LedgerError
from zeebe_amqp.commands import FailJob
from zeebe_amqp.commands.jobs import ActivatedJob
from zeebe_amqp.schema.formatting import printable, truncate

__all__ = ["MIN_LEFT", "has_time", "to_return"]

MIN_LEFT: Final = 1.0
"""Seconds that a job must have left when it is given out: with less nobody can work it."""
MAX_REASON: Final = 500
"""Characters of the reason that the engine gets."""


def has_time(job: ActivatedJob, now: float) -> bool:
    """Whether a worker may still end a job before the engine gives it to somebody else."""
    return job.deadline / 1000 - now >= MIN_LEFT


def to_return(job: ActivatedJob, error: Exception) -> FailJob | None:
    """The command that gives back a job which was not given out; None where it may be in the queue.

    A worker may have such a job already. Giving it back would let another one have it as well, so its time runs out
    instead.

    Args:
        job: the job.
        error: what kept it from its queue.
    """
    if isinstance(error, Unwritable):
        # It would come again and be as little writable as before: somebody has to see it.
        return FailJob(job_key=job.key, retries=0, error_message=_reason("the job does not fit into a message", error))
    if isinstance(error, NotTaken | LedgerError):
        return FailJob(job_key=job.key, retries=job.retries, error_message=_reason("the job was not published", error))
    return None


def _reason(words: str, error: Exception) -> str:
    return printable(truncate(f"{words}: {error}", MAX_REASON))
