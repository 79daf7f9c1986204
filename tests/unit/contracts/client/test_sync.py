"""Calls from threads, and the spans of calls."""

from __future__ import annotations

import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from unittest.mock import AsyncMock

import pytest
from opentelemetry import baggage, context, trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from tests.fakes.transport import TOPOLOGY, MemoryTransport, error, result
from zeebe_amqp import Client, NotFound, PublishMessage, SetVariables, SyncClient, Topology
from zeebe_amqp.commands import Command

FORKING = """
import os, warnings
from tests.fakes.transport import TOPOLOGY, MemoryTransport, result
from zeebe_amqp import SyncClient, Topology

zeebe = SyncClient(MemoryTransport(always=lambda _: result("topology", TOPOLOGY)))
if {connected}:
    zeebe.call(Topology())
# Newer Pythons warn of a fork beside threads: that it is done, and what the client then does, is the point.
warnings.filterwarnings("ignore", "This process .* is multi-threaded", DeprecationWarning)
child = os.fork()
size = zeebe.call(Topology()).cluster_size
zeebe.close()
if child == 0:
    os._exit(40 + size)
_, status = os.waitpid(child, 0)
print(size, os.waitstatus_to_exitcode(status))
"""


@pytest.fixture
def transport() -> MemoryTransport:
    def answer(command: Command) -> bytes:
        if isinstance(command, SetVariables):
            return result("set-variables", {"key": command.element_instance_key})
        return result("topology", TOPOLOGY)

    return MemoryTransport(always=answer)


def has_thread() -> bool:
    return "zeebe-amqp" in {thread.name for thread in threading.enumerate()}


def test_calls_return_or_raise_what_they_get_and_closing_ends_the_thread(transport: MemoryTransport) -> None:
    with SyncClient(transport) as zeebe:
        assert has_thread()
        assert zeebe.call(Topology()).cluster_size == 1
        assert zeebe.send(PublishMessage(message_name="a"), request_id="mine") == "mine"
        assert zeebe.call_raw(b'{"operation": "topology"}') == result("topology", TOPOLOGY)
        transport.answers.append(error("NOT_FOUND"))
        with pytest.raises(NotFound):
            zeebe.call(Topology())
    assert (transport.closed, has_thread()) == (True, False)


def test_a_priority_goes_with_the_request(transport: MemoryTransport) -> None:
    with SyncClient(transport) as zeebe:
        zeebe.call(Topology(), priority=9)
        zeebe.call_raw(b'{"operation": "topology"}', priority=31)
        zeebe.send(PublishMessage(message_name="a"), priority=0)
        zeebe.call(Topology())
    assert [request.priority for request in transport.published] == [9, 31, 0, None]


def test_it_connects_at_the_first_call_and_again_after_closing(transport: MemoryTransport) -> None:
    zeebe = SyncClient(transport)
    for _ in range(2):
        assert zeebe.call(Topology()).cluster_size == 1
        zeebe.close()
        zeebe.close()


def test_wrong_arguments_are_told_when_it_is_made(transport: MemoryTransport) -> None:
    with pytest.raises(TypeError, match="queue"):
        SyncClient(transport, queue="a")  # type: ignore[call-arg]


def test_a_broker_that_is_not_there_leaves_no_thread(transport: MemoryTransport, monkeypatch: Any) -> None:
    monkeypatch.setattr(transport, "open", AsyncMock(side_effect=OSError("no broker")))
    with pytest.raises(OSError, match="no broker"), SyncClient(transport):
        pass
    assert not has_thread()


def test_many_threads_may_share_it_and_each_gets_its_own_answer(transport: MemoryTransport) -> None:
    def ask(key: int) -> int:
        return zeebe.call(SetVariables(element_instance_key=key, variables={})).key

    with SyncClient(transport) as zeebe, ThreadPoolExecutor(16) as pool:
        assert list(pool.map(ask, range(1, 201))) == list(range(1, 201))


def test_the_span_of_the_calling_thread_is_passed_on(transport: MemoryTransport) -> None:
    with SyncClient(transport) as zeebe, TracerProvider().get_tracer("test").start_as_current_span("request") as span:
        zeebe.call(Topology())
    assert f"{span.get_span_context().trace_id:032x}" in transport.published[0].headers["traceparent"]


def test_a_forked_process_connects_anew() -> None:
    for connected in (True, False):
        command = [sys.executable, "-c", FORKING.format(connected=connected)]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        assert (ended.stdout, ended.stderr) == ("1 41\n", ""), connected


# --- its spans ---


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
