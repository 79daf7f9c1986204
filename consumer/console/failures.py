"""The last requests that failed, as far as the log would tell of them."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from consumer.core.delivery import Delivery, Reply
from consumer.jobs.signed_id import hide_signature
from consumer.pipeline.ending import Ending, Report
from consumer.telemetry.logs import mask
from zeebe_amqp import wire
from zeebe_amqp.schema.formatting import truncate

__all__ = ["KEPT", "Failure", "RecentFailures"]

KEPT: Final = 50
"""How many are kept."""
MAX_REASON: Final = 300
"""Characters of an error's text, which may quote the caller's document."""
_FATES: Final = {Ending.DEAD_LETTERED: "dead letter", Ending.DROPPED: "reply dropped", Ending.RETURNED: "comes again"}


@dataclass(frozen=True)
class Failure:
    """One request that failed; None for what is not known."""

    at: float
    """When it ended, seconds since 1970."""
    operation: str | None
    code: str
    message: str
    outcome: str
    queue: str
    user: str | None
    request_id: str | None
    trace_id: str | None
    seconds: float
    """From its arrival to its end."""
    fate: str
    """What became of it."""


class RecentFailures:
    """A `consumer.pipeline.ending.Report` that keeps the newest failures, beside the one that it hands everything to.

    Args:
        report: is told of each request.
        trace_id: the trace that a request belongs to.
    """

    def __init__(self, report: Report, trace_id: Callable[[Delivery], str | None]) -> None:
        self._report = report
        self._trace_id = trace_id
        self._kept: deque[Failure] = deque(maxlen=KEPT)
        self.total = 0
        """How many there were."""

    def __call__(self, delivery: Delivery, reply: Reply, ending: Ending, reason: str = "") -> None:
        """See `Report`."""
        self._report(delivery, reply, ending, reason)
        if reply.error is not None or ending is Ending.DROPPED:
            self.total += 1
            self._kept.appendleft(self._failure(delivery, reply, ending, reason))

    def newest(self) -> list[Failure]:
        """The newest first."""
        return list(self._kept)

    def _failure(self, delivery: Delivery, reply: Reply, ending: Ending, reason: str) -> Failure:
        message, error, now = delivery.message, reply.error, time.time()
        request_id = hide_signature(message.known_request_id)
        return Failure(
            at=now,
            operation=None if reply.operation is None else reply.operation[: wire.MAX_NAME],
            code="OK" if error is None else error.code.value,
            # Masked before it is cut: half a password is not known for one.
            message=truncate(mask(reason if error is None else error.message), MAX_REASON),
            outcome="executed" if error is None else error.outcome.value,
            queue=message.queue,
            user=message.user_id,
            request_id=request_id,
            trace_id=self._trace_id(delivery),
            seconds=max(now - message.received, 0.0),
            fate=_FATES.get(ending) or ("answered" if message.reply_to else "ended"),
        )
