"""Traces, metrics and logs: what the service says about itself."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor, SpanExporter

from consumer.core.delivery import Delivery, Handler, Reply
from consumer.telemetry import exporters, headers, names
from consumer.telemetry.calls import Call, Calls
from consumer.telemetry.exporters import TelemetryError
from consumer.telemetry.jobs import JobPublishing, Jobs
from consumer.telemetry.metrics import Metrics
from consumer.telemetry.replies import Publishing, Replies
from consumer.telemetry.requests import Requests
from consumer.telemetry.series import Histogram, Label, Labels, Memo, read
from consumer.telemetry.spans import Spans, carried
from consumer.telemetry.traces import Trace, Traces
from zeebe_amqp import wire
from zeebe_amqp.commands.jobs import ActivatedJob

if TYPE_CHECKING:
    from opentelemetry.sdk.metrics.export import MetricExporter

__all__ = ["Telemetry", "TelemetryError", "setup"]

log = logging.getLogger(__name__)

_NO_CONTEXT: Final[Mapping[str, str]] = MappingProxyType({})


def setup(
    environ: Mapping[str, str],
    *,
    version: str,
    spans: SpanExporter | None = None,
    metrics: MetricExporter | None = None,
) -> Telemetry:
    """Build what the `OTEL_*` variables ask for.

    Args:
        environ: the environment; without an OTLP endpoint in it nothing is traced or sent.
        version: of this service.
        spans: exporter to use instead of the environment's, span by span.
        metrics: exporter to use instead of the environment's.

    Raises:
        TelemetryError: a variable has a value that is not accepted.
    """
    active = not exporters.disabled(environ)
    resource = exporters.resource(environ, version)
    made = _spans(environ, resource, spans, version) if active else None
    if active and metrics is None:
        metrics = exporters.metric_exporter(environ)
    temporality = exporters.temporality(environ) if metrics is not None else None
    return Telemetry(made, Metrics(resource, metrics, temporality, active=active))


def _spans(environ: Mapping[str, str], resource: Resource, injected: SpanExporter | None, version: str) -> Spans | None:
    exporter = injected or exporters.span_exporter(environ)
    if exporter is None:
        return None
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    processor = SimpleSpanProcessor(exporter) if injected else BatchSpanProcessor(exporter)
    return Spans(provider, processor, names.SCOPE, version)


class Telemetry:
    """Everything that watches requests; made by `setup`.

    Args:
        spans: makes them; None when tracing is off, and then a request's own trace headers only pass through.
        metrics: the numbers.
    """

    def __init__(self, spans: Spans | None, metrics: Metrics) -> None:
        self._spans = spans
        self._metrics = metrics
        self._traces = Traces(spans) if spans else None
        self._requests = Requests(metrics)
        self._replies = Replies(self._traces, metrics)
        self._jobs = Jobs(spans)
        self._calls = Calls(spans, metrics)
        self._durations: Memo[tuple[str, Labels], Histogram] = Memo(
            lambda key: metrics.histogram(names.own(key[0])).at(tuple(sorted(key[1])))
        )

    def traced(self, handler: Handler) -> Handler:
        """Run `handler` inside a span; the handler itself when tracing is off."""
        return self._traces.traced(handler) if self._traces else handler

    def measured(self, handler: Handler) -> Handler:
        """Count and time what `handler` does."""
        return self._requests.measured(handler)

    def calling(self, rpc: str, target: str) -> Call:
        """Watch a call to the gateway; a `consumer.core.call.CallObserver`."""
        return Call(self._calls, rpc, target)

    def carried(self, delivery: Delivery) -> dict[str, str]:
        """The `traceparent` and `tracestate` for what is done for a request: of its handling, or with tracing off those
        that it brought; empty without a trace."""
        if isinstance(delivery.trace, Trace):
            return carried(delivery.trace.context)
        found = headers.read(delivery)
        found.pop(wire.BAGGAGE, None)
        return found

    def publishing(self, delivery: Delivery, reply: Reply) -> Publishing:
        """Watch the publishing of a reply; as a context manager it gives the trace headers the reply must carry.

        They are a new dict: `traceparent`, `tracestate`, `baggage`, as far as there are any.
        """
        return Publishing(self._replies, delivery, reply)

    def publishing_job(
        self, variable: str, job: ActivatedJob, queue: str, fetched: Mapping[str, str] = _NO_CONTEXT
    ) -> JobPublishing:
        """Watch the publishing of a job; as a context manager it gives the trace headers that the message must carry.

        Args:
            variable: of the job's variables the one that carries its trace; what else may stand there is no trace.
            job: as the engine gave it out.
            queue: where it is published.
            fetched: the context of the call that fetched the job, `traceparent` and `tracestate`.
        """
        return self._jobs.publishing(variable, job, queue, fetched)

    def count(self, name: str, **attributes: str | bool | int | float) -> None:
        """Add to a counter of ours: `count("dead_lettered", queue="zeebe.commands")` is `zeebe_amqp.dead_lettered`."""
        self._metrics.counter(names.own(name)).at(_labels(attributes)).value += 1

    def record(self, name: str, seconds: float, **attributes: str | bool | int | float) -> None:
        """Add to a duration histogram of ours, such as "ledger.duration"."""
        self._durations[name, tuple(attributes.items())].record(seconds)

    def gauge(self, name: str, callback: Callable[[], float], **attributes: str | bool | int | float) -> None:
        """Show what `callback` returns as a metric of ours, such as "in_flight"; it may be called from any thread."""
        self._metrics.gauge(names.own(name), callback, _labels(attributes))

    def facts(self, name: str, facts: Callable[[], Mapping[str, str | int]]) -> None:
        """Show facts as labels of a metric of ours that is always 1; nothing is shown while there are none."""
        self._metrics.facts(names.own(name), facts)

    def counted(self, name: str, source: Callable[[], float], **labels: str) -> None:
        """Show as a counter of ours what somebody else counts."""
        self._metrics.counter(names.own(name)).at(tuple(labels.items())).source = source

    def expect(self, queues: Iterable[str]) -> None:
        """Make the series of requests from these queues, at zero."""
        self._requests.expect(queues)

    def start_at_zero(self, name: str, label: str | None = None, values: Iterable[str] = (), **others: str) -> None:
        """Make the series of a counter, one for each value of its label: one that begins at 1 has no increase.

        `others` are the same for all of them.
        """
        counter = self._metrics.counter(names.own(name))
        for labels in ({label: value, **others} for value in values) if label else (others,):
            counter.at(_labels(labels))

    def durations(self, name: str) -> list[tuple[Labels, Histogram]]:
        """The series of a duration histogram by its whole name, such as "messaging.process.duration"."""
        return self._metrics.histogram(name).items()

    def readings(self, name: str) -> list[tuple[Labels, float]]:
        """The series of a gauge of ours, such as "limit", as they are now."""
        return read(self._metrics.readable(names.own(name)))

    def prometheus(self) -> tuple[bytes, str]:
        """Every metric as text for Prometheus, and its content type."""
        return self._metrics.prometheus()

    def trace_id(self, delivery: Delivery) -> str | None:
        """The trace a request belongs to, 32 hexadecimal digits; the caller's own when tracing is off, None without."""
        if isinstance(delivery.trace, Trace):
            return delivery.trace.id()
        parent = headers.read(delivery).get(wire.TRACEPARENT)
        return parent.split("-")[1] if parent else None

    def shutdown(self, seconds: float = 5.0) -> None:
        """Send what is pending, for at most `seconds`. Blocks; never raises."""
        # An exporter waits for its server much longer than a service may take to stop, so nobody waits for it here:
        # its thread ends with the process.
        thread = threading.Thread(target=self._flush, args=(seconds,), name="telemetry-shutdown", daemon=True)
        thread.start()
        thread.join(seconds)
        if thread.is_alive():
            words = "telemetry could not be sent within %s s; what was left is lost"
            log.warning(words, seconds, extra={"event": "telemetry.late", "seconds": seconds})

    def _flush(self, seconds: float) -> None:
        if self._spans is not None:
            _attempt(self._spans.processor.shutdown)
        _attempt(lambda: self._metrics.shutdown(seconds))


def _attempt(action: Callable[[], None]) -> None:
    try:
        action()
    except Exception:
        log.warning("telemetry could not be sent", exc_info=True, extra={"event": "telemetry.failed"})


def _labels(attributes: Mapping[str, str | bool | int | float]) -> Labels:
    labels: list[Label] = sorted(attributes.items())
    return tuple(labels)
