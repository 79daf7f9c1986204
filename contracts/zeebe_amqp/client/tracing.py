"""Spans of calls and the trace context that goes with them, when opentelemetry-api is installed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

from zeebe_amqp import wire
from zeebe_amqp.errors import CommandError
from zeebe_amqp.jobs.answers import Outcome

if TYPE_CHECKING:
    from opentelemetry.trace import Span

__all__ = ["Processing", "Silent", "Spans", "Tracing", "tracing"]

SCOPE: Final = "zeebe_amqp.client"
"""The instrumentation scope."""


class Processing(NamedTuple):
    """A message that is being worked on."""

    headers: Mapping[str, str]
    """Those that carry the context in its answer."""
    end: Callable[[Outcome], None]
    """To be called with what became of it."""


class Tracing(Protocol):
    """Watches requests, and messages that are worked on."""

    def request(self, operation: str | None, queue: str, *, replied: bool) -> AbstractContextManager[dict[str, str]]:
        """A request from its start to its answer; gives the headers that carry the context."""

    def process(self, job_type: str, queue: str, headers: Mapping[str, Any]) -> AbstractContextManager[Processing]:
        """A job of a queue from its start to its answer; it continues the trace of the message's headers."""


class Silent:
    """No tracing."""

    def request(self, operation: str | None, queue: str, *, replied: bool) -> AbstractContextManager[dict[str, str]]:
        """Nothing is watched and no header sent."""
        return nullcontext({})

    def process(self, job_type: str, queue: str, headers: Mapping[str, Any]) -> AbstractContextManager[Processing]:
        """The answer goes on with the trace of the message."""
        return nullcontext(Processing(_carrier(headers), lambda _: None))


class Spans:
    """A CLIENT span per call, a PRODUCER span per request that nobody waits for, a CONSUMER span per job of a queue."""

    def __init__(self) -> None:
        from opentelemetry import context, propagate, trace

        self._trace = trace
        self._nothing = context.Context()
        self._extract = propagate.extract
        self._tracer = trace.get_tracer(SCOPE)
        self._inject = propagate.inject

    @contextmanager
    def request(self, operation: str | None, queue: str, *, replied: bool) -> Iterator[dict[str, str]]:
        """The span is current while the request goes on, and its context is what is sent."""
        kinds = self._trace.SpanKind
        attributes = {
            "messaging.system": "rabbitmq",
            "messaging.operation.name": "call" if replied else "send",
            "messaging.operation.type": "send",
            "messaging.destination.name": queue,
        }
        if operation is not None:
            attributes["zeebe.operation"] = operation
        with self._tracer.start_as_current_span(
            f"{'call' if replied else 'send'} {operation or queue}",
            kind=kinds.CLIENT if replied else kinds.PRODUCER,
            attributes=attributes,
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            headers: dict[str, str] = {}
            self._inject(headers)
            try:
                yield headers
            except BaseException as error:
                self._record_failure(span, error)
                raise

    @contextmanager
    def process(self, job_type: str, queue: str, headers: Mapping[str, Any]) -> Iterator[Processing]:
        """The span is current while the handler runs; one whose message has no trace begins one."""
        attributes = {
            "messaging.system": "rabbitmq",
            "messaging.operation.name": "process",
            "messaging.operation.type": "process",
            "messaging.destination.name": queue,
            "zeebe.job.type": job_type,
        }
        with self._tracer.start_as_current_span(
            f"process {queue}",
            context=self._extract(_carrier(headers), self._nothing),
            kind=self._trace.SpanKind.CONSUMER,
            attributes=attributes,
            record_exception=False,
        ) as span:

            def end(outcome: Outcome) -> None:
                span.set_attribute("zeebe.job.outcome", outcome.value)
                if outcome is Outcome.FAIL:
                    span.set_status(self._trace.Status(self._trace.StatusCode.ERROR))

            carried: dict[str, str] = {}
            self._inject(carried)
            yield Processing(carried, end)

    def _record_failure(self, span: Span, error: BaseException) -> None:
        span.set_attribute("error.type", error.code if isinstance(error, CommandError) else type(error).__qualname__)
        span.set_status(self._trace.Status(self._trace.StatusCode.ERROR))


def _carrier(headers: Mapping[str, Any]) -> dict[str, str]:
    """The trace in a message's headers; what is no text is none."""
    return {name: value for name in wire.TRACE_NAMES if isinstance(value := headers.get(name), str)}


def tracing() -> Tracing:
    """Spans where OpenTelemetry is installed, else none."""
    try:
        return Spans()
    except ImportError:
        return Silent()
