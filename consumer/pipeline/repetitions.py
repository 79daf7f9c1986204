"""What is said of a request that came before: it runs, it ran, or nobody knows."""

from __future__ import annotations

from typing import Final

import msgspec

from consumer.core.delivery import Delivery, Reply
from zeebe_amqp import wire
from zeebe_amqp.errors import Code, CommandError, Error, Outcome, Source

__all__ = ["conflict", "crowded", "hedge", "hedge_refusal", "interrupted", "named", "not_kept"]

MAX_SHOWN: Final = 80
"""Characters of a request id in an error."""

_MAY_MEAN_DONE: Final = (Code.NOT_FOUND, Code.ALREADY_EXISTS, Code.FAILED_PRECONDITION)
_DID_IT: Final = "an earlier run of this request was cut off; this answer may mean that it did the work"
_MAY_HAVE_RUN: Final = "an earlier run of this request was cut off, and may have been executed"


def named(delivery: Delivery) -> str:
    """The request by what makes it the same as another one, for a message."""
    identity = delivery.request.identity
    if identity is not None:
        return f"answer {identity!r}"
    return f"request-id {_shown_id(delivery)}"


def _shown_id(delivery: Delivery) -> str:
    return repr(str(delivery.message.request_id)[:MAX_SHOWN])


def crowded(delivery: Delivery, waiting: int) -> CommandError:
    """It runs, and as many deliveries as may be wait for the end."""
    return CommandError(
        Code.RESOURCE_EXHAUSTED,
        f"{named(delivery)} is running, and {waiting} other deliveries "
        f"wait for its answer already; retry later. Send long-running requests to {wire.POLLS_QUEUE}",
        retryable=True,
        details={"field": "request-id", "suggestion": wire.POLLS_QUEUE},
    )


def conflict(delivery: Delivery) -> CommandError:
    """Its id belongs to another content."""
    if delivery.request.identity is not None:
        return CommandError(
            Code.ALREADY_EXISTS,
            f"correlation_id: {named(delivery)} came before, with different content; the first one counts",
            details={"field": "correlation_id"},
        )
    # What is idempotent leaves no entry when its outcome is unknown, so that the other one may have got the id then.
    again = delivery.answerable and delivery.message.redelivered and delivery.request.command.is_idempotent()
    return CommandError(
        Code.ALREADY_EXISTS,
        f"request-id: {_shown_id(delivery)} was used by another request with different content; "
        f"{'an earlier delivery of this one may have been executed; ' if again else ''}use a new id for a new request",
        outcome=Outcome.UNKNOWN if again else Outcome.NOT_EXECUTED,
        details={"field": "request-id"},
    )


def interrupted(delivery: Delivery) -> CommandError:
    """Its run was cut off, and it is not safe to repeat."""
    return CommandError(
        Code.ABORTED,
        f"an earlier run of {named(delivery)} was interrupted; "
        f"{delivery.request.operation} may have been executed and is not safe to repeat: check the engine, "
        "then send it with a new id",
        outcome=Outcome.UNKNOWN,
    )


def not_kept(delivery: Delivery, outcome: Outcome | None) -> CommandError:
    """The answer is gone; `outcome` is that of the error that it was."""
    name, operation = named(delivery), delivery.request.operation
    if outcome is Outcome.NOT_EXECUTED:
        return CommandError(
            Code.ABORTED,
            f"{name}: {operation} was answered with an error before, and not executed. That answer was "
            "not kept; send the request with a new id to see the error again",
            details={"executed": False},
        )
    if outcome is Outcome.UNKNOWN:
        return CommandError(
            Code.ABORTED,
            f"{name}: {operation} was answered before, and may have been executed. That answer was not "
            "kept; check the engine, then send the request with a new id",
            outcome=Outcome.UNKNOWN,
        )
    return CommandError(
        Code.ABORTED,
        f"{name}: {operation} was executed and answered before. That answer was not kept: it was too "
        "large, or newer ones needed its room",
        outcome=Outcome.UNKNOWN,
        details={"executed": True},
    )


def hedge(delivery: Delivery, reply: Reply) -> Reply:
    """The answer to a run that may not be the first one: what it says of itself says nothing of the one before.

    An answer that is remembered keeps its outcome, and says the rest in its details. So does one that nobody gets: a
    request whose outcome is unknown would be tried again here, also where that makes no sense.
    """
    error = reply.error
    if error is None or error.outcome is Outcome.UNKNOWN or _is_about_content(error):
        return reply
    note = _DID_IT if error.code in _MAY_MEAN_DONE else _MAY_HAVE_RUN
    stays = reply.is_final(delivery.request.command.is_idempotent()) or not delivery.answerable
    outcome = error.outcome if stays else Outcome.UNKNOWN
    details = {**(error.details or {}), "earlierRun": note}
    # Anew: of a reply that was encoded already, the body would stay.
    return Reply(reply.operation, reply.data, msgspec.structs.replace(error, outcome=outcome, details=details))


def hedge_refusal(delivery: Delivery, error: CommandError) -> CommandError:
    """The refusal that another delivery of the same request got, for one that may itself have run before."""
    if error.outcome is Outcome.UNKNOWN or not (delivery.answerable and delivery.message.redelivered):
        return error
    lost = error.code is Code.ALREADY_EXISTS and delivery.request.command.is_idempotent()
    if not lost and error.code is not Code.RESOURCE_EXHAUSTED:
        return error
    return CommandError(
        error.code,
        error.message.replace("not executed", "not run again"),
        source=error.source,
        outcome=Outcome.UNKNOWN,
        retryable=error.retryable,
        details={**(error.details or {}), "earlierRun": _MAY_HAVE_RUN},
    )


def _is_about_content(error: Error) -> bool:
    """Whether every run of the request ends with it before anything is sent."""
    late = error.code is Code.DEADLINE_EXCEEDED
    return error.source is Source.CONSUMER and not error.retryable and not late
