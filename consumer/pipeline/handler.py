"""The path of a request: from a delivery to a reply, as wrappers around one dispatch.

Each wrapper takes a handler and returns one. Errors are raised below `recovered` and are replies above it.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from typing import Protocol

from google.protobuf.message import Message

from consumer.core.message import Handler, Incoming, Reply, RestRequest
from consumer.core.requeue import Requeue
from consumer.zeebe.operations import OPERATIONS, Operation
from consumer.zeebe.operations.keys import refuse_impossible
from zeebe_amqp.envelope import Request
from zeebe_amqp.errors import Code, CommandError, Error, Outcome, Source

__all__ = ["Caller", "dispatched", "guarded", "recovered"]

log = logging.getLogger(__name__)


class Caller(Protocol):
    """The one funnel to the engines, as the handler needs it; `consumer.zeebe.Gateway` is one for protobuf."""

    async def call(
        self, message: Message | RestRequest, *, deadline: float | None, attempt_timeout: float | None, idempotent: bool
    ) -> object:
        """Send `message` to its RPC and return the response (for a stream the list of responses)."""


def dispatched(
    gateway: Caller,
    clock: Callable[[], float] = time.time,
    operations: Mapping[str, Operation] = OPERATIONS,
    version: Callable[[], str | None] = lambda: None,
) -> Handler:
    """The innermost handler: decode, map, call the gateway, map back; `version` is the gateway's where it is known."""

    async def dispatch(incoming: Incoming) -> Reply:
        request = incoming.request
        operation = operations[request.operation]
        _refuse_past(incoming.deadline, clock())
        message = operation.to_request(request.command)
        if isinstance(message, Message):
            refuse_impossible(message)
        incoming.called = True
        try:
            answer = await gateway.call(
                message,
                deadline=incoming.deadline,
                attempt_timeout=operation.attempt_timeout(request.command),
                idempotent=operation.idempotent(request.command),
            )
        except CommandError as error:
            raise _explained(_placed(error, operation, request), operation) from error
        return Reply(request.operation, operation.to_result(answer, request.keys_as_text, version()))

    return dispatch


def _refuse_past(deadline: float | None, now: float) -> None:
    if deadline is not None and deadline <= now:
        late = round((now - deadline) * 1000)
        raise CommandError(
            Code.DEADLINE_EXCEEDED,
            f"the header deadline passed {late} ms before the command could start; it was not executed",
            details={"field": "deadline"},
        )


def _placed(error: CommandError, operation: Operation, request: Request) -> CommandError:
    """The error with the field named where the caller wrote it: a file's tenant stands in the metadata."""
    field = str((error.details or {}).get("field", ""))
    name = field.removeprefix("data.")
    if name in operation.in_metadata and name in request.metadata:
        error.message = error.message.replace(field, f"metadata.{name}", 1)
        error.details = {**(error.details or {}), "field": f"metadata.{name}"}
    return error


def _explained(error: CommandError, operation: Operation) -> CommandError:
    if operation.when_late and error.code is Code.DEADLINE_EXCEEDED and error.outcome is Outcome.UNKNOWN:
        error.message = f"{error.message}; {operation.when_late}"
    return error


def guarded(handler: Handler, refusal: Callable[[Incoming], str | None]) -> Handler:
    """Run only what may be answered: `refusal` says why a delivery's properties forbid to run it, or None."""

    async def guard(incoming: Incoming) -> Reply:
        if incoming.malformed_properties:
            raise CommandError(
                Code.INVALID_ARGUMENT, f"not AMQP: {'; '.join(incoming.malformed_properties)}; the message was not run"
            )
        reason = refusal(incoming)
        if reason is not None:
            raise CommandError(Code.PERMISSION_DENIED, reason, details={"field": "reply_to"})
        return await handler(incoming)

    return guard


def recovered(handler: Handler, trace_id: Callable[[Incoming], str | None] = lambda _: None) -> Handler:
    """Turn errors into replies: what was refused as it says, a defect of ours as INTERNAL without its inside."""

    async def recover(incoming: Incoming) -> Reply:
        try:
            return await handler(incoming)
        except CommandError as error:
            return Reply(_operation(incoming, error), error=error.error())
        except Requeue:  # no answer, and no defect: for the lane
            raise
        except Exception:
            trace = trace_id(incoming) or "none"
            log.exception("defect while handling a request", extra={"trace_id": trace})
            return Reply(_operation(incoming, None), error=_defect(incoming, trace))

    return recover


def _operation(incoming: Incoming, error: CommandError | None) -> str | None:
    if error is not None and error.operation is not None:
        return error.operation
    try:
        return incoming.request.operation
    except CommandError as refusal:
        return refusal.operation
    except Exception:  # decoding itself is what broke
        return None


def _defect(incoming: Incoming, trace: str) -> Error:
    return Error(
        code=Code.INTERNAL,
        message=f"the consumer failed on this request; its log has the details under trace id {trace}",
        source=Source.CONSUMER,
        outcome=Outcome.UNKNOWN if incoming.called else Outcome.NOT_EXECUTED,
        retryable=False,
    )
