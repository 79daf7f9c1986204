"""A logical call to the gateway, as a span and a measurement."""

from __future__ import annotations

import time
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Any, Final
from urllib.parse import urlsplit

from opentelemetry.trace import SpanKind, get_current_span
from opentelemetry.trace.status import StatusCode

from consumer.telemetry import names
from consumer.telemetry.metrics import Metrics
from consumer.telemetry.series import Histogram, Labels, Memo
from consumer.telemetry.spans import HotSpan, Spans, carried

__all__ = ["Call", "Calls", "outcome", "server"]


_OK: Final = "OK"
_CANCELLED: Final = "CANCELLED"


class Calls:
    """Watches calls to the engines.

    Args:
        spans: makes the spans; None when tracing is off.
        metrics: takes the durations and the retries.
    """

    def __init__(self, spans: Spans | None, metrics: Metrics) -> None:
        self.spans = spans
        self._retries = metrics.counter(names.RETRIES)
        durations = metrics.histogram(names.CALL_DURATION)
        self.labels: Memo[tuple[str, str], Labels] = Memo(lambda key: _labels(*key))
        self._histograms: Memo[tuple[Labels, str, str | None], Histogram] = Memo(
            lambda key: durations.at((*key[0], *outcome(key[1], key[2])))
        )

    def record_retry(self, rpc: str, status: str) -> None:
        """An attempt ended with `status` and another follows."""
        self._retries.at(((names.RPC_METHOD, names.method(rpc)), (names.RPC_STATUS, status))).value += 1

    def record_end(self, labels: Labels, status: str, error: str | None, seconds: float) -> None:
        """A call ended after `seconds`."""
        self._histograms[labels, status, error].record(seconds)


class Call(AbstractContextManager["Call"]):
    """One call of `rpc` to `target`; see `consumer.core.call.CallSpan`."""

    def __init__(self, calls: Calls, rpc: str, target: str) -> None:
        self.metadata: tuple[tuple[str, str], ...] = ()
        self._calls = calls
        self._rpc = rpc
        self._labels = calls.labels[rpc, target]
        self._span: HotSpan | None = None
        self._finished = False

    def __enter__(self) -> Call:
        """Start the clock and the span."""
        self._started = time.perf_counter()
        if self._calls.spans is not None:
            self._span = _begin(self._calls.spans, names.method(self._rpc), dict(self._labels))
            self.metadata = tuple(carried(self._span.get_span_context()).items())
        return self

    def attempt(self, number: int, code: str, delay: float) -> None:
        """Attempt `number` ended with `code` and another follows after `delay` seconds."""
        status = str(code)
        self._calls.record_retry(self._rpc, status)
        if self._span is not None:
            self._span.add_event(
                names.ATTEMPT, {names.ATTEMPT_NUMBER: number, names.ATTEMPT_DELAY: delay, names.RPC_STATUS: status}
            )

    def finish(self, code: str) -> None:
        """The call ended with the gRPC status name `code`; the first word counts."""
        if not self._finished:
            status = str(code)
            self._end(status, None if status == _OK else status)

    def discard(self) -> None:
        """Leave no span; what is measured stays."""
        self._span = None

    def _end(self, status: str, error: str | None) -> None:
        self._finished = True
        if self._span is not None:
            if error is not None:
                self._span.set_status(StatusCode.ERROR)
            self._span.set_attributes(dict(outcome(status, error)))
        self._calls.record_end(self._labels, status, error, time.perf_counter() - self._started)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """End the span; a call that was never finished was cut off."""
        if not self._finished:
            self._end(_CANCELLED, kind.__name__ if kind else _CANCELLED)
        if self._span is not None:
            self._span.end()


def _begin(spans: Spans, name: str, attributes: dict[str, Any]) -> HotSpan:
    """The span of a call, below the current one where there is any."""
    parent = get_current_span().get_span_context()
    if parent.is_valid:
        return spans.child(name, SpanKind.CLIENT, parent, attributes)
    return spans.root(name, SpanKind.CLIENT, None, attributes)


def outcome(status: str, error: str | None) -> Labels:
    """The attributes of a call that ended."""
    labels: Labels = ((names.RPC_STATUS, status),)
    return labels if error is None else (*labels, (names.ERROR_TYPE, error))


def _labels(rpc: str, target: str) -> Labels:
    system = names.CAMUNDA7 if names.is_rest(rpc) else names.GRPC
    return ((names.RPC_SYSTEM, system), (names.RPC_METHOD, names.method(rpc)), *server(target).items())


def server(target: str) -> dict[str, str | int]:
    """`server.address` and, where there is one, `server.port` of a target: "host:port", "dns:///host:port" …"""
    path = target.rpartition("/")[2]
    if path.startswith(("ipv4:", "ipv6:", "dns:", "unix:")):
        path = path.partition(":")[2]
    try:
        found = urlsplit(f"//{path}")
        host, port = found.hostname, found.port
    except ValueError:
        host, port = None, None
    address = {names.SERVER_ADDRESS: host or target}
    return {**address, names.SERVER_PORT: port} if port else {**address}
