"""A call to the gateway: its span, its metadata, its duration."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

from opentelemetry.trace import StatusCode

from consumer.telemetry import Telemetry
from consumer.telemetry.calls import server
from tests.cases import for_each
from tests.unit.consumer.telemetry.requests import Find, text

NAME = "gateway_protocol.Gateway/CreateProcessInstance"
CALL, REST = ("CreateProcessInstance", "gateway:26500"), ("POST /signal", "camunda:8080")


def described(system: str, name: str, host: str, port: int, status: str, error: str | None) -> dict[str, Any]:
    """The attributes of a call's span."""
    found = {"rpc.system.name": system, "rpc.method": name, "server.address": host, "server.port": port}
    return {**found, "rpc.response.status_code": status, **({"error.type": error} if error else {})}


@for_each(
    [
        ("OK", "OK", None),
        ("NOT_FOUND", "NOT_FOUND", "NOT_FOUND"),
        ("DEADLINE_EXCEEDED", "DEADLINE_EXCEEDED", "DEADLINE_EXCEEDED"),
        (None, "CANCELLED", "CANCELLED"),
        (asyncio.CancelledError, "CANCELLED", "CancelledError"),
        (ValueError, "CANCELLED", "ValueError"),
    ]
)
def test_a_call_s_span_says_how_it_ended(end: Any, status: str, error: Any, telemetry: Telemetry, span: Find) -> None:
    for rpc, name, system in ((CALL, NAME, "grpc"), (REST, "POST /signal", "camunda7_rest")):
        with suppress(asyncio.CancelledError, ValueError), telemetry.calling(*rpc) as call:
            if isinstance(end, type):
                raise end
            if end is not None:
                call.finish(end)
                call.finish("INTERNAL")
        host, port = rpc[1].split(":")
        assert span(name).attributes == described(system, name, host, int(port), status, error)
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


@for_each([
    ("gateway:26500", "gateway", 26500), ("dns:///gateway.test:26500", "gateway.test", 26500),
    ("dns://8.8.8.8/gateway.test:26500", "gateway.test", 26500), ("dns:gateway.test:26500", "gateway.test", 26500),
    ("ipv4:10.0.0.1:26500", "10.0.0.1", 26500), ("[::1]:26500", "::1", 26500), ("gateway", "gateway", None),
    ("gateway:x", "gateway:x", None), ("[broken", "[broken", None), ("", "", None),
])  # fmt: skip
def test_every_form_of_target_names_its_server(target: str, address: str, port: int | None) -> None:
    found = dict(server(target))
    assert (found["server.address"], found.get("server.port")) == (address, port)
