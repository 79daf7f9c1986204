"""A request on its way, and the errors that it may end with on the caller's side."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from zeebe_amqp.client.answers import failure
from zeebe_amqp.client.transport import Outgoing, QueueState
from zeebe_amqp.errors import Code, CommandError, Outcome

__all__ = ["Pending"]


@dataclass(slots=True, eq=False)
class Pending:
    """A request on its way; `answer` gets the reply's body, or nothing when a confirm is all it waits for."""

    request: Outgoing
    answer: asyncio.Future[bytes]
    operation: str | None
    sent: bool = False
    """Whether it may have arrived."""
    problem: str = ""
    """Why it could not be sent when that was tried last."""

    def fail(self, error: Exception) -> None:
        """End it with an error, unless it has ended."""
        if isinstance(error, CommandError):
            error.request_id = self.request.request_id
        if not self.answer.done():
            self.answer.set_exception(error)

    def denied(self, reason: str, code: Code, *, retryable: bool = False) -> CommandError:
        """The broker does not let us."""
        # What was sent before the broker refused may have been executed.
        outcome = Outcome.UNKNOWN if self.sent else Outcome.NOT_EXECUTED
        return failure(code, reason, self.operation, outcome=outcome, retryable=retryable)

    def no_queue(self, sent: bool) -> CommandError:
        """Its queue is not there; `sent` says whether an earlier attempt may have arrived, in one deleted since."""
        message = f"queue {self.request.queue!r} does not exist: the service declares it when it starts"
        outcome = Outcome.UNKNOWN if sent else Outcome.NOT_EXECUTED
        return failure(Code.UNAVAILABLE, message, self.operation, outcome=outcome, retryable=True)

    def refused(self) -> CommandError:
        """Its queue takes no more."""
        message = f"the broker rejected the request: queue {self.request.queue!r} is full or has failed"
        return failure(Code.RESOURCE_EXHAUSTED, message, self.operation, retryable=True)

    def too_late(self, seconds: float, queue: QueueState | None) -> CommandError:
        """Nobody answered in time; under the same request id it can be sent again without harm."""
        if not self.sent:
            why = f": {self.problem}" if self.problem else ""
            message = f"no connection to the broker within {seconds:g} s, nothing was sent{why}"
            return failure(Code.UNAVAILABLE, message, self.operation, outcome=Outcome.NOT_EXECUTED, retryable=True)
        if not self.request.replied:
            message = f"no confirm from the broker within {seconds:g} s"
            return failure(Code.DEADLINE_EXCEEDED, message, self.operation, retryable=True)
        message = f"no answer within {seconds:g} s"
        if queue is None:
            return failure(Code.DEADLINE_EXCEEDED, message, self.operation, retryable=True)
        return self._unanswered(message, queue)

    def _unanswered(self, message: str, queue: QueueState) -> CommandError:
        """Whether anybody is there to answer makes the difference."""
        name, facts = self.request.queue, f"{queue.consumers} consumers, {queue.waiting} requests wait"
        details = {"queue": name, "consumers": queue.consumers, "waiting": queue.waiting}
        if queue.consumers:
            message += f" (queue {name!r}: {facts})"
            return failure(Code.DEADLINE_EXCEEDED, message, self.operation, retryable=True, details=details)
        # Not certainly: a consumer may have had it, and have died before it answered.
        fate = (
            "as far as can be known from here, it was not executed"
            if queue.waiting
            else "nothing waits there any more, so it may have been taken, and executed"
        )
        message += (
            f": no consumer takes from queue {name!r} ({facts}), so the service is down, or pauses because the engine "
            f"is away; {fate}"
        )
        return failure(Code.UNAVAILABLE, message, self.operation, retryable=True, details=details)
