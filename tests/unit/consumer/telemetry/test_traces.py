"""One trace from the caller over the calls to the reply, whatever the request carries."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from itertools import product
from typing import Any

import msgspec
import pytest
from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import (
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    StatusCode,
    TraceFlags,
    get_current_span,
    set_span_in_context,
)
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from opentelemetry.trace.status import Status

from consumer.core.delivery import Delivery
from consumer.core.message import Reply
from consumer.telemetry import Telemetry
from consumer.telemetry.calls import server
from consumer.telemetry.spans import Spans, carried, remote
from tests.cases import for_each
from tests.unit.consumer.errors import failed
from tests.unit.consumer.telemetry.requests import PARENT, TRACE, Find, answering, incoming, text

HANDLING = "process zeebe.commands"
PUBLISHING = "publish reply"
DONE = Reply("topology", {})
JOB = 2251799813685250
NAME = "gateway_protocol.Gateway/CreateProcessInstance"
CALL, REST = ("CreateProcessInstance", "gateway:26500"), ("POST /signal", "camunda:8080")


async def handle(telemetry: Telemetry, request: Delivery, reply: Reply = DONE) -> dict[str, str]:
    """Run a request through and return the headers of its reply."""
    answer = await telemetry.traced(answering(reply))(request)
    with telemetry.publishing(request, answer) as headers:
        return dict(headers)


def ids(span: ReadableSpan) -> tuple[str, str, str | None]:
    context, parent = span.get_span_context(), span.parent
    assert context is not None
    return f"{context.trace_id:032x}", f"{context.span_id:016x}", f"{parent.span_id:016x}" if parent else None


async def test_one_trace_runs_from_the_caller_over_the_call_to_the_reply(telemetry: Telemetry, span: Find) -> None:
    request = incoming(headers={"traceparent": PARENT, "tracestate": "vendor=1", "baggage": "user=a%20b"})

    async def handler(request: Delivery) -> Reply:
        assert (telemetry.trace_id(request), get_current_span().is_recording()) == (TRACE, True)
        with telemetry.calling("Topology", "gateway:26500") as call:
            call.finish("OK")
        return DONE

    reply = await telemetry.traced(handler)(request)
    assert not get_current_span().is_recording()
    with telemetry.publishing(request, reply) as headers:
        pass
    handling, calling, publishing = (span(n) for n in (HANDLING, "gateway_protocol.Gateway/Topology", PUBLISHING))
    trace, handled, parent = ids(handling)
    assert (trace, parent) == (TRACE, "b7ad6b7169203331")
    assert ids(calling)[0::2] == ids(publishing)[0::2] == (trace, handled)
    published = f"00-{trace}-{ids(publishing)[1]}-01"
    assert headers == {"traceparent": published, "tracestate": "vendor=1", "baggage": "user=a%20b"}
    assert (handling.kind, calling.kind, publishing.kind) == (SpanKind.CONSUMER, SpanKind.CLIENT, SpanKind.PRODUCER)


async def test_without_a_caller_s_context_a_trace_begins_here(telemetry: Telemetry, span: Find) -> None:
    request = incoming()
    headers = await handle(telemetry, request)
    trace, _, parent = ids(span(HANDLING))
    assert (telemetry.trace_id(request), parent, list(headers)) == (trace, None, ["traceparent"])


async def test_the_trace_of_an_unsampled_or_unhandled_request_goes_on(telemetry: Telemetry, exporter: Any) -> None:
    unsampled = await handle(telemetry, incoming(headers={"traceparent": PARENT[:-2] + "00"}))
    assert exporter.get_finished_spans() == ()
    with telemetry.publishing(incoming(headers={"traceparent": PARENT}), Reply(None)) as unhandled:
        pass
    for headers, flags in ((unsampled, "00"), (unhandled, "01")):
        assert headers["traceparent"].split("-")[::3] == ["00", flags]
        assert headers["traceparent"].split("-")[1] == TRACE


def described(operation: str, kind: str) -> dict[str, Any]:
    """What both spans of a request say."""
    messaging = {"system": "rabbitmq", "operation.name": operation, "operation.type": kind}
    named = {f"messaging.{name}": value for name, value in messaging.items()}
    return {**named, "messaging.message.conversation_id": "c-1", "zeebe.operation": "topology"}


async def test_the_handling_span_says_what_was_handled(telemetry: Telemetry, span: Find) -> None:
    request = incoming(correlation_id="c-1", message_id="m-1", user_id="ann", redelivered=True, announced_size=20 << 20)
    await handle(telemetry, request, Reply("topology", {}, replayed=True))
    assert span(HANDLING).attributes == {
        **described("process", "process"),
        "messaging.destination.name": "zeebe.commands",
        "messaging.rabbitmq.destination.routing_key": "zeebe.commands",
        "messaging.message.id": "m-1",
        "messaging.message.body.size": 20 << 20,  # of what its sender sent
        "enduser.id": "ann",
        "zeebe_amqp.redelivered": True,
        "zeebe_amqp.replayed": True,
    }
    assert span(HANDLING).status.status_code is StatusCode.UNSET


class Created(msgspec.Struct):
    process_instance_key: int


@for_each([
    *(("create-instance", {}, data, "process_instance_key", "7") for data in (
        {"processInstanceKey": 7}, {"processInstanceKey": "7"}, Created(7))),
    ("complete-job", {"jobKey": JOB, "variables": {"pin": "hush"}}, None, "job_key", str(JOB)),
])  # fmt: skip
async def test_keys_of_a_result_or_a_command_are_attributes_as_text_and_its_variables_are_not(
    operation: str, command: Any, result: Any, name: str, key: str, telemetry: Telemetry, span: Find
) -> None:
    await handle(telemetry, incoming(operation, data=command), Reply(operation, result))
    assert (span(HANDLING).attributes or {})[f"zeebe.{name}"] == key
    assert "hush" not in span(HANDLING).to_json() + span(PUBLISHING).to_json()


async def test_an_error_reply_is_an_error_of_the_span_and_quotes_nothing(telemetry: Telemetry, span: Find) -> None:
    await handle(telemetry, incoming(), Reply(None, error=failed(message="no job with the secret hush")))
    handling = span(HANDLING)
    assert (handling.status.status_code, handling.status.description) == (StatusCode.ERROR, None)
    source, outcome = {"zeebe_amqp.error.source": "gateway"}, {"zeebe_amqp.error.outcome": "not-executed"}
    assert {"error.type": "NOT_FOUND", **source, **outcome}.items() <= dict(handling.attributes or {}).items()
    assert "hush" not in handling.to_json()
    assert span(PUBLISHING).status.status_code is StatusCode.UNSET


@for_each([ValueError("secret"), asyncio.CancelledError()])
async def test_a_handler_that_raises_fails_its_span(error: BaseException, telemetry: Telemetry, span: Find) -> None:
    with pytest.raises(type(error)):
        await telemetry.traced(answering(error))(incoming())
    assert span(HANDLING).status.status_code is StatusCode.ERROR
    assert (span(HANDLING).attributes or {})["error.type"] == type(error).__name__
    assert not get_current_span().is_recording()


async def test_a_failed_publish_fails_its_span_and_is_counted(telemetry: Telemetry, span: Find) -> None:
    request = incoming()
    await handle(telemetry, request)
    with pytest.raises(TimeoutError), telemetry.publishing(request, DONE):
        raise TimeoutError
    assert span(PUBLISHING).status.status_code is StatusCode.ERROR
    assert (span(PUBLISHING).attributes or {})["error.type"] == "TimeoutError"
    for error in ("", "TimeoutError"):
        labels = f'error_type="{error}",messaging_destination_template="reply",messaging_operation_name="publish"'
        assert f'messaging_client_sent_messages_total{{{labels},messaging_system="rabbitmq"}} 1.0' in text(telemetry)


@for_each([("amq.gen-x", True), ("orders.replies", False), (None, False)])
async def test_publishing_spans_name_no_queue(reply_to: Any, temporary: bool, telemetry: Telemetry, span: Find) -> None:
    await handle(telemetry, incoming(reply_to=reply_to, correlation_id="c-1"))
    assert span(PUBLISHING).attributes == {
        **described("publish", "send"),
        "messaging.destination.template": "reply",
        "messaging.destination.temporary": temporary,
    }


async def test_each_try_of_a_request_has_a_span_under_the_same_parent(telemetry: Telemetry, exporter: Any) -> None:
    request = incoming(headers={"traceparent": PARENT})
    for _ in range(2):
        await telemetry.traced(answering(DONE))(request)
    assert [ids(one)[2] for one in exporter.get_finished_spans()] == ["b7ad6b7169203331"] * 2


def called(system: str, name: str, host: str, port: int, status: str, error: str | None) -> dict[str, Any]:
    """The attributes of a call's span."""
    found = {"rpc.system.name": system, "rpc.method": name, "server.address": host, "server.port": port}
    return {**found, "rpc.response.status_code": status, **({"error.type": error} if error else {})}


