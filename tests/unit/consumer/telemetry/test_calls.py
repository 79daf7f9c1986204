"""A call to the gateway: its span, its metadata, its duration."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from consumer.core.call import CallObserver
from consumer.telemetry import Telemetry
from consumer.telemetry.calls import server
from tests.cases import for_each
from tests.unit.consumer.telemetry.requests import text

Find = Callable[[str], ReadableSpan]
NAME = "gateway_protocol.Gateway/CreateProcessInstance"


def test_telemetry_is_a_call_observer(off: Telemetry) -> None:
    observer: CallObserver = off.calling
    with observer("Topology", "gateway:26500") as span:
        span.attempt(1, "UNAVAILABLE", 0.1)
        span.finish("OK")
        assert span.metadata == ()


def test_a_call_s_span_has_the_names_of_the_conventions(telemetry: Telemetry, span: Find) -> None:
    with telemetry.calling("CreateProcessInstance", "gateway:26500") as call:
        call.finish("OK")
    assert span(NAME).attributes == {
        "rpc.system.name": "grpc",
        "rpc.method": NAME,
        "rpc.response.status_code": "OK",
        "server.address": "gateway",
        "server.port": 26500,
    }
    assert span(NAME).status.status_code is StatusCode.UNSET


def test_the_metadata_carries_the_call_s_own_context_in_lower_case(telemetry: Telemetry, span: Find) -> None:
    with telemetry.calling("CreateProcessInstance", "gateway:26500") as call:
        ((name, value),) = call.metadata
        call.finish("OK")
    context = span(NAME).get_span_context()
    assert context is not None
    assert (name, value) == (
        "traceparent",
        f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}",
    )


def test_attempts_are_events_and_are_counted(telemetry: Telemetry, span: Find) -> None:
    with telemetry.calling("CreateProcessInstance", "gateway:26500") as call:
        call.attempt(1, "UNAVAILABLE", 0.25)
        call.attempt(2, "RESOURCE_EXHAUSTED", 0.5)
        call.finish("OK")
    events = [dict(event.attributes or {}) for event in span(NAME).events]
    assert events == [
        {"zeebe_amqp.attempt.number": 1, "zeebe_amqp.attempt.delay": 0.25, "rpc.response.status_code": "UNAVAILABLE"},
        {
            "zeebe_amqp.attempt.number": 2,
            "zeebe_amqp.attempt.delay": 0.5,
            "rpc.response.status_code": "RESOURCE_EXHAUSTED",
        },
    ]
    assert f'zeebe_amqp_retries_total{{rpc_method="{NAME}",rpc_response_status_code="UNAVAILABLE"}} 1.0' in text(
        telemetry
    )


@for_each(["NOT_FOUND", "DEADLINE_EXCEEDED"])
def test_a_failed_call_is_an_error_with_its_code(
    code: str, telemetry: Telemetry, span: Find, exporter: InMemorySpanExporter
) -> None:
    exporter.clear()
    with telemetry.calling("CreateProcessInstance", "gateway:26500") as call:
        call.finish(code)
        call.finish("OK")
    attributes = span(NAME).attributes or {}
    assert span(NAME).status.status_code is StatusCode.ERROR
    assert attributes["rpc.response.status_code"] == attributes["error.type"] == code


@for_each([asyncio.CancelledError, ValueError])
def test_a_call_that_is_cut_off_is_an_error_named_after_what_cut_it(
    error: type[BaseException], telemetry: Telemetry, span: Find, exporter: InMemorySpanExporter
) -> None:
    exporter.clear()
    with pytest.raises(error), telemetry.calling("CreateProcessInstance", "gateway:26500"):
        raise error
    attributes = span(NAME).attributes or {}
    assert attributes["rpc.response.status_code"] == "CANCELLED"
    assert attributes["error.type"] == error.__name__


def test_a_call_that_nobody_finished_counts_as_cancelled(telemetry: Telemetry, span: Find) -> None:
    with telemetry.calling("CreateProcessInstance", "gateway:26500"):
        pass
    assert (span(NAME).attributes or {})["error.type"] == "CANCELLED"


def test_the_duration_is_measured_with_tracing_on_and_off(telemetry: Telemetry, off: Telemetry) -> None:
    for each in (telemetry, off):
        with each.calling("CreateProcessInstance", "gateway:26500") as call:
            call.finish("NOT_FOUND")
        labels = (
            f'error_type="NOT_FOUND",rpc_method="{NAME}",rpc_response_status_code="NOT_FOUND",rpc_system_name="grpc"'
        )
        name = "rpc_client_call_duration_seconds_count"
        assert f'{name}{{{labels},server_address="gateway",server_port="26500"}} 1.0' in text(each)


@for_each(
    [
        ("gateway:26500", "gateway", 26500),
        ("dns:///gateway.test:26500", "gateway.test", 26500),
        ("dns://8.8.8.8/gateway.test:26500", "gateway.test", 26500),
        ("dns:gateway.test:26500", "gateway.test", 26500),
        ("ipv4:10.0.0.1:26500", "10.0.0.1", 26500),
        ("[::1]:26500", "::1", 26500),
        ("gateway", "gateway", None),
        ("gateway:x", "gateway:x", None),
        ("[broken", "[broken", None),
        ("", "", None),
    ]
)
def test_every_form_of_target_names_its_server(target: str, address: str, port: int | None) -> None:
    found = dict(server(target))
    assert found["server.address"] == address
    assert found.get("server.port") == port


def test_a_request_to_a_rest_api_goes_by_its_own_name(telemetry: Telemetry, span: Find) -> None:
    with telemetry.calling("POST /signal", "camunda:8080") as call:
        call.finish("NOT_FOUND")
    assert span("POST /signal").attributes == {
        "rpc.system.name": "camunda7_rest",
        "rpc.method": "POST /signal",
        "rpc.response.status_code": "NOT_FOUND",
        "error.type": "NOT_FOUND",
        "server.address": "camunda",
        "server.port": 8080,
    }
