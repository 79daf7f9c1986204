"""The publishing of a reply, as a span and a measurement."""

from __future__ import annotations

import time
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Final

from consumer.core.delivery import Delivery, Reply
from consumer.telemetry import headers, names
from consumer.telemetry.metrics import Metrics
from consumer.telemetry.series import Counter, Histogram, Labels, Memo
from consumer.telemetry.spans import HotSpan
from consumer.telemetry.traces import Traces

__all__ = ["Publishing", "Replies"]


_SENDING: Final[Labels] = (
    (names.SYSTEM, names.RABBITMQ),
    (names.OPERATION_NAME, names.PUBLISH),
    (names.DESTINATION_TEMPLATE, names.REPLY),
)


class Replies:
    """Watches replies being published.

    Args:
        traces: makes the spans; None when tracing is off.
        metrics: takes the numbers.
    """

    def __init__(self, traces: Traces | None, metrics: Metrics) -> None:
        self.traces = traces
        sent, durations = metrics.counter(names.SENT), metrics.histogram(names.OPERATION_DURATION)
        self._sent: Memo[str | None, Counter] = Memo(lambda error: sent.at(_ended(error)))
        self._durations: Memo[str | None, Histogram] = Memo(lambda error: durations.at(_ended(error)))
        self._sent[None].value = 0

    def record_end(self, error: str | None, seconds: float) -> None:
        """A publish ended after `seconds`, with the name of its `error` if it failed."""
        self._sent[error].value += 1
        self._durations[error].record(seconds)


class Publishing(AbstractContextManager[dict[str, str]]):
    """Run the publishing of `reply` inside a span; gives the trace headers it must carry, in a new dict."""

    def __init__(self, replies: Replies, delivery: Delivery, reply: Reply) -> None:
        self._replies = replies
        self._delivery = delivery
        self._reply = reply
        self._span: HotSpan | None = None

    def __enter__(self) -> dict[str, str]:
        """Start the clock and the span."""
        self._started = time.perf_counter()
        traces = self._replies.traces
        if traces is None:
            return headers.read(self._delivery)
        self._span, carrier = traces.publish(self._delivery, self._reply)
        return carrier

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """End the span; what was raised is its error."""
        name = kind.__name__ if kind else None
        if self._span is not None:
            if name is not None:
                self._span.fail(name, names.ERROR_TYPE)
            self._span.end()
        self._replies.record_end(name, time.perf_counter() - self._started)


def _ended(error: str | None) -> Labels:
    return _SENDING if error is None else (*_SENDING, (names.ERROR_TYPE, error))