@for_each([
    ("OK", "OK", None), ("NOT_FOUND", "NOT_FOUND", "NOT_FOUND"),
    ("DEADLINE_EXCEEDED", "DEADLINE_EXCEEDED", "DEADLINE_EXCEEDED"), (None, "CANCELLED", "CANCELLED"),
    (asyncio.CancelledError, "CANCELLED", "CancelledError"), (ValueError, "CANCELLED", "ValueError"),
])  # fmt: skip
def test_a_call_s_span_says_how_it_ended(end: Any, status: str, error: Any, telemetry: Telemetry, span: Find) -> None:
    for rpc, name, system in ((CALL, NAME, "grpc"), (REST, "POST /signal", "camunda7_rest")):
        with suppress(asyncio.CancelledError, ValueError), telemetry.calling(*rpc) as call:
            if isinstance(end, type):
                raise end
            if end is not None:
                call.finish(end)
                call.finish("INTERNAL")
        host, port = rpc[1].split(":")
        assert span(name).attributes == called(system, name, host, int(port), status, error)
        assert span(name).status.status_code is (StatusCode.ERROR if error else StatusCode.UNSET)


def test_the_metadata_carries_the_call_s_own_context(telemetry: Telemetry, off: Telemetry, span: Find) -> None:
    with telemetry.calling(*CALL) as call:
        metadata = call.metadata
    context = span(NAME).get_span_context()
    assert context is not None
    parent = f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"
    assert metadata == (("traceparent", parent),)
    with off.calling(*CALL) as call:
        assert call.metadata == ()


