from __future__ import annotations

import pytest
from opentelemetry import baggage, context, trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from tests.fakes.transport import TOPOLOGY, MemoryTransport, error, result
from zeebe_amqp import Client, NotFound, PublishMessage, Topology

PROVIDER = TracerProvider()


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> InMemorySpanExporter:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(trace, "get_tracer", provider.get_tracer)
    return exporter


async def test_a_call_is_a_client_span_and_its_context_goes_with_the_request(spans: InMemorySpanExporter) -> None:
    transport = MemoryTransport(result("topology", TOPOLOGY))
    async with Client(transport) as client:
        await client.call(Topology())
    [span] = spans.get_finished_spans()
    assert (span.name, span.kind) == ("call topology", SpanKind.CLIENT)
    assert span.attributes is not None
    assert span.attributes["messaging.destination.name"] == "zeebe.commands"
    assert span.attributes["zeebe.operation"] == "topology"
    found = span.get_span_context()
    assert found is not None
    [request] = transport.published
    assert request.headers["traceparent"].startswith(f"00-{found.trace_id:032x}-{found.span_id:016x}-")


async def test_fire_and_forget_is_a_producer_span_and_bytes_are_named_after_the_queue(
    spans: InMemorySpanExporter,
) -> None:
    async with Client(MemoryTransport(always=lambda _: b"x")) as client:
        await client.send(PublishMessage(message_name="paid"))
        await client.call_raw(b'{"operation":"topology"}')
    sent, raw = spans.get_finished_spans()
    assert (sent.name, sent.kind) == ("send publish-message", SpanKind.PRODUCER)
    assert raw.name == "call zeebe.commands"


async def test_a_failure_is_in_its_span(spans: InMemorySpanExporter) -> None:
    async with Client(MemoryTransport(error("NOT_FOUND"))) as client:
        with pytest.raises(NotFound):
            await client.call(Topology())
        with pytest.raises(TypeError):
            await client.call_raw(b"x", headers=7)  # type: ignore[arg-type]
    not_found, defect = spans.get_finished_spans()
    assert (not_found.attributes or {})["error.type"] == "NOT_FOUND"
    assert (defect.attributes or {})["error.type"] == "TypeError"
    assert {span.status.status_code for span in (not_found, defect)} == {StatusCode.ERROR}


async def test_the_callers_span_and_baggage_are_passed_on() -> None:
    transport = MemoryTransport(result("topology", TOPOLOGY))
    token = context.attach(baggage.set_baggage("order", "7"))
    try:
        with PROVIDER.get_tracer("test").start_as_current_span("request") as span:
            async with Client(transport) as client:
                await client.call(Topology())
    finally:
        context.detach(token)
    [request] = transport.published
    assert f"{span.get_span_context().trace_id:032x}" in request.headers["traceparent"]
    assert request.headers["baggage"] == "order=7"
