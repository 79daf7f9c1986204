from __future__ import annotations

import pytest
from opentelemetry import baggage, context, trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from tests.fakes.transport import TOPOLOGY, MemoryTransport, error, result
from zeebe_amqp import Client, NotFound, PublishMessage, Topology


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> InMemorySpanExporter:
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(trace, "get_tracer", provider.get_tracer)
    return exporter


async def test_a_request_has_a_span_by_its_kind_whose_context_goes_with_it(spans: InMemorySpanExporter) -> None:
    transport = MemoryTransport(always=lambda _: result("topology", TOPOLOGY))
    async with Client(transport) as client:
        await client.call(Topology())
        await client.send(PublishMessage(message_name="paid"))
        await client.call_raw(b'{"operation":"topology"}')
    call, *others = spans.get_finished_spans()
    assert (call.name, call.kind) == ("call topology", SpanKind.CLIENT)
    attributes = dict(call.attributes or {})
    assert (attributes["messaging.destination.name"], attributes["zeebe.operation"]) == ("zeebe.commands", "topology")
    found = call.get_span_context()
    assert found is not None
    sent = transport.published[0].headers["traceparent"]
    assert sent.startswith(f"00-{found.trace_id:032x}-{found.span_id:016x}-"), "its context goes with the request"
    named = [("send publish-message", SpanKind.PRODUCER), ("call zeebe.commands", SpanKind.CLIENT)]
    assert [(span.name, span.kind) for span in others] == named


async def test_a_failure_is_in_its_span(spans: InMemorySpanExporter) -> None:
    async with Client(MemoryTransport(error("NOT_FOUND"))) as client:
        with pytest.raises(NotFound):
            await client.call(Topology())
        with pytest.raises(TypeError):
            await client.call_raw(b"x", headers=7)  # type: ignore[arg-type]
    failed = [((span.attributes or {})["error.type"], span.status.status_code) for span in spans.get_finished_spans()]
    assert failed == [("NOT_FOUND", StatusCode.ERROR), ("TypeError", StatusCode.ERROR)]


async def test_the_callers_span_and_baggage_are_passed_on() -> None:
    transport = MemoryTransport(result("topology", TOPOLOGY))
    token = context.attach(baggage.set_baggage("order", "7"))
    try:
        with TracerProvider().get_tracer("test").start_as_current_span("request") as span:
            async with Client(transport) as client:
                await client.call(Topology())
    finally:
        context.detach(token)
    headers = transport.published[0].headers
    assert f"{span.get_span_context().trace_id:032x}" in headers["traceparent"]
    assert headers["baggage"] == "order=7"
