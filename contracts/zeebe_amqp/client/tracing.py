"""Spans of calls and the trace context that goes with them, when opentelemetry-api is installed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Final, Protocol

from zeebe_amqp.errors import CommandError

if TYPE_CHECKING:
    from opentelemetry.trace import Span

__all__ = ["Silent", "Spans", "Tracing", "tracing"]

SCOPE: Final = "zeebe_amqp.client"
"""The instrumentation scope."""


class Tracing(Protocol):
    """Watches requests."""

    def request(self, operation: str | None, queue: str, *, replied: bool) -> AbstractContextManager[dict[str, str]]:
        """A request from its start to its answer; gives the headers that carry the context."""


class Silent:
    """No tracing."""

    def request(self, operation: str | None, queue: str, *, replied: bool) -> AbstractContextManager[dict[str, str]]:
        """Nothing is watched and no header sent."""
        return nullcontext({})


class Spans:
    """A CLIENT span per call, a PRODUCER span per request that nobody waits for."""

    def __init__(self) -> None:
        from opentelemetry import propagate, trace

        self._trace = trace
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

    def _record_failure(self, span: Span, error: BaseException) -> None:
        span.set_attribute("error.type", error.code if isinstance(error, CommandError) else type(error).__qualname__)
        span.set_status(self._trace.Status(self._trace.StatusCode.ERROR))


def tracing() -> Tracing:
    """Spans where OpenTelemetry is installed, else none."""
    try:
        return Spans()
    except ImportError:
        return Silent()
