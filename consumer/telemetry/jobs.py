"""The publishing of a job, as a span of the trace that its process carries in a variable."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Any

from opentelemetry.trace import SpanKind

from consumer.telemetry import names
from consumer.telemetry.spans import HotSpan, Spans, carried, remote
from zeebe_amqp import trace_variable, wire
from zeebe_amqp.commands.jobs import ActivatedJob

__all__ = ["JobPublishing", "Jobs"]


class Jobs:
    """Watches jobs being published.

    Args:
        spans: makes the spans; None when tracing is off, and then the context that a job's variables carry passes on.
    """

    def __init__(self, spans: Spans | None) -> None:
        self._spans = spans

    def publishing(self, variable: str, job: ActivatedJob, queue: str, fetched: Mapping[str, str]) -> JobPublishing:
        """See `Telemetry.publishing_job`."""
        found = trace_variable.read(job.variables, variable)
        if self._spans is None:
            return JobPublishing(found)
        span = self._spans.root(names.publish(queue), SpanKind.PRODUCER, remote(found), _described(job, queue))
        if (call := remote(fetched)) is not None:
            span.add_link(call)
        return JobPublishing(carried(span.get_span_context()), span)


class JobPublishing(AbstractContextManager[Mapping[str, str]]):
    """Run the publishing of a job inside a span that began when this was made; gives the trace headers of its message.

    What is never entered leaves no span.
    """

    def __init__(self, headers: Mapping[str, str], span: HotSpan | None = None) -> None:
        self._headers = headers
        self._span = span

    @property
    def trace(self) -> str:
        """The `traceparent` of the message, known before it is published; empty without one."""
        return self._headers.get(wire.TRACEPARENT, "")

    def __enter__(self) -> Mapping[str, str]:
        """The headers: `traceparent` and `tracestate`, as far as there are any."""
        return self._headers

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """End the span; what was raised is its error."""
        if self._span is not None:
            if kind is not None:
                self._span.fail(kind.__name__, names.ERROR_TYPE)
            self._span.end()


def _described(job: ActivatedJob, queue: str) -> dict[str, Any]:
    # Never its id, which is as good as the right to end it; the keys are text as everywhere.
    return {
        names.SYSTEM: names.RABBITMQ,
        names.OPERATION_NAME: names.PUBLISH,
        names.OPERATION_TYPE: names.SEND,
        names.DESTINATION: queue,
        names.ROUTING_KEY: queue,
        names.BODY_SIZE: len(job.variables.encode()),
        names.JOB_TYPE: job.type,
        names.KEYS["job_key"][1]: str(job.key),
        names.KEYS["process_instance_key"][1]: str(job.process_instance_key),
        names.KEYS["element_instance_key"][1]: str(job.element_instance_key),
    }
