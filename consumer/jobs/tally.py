"""What is counted of an answer: one pure table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, TypeAlias

from consumer.core.delivery import Reply
from consumer.jobs.answers import DELIVERY_LIMIT, EXPIRED, REJECTED, UNUSABLE, Answer
from zeebe_amqp.errors import Code, Error, Source
from zeebe_amqp.jobs.answers import Outcome

__all__ = ["BACK", "INSTEAD", "OUTCOMES", "REFUSALS", "Counter", "tally"]

Counter: TypeAlias = tuple[str, Mapping[str, str]]
"""The name of a counter and its labels."""

INSTEAD: Final = "instead"
"""In the details of a refusal: the command that was executed in the place of the one that was refused."""
OUTCOMES: Final = (*(outcome.value for outcome in Outcome), UNUSABLE)
"""How answers end jobs, as the counter of them says."""
BACK: Final = (REJECTED, DELIVERY_LIMIT)
"""Why jobs come back and are failed, as the counter of them says."""
_FORGED: Final = "forged"
_DOUBLED: Final = "doubled"
_REFUSED: Final = "rejected"
REFUSALS: Final = (_FORGED, _DOUBLED, _REFUSED)
"""Why answers are not executed, as the counter of them says."""
_UNKNOWN_TYPE: Final = "unknown"


def tally(reply: Reply, answer: Answer | None) -> Counter | None:
    """What to count for the end of one run; None for what was counted before, or is run again.

    Args:
        reply: how it ended.
        answer: what it was; None for what could not be read.
    """
    error = reply.error
    if answer is None:
        found = None if error is None else (error.details or {}).get("field")
        return "jobs.refused", {"reason": _FORGED if found == "correlation_id" else _REFUSED}
    of = {"type": answer.job_type or _UNKNOWN_TYPE}
    if error is None:
        return None if reply.replayed else _done(answer.outcome, of)
    if error.retryable:
        return None
    if INSTEAD in (error.details or {}):
        return None if reply.replayed else ("jobs.answered", {**of, "outcome": UNUSABLE})
    if error.source is Source.CONSUMER:
        return _refused_here(error, answer.outcome, of)
    return "jobs.refused", {"reason": _REFUSED}


def _done(outcome: str, of: Mapping[str, str]) -> Counter:
    if outcome in BACK:
        return "jobs.undone", {**of, "reason": outcome}
    return "jobs.answered", {**of, "outcome": outcome}


def _refused_here(error: Error, outcome: str, of: Mapping[str, str]) -> Counter:
    if error.code is Code.FAILED_PRECONDITION:
        return "jobs.late", of
    if error.code is Code.DEADLINE_EXCEEDED and outcome == EXPIRED:
        return "jobs.expired", of
    return "jobs.refused", {"reason": _DOUBLED if error.code in (Code.ALREADY_EXISTS, Code.ABORTED) else _REFUSED}
