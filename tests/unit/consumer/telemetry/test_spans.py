"""Spans of ours say what the SDK's own would say: the SDK is the judge."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest
from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import NonRecordingSpan, SpanContext, SpanKind, StatusCode, TraceFlags, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from opentelemetry.trace.status import Status

from consumer.telemetry.spans import Spans, carried, remote
from tests.cases import for_each

TRACE, SPAN = 0x0AF7651916CD43DD8448EB211C80319C, 0xB7AD6B7169203331
SAMPLERS = [
    f"{prefix}{name}" for prefix in ("", "parentbased_") for name in ("always_on", "always_off", "traceidratio")
]
ATTRIBUTES: dict[str, Any] = {"messaging.system": "rabbitmq", "size": 7, "redelivered": True}


@pytest.fixture
def both(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Ours, and a provider with the SDK's own, whose spans end in the same place."""

    def make(**environment: str) -> tuple[Spans, TracerProvider, InMemorySpanExporter]:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        provider, exporter = TracerProvider(resource=Resource({"service.name": "s"})), InMemorySpanExporter()
        processor = SimpleSpanProcessor(exporter)
        provider.add_span_processor(processor)
        return Spans(provider, processor, "scope", "1"), provider, exporter

    return make


def facts(span: ReadableSpan) -> dict[str, Any]:
    """What an exporter reads, without ids and times of its own."""
    context, scope = span.get_span_context(), span.instrumentation_scope
    assert context is not None
    assert scope is not None
    names = "name", "kind", "parent", "resource", "dropped_attributes", "dropped_events", "dropped_links"
    return {
        **{name: getattr(span, name) for name in names},
        "attributes": dict(span.attributes or {}),
        "status": (span.status.status_code, span.status.description),
        "context": (int(context.trace_flags), context.trace_state.to_header()),
        "scope": (scope.name, scope.version),
        "events": [(event.name, dict(event.attributes or {})) for event in span.events],
        "links": [link.context for link in span.links],
    }


@for_each(product(SAMPLERS, ("0", "1"), (None, 0, 1, 2, 3)))
def test_a_span_says_what_the_sdk_s_own_says(sampler: str, argument: str, flags: int | None, both: Any) -> None:
    ours, provider, exporter = both(OTEL_TRACES_SAMPLER=sampler, OTEL_TRACES_SAMPLER_ARG=argument)
    above = None if flags is None else SpanContext(TRACE, SPAN, is_remote=True, trace_flags=TraceFlags(flags))
    context = Context() if above is None else set_span_in_context(NonRecordingSpan(above), Context())
    mine = ours.root("a", SpanKind.CONSUMER, above, dict(ATTRIBUTES))
    its = provider.get_tracer("scope", "1").start_span("a", context, SpanKind.CONSUMER, attributes=ATTRIBUTES)
    assert mine.is_recording() == its.is_recording()
    assert mine.get_span_context().trace_flags == its.get_span_context().trace_flags
    below = ours.child("b", SpanKind.CLIENT, mine.get_span_context(), {})
    assert below.is_recording() == mine.is_recording()
    mine.end()
    its.end()
    found = [facts(span) for span in exporter.get_finished_spans()]
    assert len(found) in (0, 2)
    assert found[:1] == found[1:]


def test_what_is_set_and_what_happens_is_what_the_sdk_s_own_has(both: Any) -> None:
    ours, provider, exporter = both()
    for span in (
        ours.root("a", SpanKind.CLIENT, None, {}),
        provider.get_tracer("scope", "1").start_span("a", Context(), SpanKind.CLIENT),
    ):
        span.set_attribute("one", 1)
        span.set_attributes({"two": "2", "one": 3})
        span.add_event("retry", {"number": 1})
        span.update_name("b")
        span.set_status(StatusCode.ERROR, "why")
        span.set_status(Status(StatusCode.ERROR, "because"))
        span.end()
        span.end()
        assert not span.is_recording()
    mine, its = (facts(span) for span in exporter.get_finished_spans())
    assert mine == its


def test_an_exception_is_recorded_by_its_kind_alone(both: Any) -> None:
    ours, _, exporter = both()
    span = ours.root("a", SpanKind.CLIENT, None, {})
    span.record_exception(ValueError("a caller's secret"))
    span.fail("ValueError", "error.type")
    span.end()
    [found] = exporter.get_finished_spans()
    assert facts(found)["events"] == [("exception", {"exception.type": "ValueError"})]
    assert (found.attributes, found.status.status_code) == ({"error.type": "ValueError"}, StatusCode.ERROR)


def test_texts_are_as_long_as_the_environment_allows(both: Any) -> None:
    ours, _, exporter = both(OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT="3")
    ours.root("a", SpanKind.CLIENT, None, {"text": "abcdef", "number": 123456}).end()
    assert exporter.get_finished_spans()[0].attributes == {"text": "abc", "number": 123456}


@for_each(product(("00", "01", "02", "03"), ({}, {"tracestate": "a=1"}, {"tracestate": "vendor=x,other=y"})))
def test_headers_are_read_and_written_as_the_propagator_does(flags: str, state: dict[str, str]) -> None:
    headers = {"traceparent": f"00-{TRACE:032x}-{SPAN:016x}-{flags}", **state}
    found, expected = remote(headers), {}
    propagator = TraceContextTextMapPropagator()
    propagator.inject(expected, propagator.extract(headers, Context()))
    assert found is not None
    assert carried(found) == expected
