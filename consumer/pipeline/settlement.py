"""How a handled delivery is settled: one pure table."""

from __future__ import annotations

import random
from collections.abc import Callable
from enum import Enum
from typing import Final

from zeebe_amqp.backoff import backoff
from zeebe_amqp.errors import Code, Error, Outcome, Source
from zeebe_amqp.reply import Reply

__all__ = ["MAX_PAUSE", "MAX_WAIT", "Settlement", "pause", "settle"]


MAX_PAUSE: Final = 30.0
"""Seconds between two tries of a request that nobody waits for, at most."""

MAX_WAIT: Final = 600.0
"""Seconds that a request waits here for the gateway; then its queue keeps it, which costs nobody anything."""

MAX_HOLD: Final = 1500.0
"""Seconds that a request stays unacked, at most: the broker closes the channel of who holds one for 30 minutes."""


_NEVER_AGAIN: Final = frozenset({Code.ABORTED, Code.FAILED_PRECONDITION})
"""What we say of an answer that came before and is not kept, and of one whose job somebody else has by now. Whether an
attempt before that was executed may not be known; another one will not be made."""


class Settlement(Enum):
    """What to do with a delivery whose handling ended."""

    REPLY = "publish the reply, then ack"
    ACK = "ack; nobody waits for an answer"
    DEAD = "publish to the dead-letter exchange, then ack"
    AGAIN = "run it again after a pause; it stays unacked"
    BACK = "back into its queue; it was held for long enough"


def settle(
    reply: Reply, *, answerable: bool, idempotent: bool, waited: float, forget_retry: float, is_answer: bool = False
) -> Settlement:
    """Decide how a delivery is settled.

    Args:
        reply: how handling ended.
        answerable: whether the request has a `reply_to` that replies may go to.
        idempotent: whether running the command twice is harmless.
        waited: seconds since the first try.
        forget_retry: seconds for which a request that nobody waits for is tried again.
        is_answer: whether it says how a job ended. Refused for good it needs nobody's attention, and so is no dead
            letter: the job has ended otherwise, or comes again.
    """
    if answerable:
        return Settlement.REPLY
    if reply.error is None:
        return Settlement.ACK
    if _waits_for_gateway(reply.error):
        return Settlement.AGAIN if waited < MAX_WAIT else Settlement.BACK
    if is_answer and _is_refused(reply.error):
        return Settlement.ACK
    if _is_crowded(reply.error) and not is_answer:
        return Settlement.DEAD
    if _may_run_again(reply.error, idempotent) and waited < forget_retry:
        return Settlement.AGAIN if waited < MAX_HOLD else Settlement.BACK
    return Settlement.DEAD


def _waits_for_gateway(error: Error) -> bool:
    """The gateway is away or refuses for load: everything waits, so this request waits too."""
    # That it is away we may say ourselves, of a proxy that answers in its place; its load only it knows.
    away = error.code is Code.UNAVAILABLE
    refuses = error.code is Code.RESOURCE_EXHAUSTED and error.source is Source.GATEWAY
    return error.retryable and error.outcome is Outcome.NOT_EXECUTED and (away or refuses)


def _is_crowded(error: Error) -> bool:
    """We refused it, so that it holds no place that others need: trying it again here would hold one."""
    return error.source is Source.CONSUMER and error.code is Code.RESOURCE_EXHAUSTED


def _is_refused(error: Error) -> bool:
    """Whether it was not executed and never will be, or had been executed before."""
    if error.source is Source.CONSUMER and error.code in _NEVER_AGAIN:
        return True
    is_defect = error.source is Source.CONSUMER and error.code is Code.INTERNAL
    return error.outcome is Outcome.NOT_EXECUTED and not error.retryable and not is_defect


def _may_run_again(error: Error, idempotent: bool) -> bool:
    if error.outcome is Outcome.UNKNOWN:
        return idempotent
    return error.retryable


def pause(attempt: int, random: Callable[[], float] = random.random) -> float:
    """Seconds to wait before try `attempt` + 1 (attempts count from 1): doubling, capped, with jitter.

    `random` gives numbers from 0 to 1.
    """
    return backoff(attempt, 1.0, MAX_PAUSE, random=random)
