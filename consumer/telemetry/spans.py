"""Spans that cost little: the API's `Span`, filled like a dict and made what exporters read only when it ends.

Every request makes three. The SDK's own take five times as long to make (locks, limits and checks for attributes that
others might write), so these do without its tracer and share all else with it: sampler, ids, processors, exporters.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

from opentelemetry.context import Context
from opentelemetry.sdk.trace import Event, ReadableSpan, SpanLimits, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.sampling import Decision
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, NonRecordingSpan, Span, SpanContext, SpanKind, TraceFlags, set_span_in_context
from opentelemetry.trace.span import TraceState
from opentelemetry.trace.status import Status, StatusCode
from opentelemetry.util.types import AttributeValue

from zeebe_amqp import wire

__all__ = ["HotSpan", "Spans", "carried", "remote"]

_RANDOM: Final = 2
"""The trace flag that says that the trace id is random."""
_UNSET: Final = Status(StatusCode.UNSET)
_ERROR: Final = Status(StatusCode.ERROR)


class Spans:
    """Makes spans.

    Args:
        provider: has the sampler, the ids and the resource.
        processor: takes each span that ends and is sampled.
        scope: who makes them.
        version: of who makes them.
    """

    def __init__(self, provider: TracerProvider, processor: SpanProcessor, scope: str, version: str) -> None:
        self.processor = processor
        self.resource = provider.resource
        self.scope = InstrumentationScope(scope, version)
        self.max_length = SpanLimits().max_span_attribute_length
        """Characters of an attribute that are kept; None for all."""
        self._sampler = provider.sampler
        self._ids = provider.id_generator

    def root(self, name: str, kind: SpanKind, parent: SpanContext | None, attributes: dict[str, Any]) -> HotSpan:
        """The first span of ours in a trace: whether it is sampled is decided here, for all that follow."""
        trace = self._ids.generate_trace_id() if parent is None else parent.trace_id
        above = Context() if parent is None else set_span_in_context(NonRecordingSpan(parent), Context())
        result = self._sampler.should_sample(above, trace, name, kind, attributes, ())
        random = self._ids.is_trace_id_random() if parent is None else parent.trace_flags & _RANDOM
        sampled = result.decision is Decision.RECORD_AND_SAMPLE
        flags = (TraceFlags.SAMPLED if sampled else 0) | (_RANDOM if random else 0)
        context = SpanContext(
            trace, self._ids.generate_span_id(), False, TraceFlags(flags), result.trace_state or TraceState()
        )
        return HotSpan(self, name, kind, context, parent, attributes)

    def child(self, name: str, kind: SpanKind, parent: SpanContext, attributes: dict[str, Any]) -> HotSpan:
        """A span in a trace of ours, sampled as its parent is."""
        context = SpanContext(
            parent.trace_id, self._ids.generate_span_id(), False, parent.trace_flags, parent.trace_state
        )
        return HotSpan(self, name, kind, context, parent, attributes)


class HotSpan(Span):
    """One span, from when it is made until `end`."""

    def __init__(
        self,
        spans: Spans,
        name: str,
        kind: SpanKind,
        context: SpanContext,
        parent: SpanContext | None,
        attributes: dict[str, Any],
    ) -> None:
        self._spans = spans
        self._name = name
        self._kind = kind
        self._context = context
        self._parent = parent
        self._attributes = attributes
        self._events: list[Event] = []
        self._links: Sequence[Link] = ()
        self._status = _UNSET
        self._started = time.time_ns()
        self._ended = False

    def get_span_context(self) -> SpanContext:
        """Its ids."""
        return self._context

    @property
    def parent(self) -> SpanContext | None:
        """The span that it continues; None for the first one of a trace."""
        return self._parent

    def is_recording(self) -> bool:
        """Whether anybody will read what is set."""
        return not self._ended and bool(self._context.trace_flags & TraceFlags.SAMPLED)

    def set_attribute(self, key: str, value: AttributeValue) -> None:
        """Set one attribute."""
        self._attributes[key] = value

    def set_attributes(self, attributes: Mapping[str, AttributeValue]) -> None:
        """Set several."""
        self._attributes.update(attributes)

    def add_event(
        self, name: str, attributes: Mapping[str, AttributeValue] | None = None, timestamp: int | None = None
    ) -> None:
        """Something happened meanwhile."""
        self._events.append(Event(name, attributes, timestamp))

    def add_link(self, context: SpanContext, attributes: Mapping[str, AttributeValue] | None = None) -> None:
        """It has to do with another span, which is not its parent."""
        self._links = (*self._links, Link(context, attributes))

    def begin_at(self, nanoseconds: int) -> None:
        """It began earlier, so many nanoseconds after 1970."""
        self._started = min(self._started, nanoseconds)

    def update_name(self, name: str) -> None:
        """Call it otherwise."""
        self._name = name

    def set_status(self, status: Status | StatusCode, description: str | None = None) -> None:
        """How it ended."""
        self._status = status if isinstance(status, Status) else Status(status, description)

    def record_exception(
        self,
        exception: BaseException,
        attributes: Mapping[str, AttributeValue] | None = None,
        timestamp: int | None = None,
        escaped: bool = False,
    ) -> None:
        """Only the kind: an exception's text may quote what a caller sent."""
        self.add_event("exception", {"exception.type": type(exception).__name__, **(attributes or {})}, timestamp)

    def fail(self, kind: str, attribute: str) -> None:
        """It ended by an error of that name."""
        self._attributes[attribute] = kind
        self._status = _ERROR

    def end(self, end_time: int | None = None) -> None:
        """It is over; more than once is harmless."""
        if self._ended:
            return
        recorded, self._ended = self.is_recording(), True
        if recorded:
            self._spans.processor.on_end(self._readable(end_time or time.time_ns()))

    def _readable(self, ended: int) -> ReadableSpan:
        spans, attributes = self._spans, self._attributes
        if (max_length := spans.max_length) is not None:
            attributes = {
                name: value[:max_length] if isinstance(value, str) else value for name, value in attributes.items()
            }
        return ReadableSpan(
            name=self._name,
            context=self._context,
            parent=self._parent,
            resource=spans.resource,
            attributes=attributes,
            events=self._events,
            links=self._links,
            kind=self._kind,
            status=self._status,
            start_time=self._started,
            end_time=ended,
            instrumentation_scope=spans.scope,
        )


def remote(headers: Mapping[str, str]) -> SpanContext | None:
    """The caller's span in headers that were checked before; None without."""
    parent = headers.get(wire.TRACEPARENT)
    if parent is None:
        return None
    _, trace, span, flags, *_ = parent.split("-")
    state = headers.get(wire.TRACESTATE)
    return SpanContext(
        int(trace, 16),
        int(span, 16),
        True,
        TraceFlags(int(flags, 16)),
        TraceState() if state is None else TraceState.from_header([state]),
    )


def carried(context: SpanContext) -> dict[str, str]:
    """The headers that say to whoever comes next that this span was before."""
    headers = {wire.TRACEPARENT: f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"}
    if context.trace_state:
        headers[wire.TRACESTATE] = context.trace_state.to_header()
    return headers