def test_attempts_are_events_and_are_counted_and_the_whole_call_is_timed(telemetry: Telemetry, span: Find) -> None:
    with telemetry.calling(*CALL) as call:
        call.attempt(1, "UNAVAILABLE", 0.25)
        call.attempt(2, "RESOURCE_EXHAUSTED", 0.5)
        call.finish("NOT_FOUND")
    assert [list((event.attributes or {}).items()) for event in span(NAME).events] == [
        [("zeebe_amqp.attempt.number", number), ("zeebe_amqp.attempt.delay", delay), ("rpc.response.status_code", code)]
        for number, delay, code in ((1, 0.25, "UNAVAILABLE"), (2, 0.5, "RESOURCE_EXHAUSTED"))
    ]
    read = text(telemetry)
    assert f'zeebe_amqp_retries_total{{rpc_method="{NAME}",rpc_response_status_code="UNAVAILABLE"}} 1.0' in read
    labels = f'error_type="NOT_FOUND",rpc_method="{NAME}",rpc_response_status_code="NOT_FOUND",rpc_system_name="grpc"'
    server = 'server_address="gateway",server_port="26500"'
    assert f"rpc_client_call_duration_seconds_count{{{labels},{server}}} 1.0" in read


def test_a_call_of_which_nothing_came_is_timed_and_leaves_no_span(
    telemetry: Telemetry, off: Telemetry, exporter: Any
) -> None:
    for watch in (telemetry, off):
        with watch.calling(*CALL) as call:
            call.finish("OK")
            call.discard()
        assert "rpc_client_call_duration_seconds_count{" in text(watch)
    assert exporter.get_finished_spans() == ()


@for_each([
    ("gateway:26500", "gateway", 26500), ("dns:///gateway.test:26500", "gateway.test", 26500),
    ("dns://8.8.8.8/gateway.test:26500", "gateway.test", 26500), ("dns:gateway.test:26500", "gateway.test", 26500),
    ("ipv4:10.0.0.1:26500", "10.0.0.1", 26500), ("[::1]:26500", "::1", 26500), ("gateway", "gateway", None),
    ("gateway:x", "gateway:x", None), ("[broken", "[broken", None), ("", "", None),
])  # fmt: skip
def test_every_form_of_target_names_its_server(target: str, address: str, port: int | None) -> None:
    found = dict(server(target))
    assert (found["server.address"], found.get("server.port")) == (address, port)


# --- spans of ours say what the SDK's own would say ---


TRACE_ID, SPAN_ID = 0x0AF7651916CD43DD8448EB211C80319C, 0xB7AD6B7169203331
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
    above = None if flags is None else SpanContext(TRACE_ID, SPAN_ID, is_remote=True, trace_flags=TraceFlags(flags))
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
    headers = {"traceparent": f"00-{TRACE_ID:032x}-{SPAN_ID:016x}-{flags}", **state}
    found, expected = remote(headers), {}
    propagator = TraceContextTextMapPropagator()
    propagator.inject(expected, propagator.extract(headers, Context()))
    assert found is not None
    assert carried(found) == expected
