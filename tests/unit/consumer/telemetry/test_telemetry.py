"""Telemetry off, set up from the environment, and shut down."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from consumer.core.delivery import Delivery
from consumer.core.message import Reply
from consumer.telemetry import Telemetry, TelemetryError, exporters, setup
from tests.cases import for_each
from tests.unit.consumer.telemetry.requests import PARENT, TRACE, incoming


async def handler(_: Delivery) -> Reply:
    return Reply("topology", {})


@for_each(["headers", "metadata"])
async def test_off_the_request_s_own_context_passes_through(where: str, off: Telemetry) -> None:
    own = {"traceparent": PARENT, "tracestate": "vendor=1", "baggage": "user=a%20b"}
    request = incoming(**{where: own})
    reply = await off.traced(handler)(request)
    with off.publishing(request, reply) as headers:
        assert headers == own
    assert off.trace_id(request) == TRACE


def test_off_nothing_wraps_the_handler_and_a_request_without_context_gets_none(off: Telemetry) -> None:
    assert off.traced(handler) is handler
    request = incoming()
    assert off.trace_id(request) is None
    with off.publishing(request, Reply("topology")) as headers:
        assert headers == {}


def test_what_publishing_gives_is_the_caller_s_to_change(off: Telemetry) -> None:
    request = incoming(headers={"baggage": "a=b"})
    with off.publishing(request, Reply("topology")) as headers:
        headers["status"] = "ok"
    assert request.message.headers == {"baggage": "a=b"}


ENDPOINT = "http://127.0.0.1:1"
OTLP = "opentelemetry.exporter.otlp.proto"
OWN = {"OTEL_EXPORTER_OTLP_SIGNAL_ENDPOINT": ENDPOINT, "OTEL_EXPORTER_OTLP_SIGNAL_PROTOCOL": "http/protobuf"}
ALL = {"OTEL_EXPORTER_OTLP_ENDPOINT": ENDPOINT}


@for_each(
    [
        (ALL, "grpc", "127.0.0.1:1"),
        ({**ALL, "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "grpc", "127.0.0.1:1"),
        (
            {"OTEL_EXPORTER_OTLP_ENDPOINT": f"{ENDPOINT}/", "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"},
            "http",
            f"{ENDPOINT}/v1/SIGNAL",
        ),
        (OWN, "http", ENDPOINT),
    ]
)
def test_the_environment_chooses_exporter_and_endpoint(environ: dict[str, str], module: str, endpoint: str) -> None:
    for signal, make in (("TRACES", exporters.span_exporter), ("METRICS", exporters.metric_exporter)):
        exporter = make({name.replace("SIGNAL", signal): value for name, value in environ.items()})
        assert exporter is not None
        assert type(exporter).__module__.startswith(f"{OTLP}.{module}"), signal
        assert vars(exporter)["_endpoint"] == endpoint.replace("SIGNAL", signal.lower())
        exporter.shutdown()


@for_each(
    [
        {},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": " "},
        {"OTEL_EXPORTER_OTLP_LOGS_ENDPOINT": ENDPOINT},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": ENDPOINT, "OTEL_TRACES_EXPORTER": "none", "OTEL_METRICS_EXPORTER": "none"},
    ]
)
def test_without_an_endpoint_nothing_is_exported(environ: dict[str, str]) -> None:
    assert exporters.span_exporter(environ) is None
    assert exporters.metric_exporter(environ) is None
    telemetry = setup(environ, version="1")
    assert telemetry.traced(handler) is handler
    telemetry.shutdown()


@for_each(
    [
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc, http/protobuf"),
        ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "grpc, http/protobuf"),
        ("OTEL_EXPORTER_OTLP_METRICS_PROTOCOL", "grpc, http/protobuf"),
        ("OTEL_TRACES_EXPORTER", "otlp, none"),
        ("OTEL_METRICS_EXPORTER", "otlp, none"),
    ]
)
def test_a_value_that_is_not_offered_is_refused_by_name(variable: str, accepted: str) -> None:
    with pytest.raises(TelemetryError, match=f"^{variable}: found 'http/json'; accepted: {accepted}$"):
        setup({"OTEL_EXPORTER_OTLP_ENDPOINT": ENDPOINT, variable: "http/json"}, version="1")


def test_switched_off_nothing_is_traced(exporter: InMemorySpanExporter, off: Telemetry) -> None:
    environ = {"OTEL_SDK_DISABLED": "true", "OTEL_EXPORTER_OTLP_ENDPOINT": ENDPOINT}
    assert setup(environ, version="1").traced(handler) is handler
    assert setup(environ, version="1", spans=exporter).traced(handler) is handler


def test_the_environment_may_name_the_service(monkeypatch: pytest.MonkeyPatch) -> None:
    for given, name in (("", "zeebe-amqp-consumer"), (" ", "zeebe-amqp-consumer"), ("a", "a")):
        attributes = exporters.resource({"OTEL_SERVICE_NAME": given}, "1.2.3").attributes
        assert (attributes["service.name"], attributes["service.version"]) == (name, "1.2.3"), given
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "service.name=billing,team=a")
    attributes = exporters.resource({}, "1").attributes
    assert (attributes["service.name"], attributes["team"]) == ("billing", "a")


class Stuck(SpanExporter):
    """Never returns from its shutdown until it is released."""

    def __init__(self) -> None:
        self.release = threading.Event()

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        return SpanExportResult.SUCCESS

    def shutdown(self) -> None:
        self.release.wait()


class Broken(SpanExporter):
    """Raises."""

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        raise OSError("no server")

    def shutdown(self) -> None:
        raise OSError("no server")


def test_shutdown_does_not_wait_for_a_stuck_exporter(caplog: pytest.LogCaptureFixture) -> None:
    stuck = Stuck()
    setup({}, version="1", spans=stuck).shutdown(0.05)
    assert "could not be sent within 0.05 s" in caplog.text
    stuck.release.set()


async def test_a_broken_exporter_disturbs_neither_requests_nor_shutdown(caplog: pytest.LogCaptureFixture) -> None:
    telemetry = setup({}, version="1", spans=Broken())
    assert await telemetry.traced(handler)(incoming()) == Reply("topology", {})
    telemetry.shutdown()
    assert "telemetry could not be sent" in caplog.text


def test_shutting_down_twice_is_harmless(telemetry: Telemetry, off: Telemetry) -> None:
    for each in (telemetry, off):
        each.shutdown()
        each.shutdown()


@for_each(["grpc", "http/protobuf"])
async def test_a_collector_that_is_away_disturbs_neither_requests_nor_shutdown(
    protocol: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)
    environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": ENDPOINT, "OTEL_EXPORTER_OTLP_PROTOCOL": protocol}
    telemetry = setup(environ, version="1")
    assert telemetry.traced(handler) is not handler
    request = incoming()
    await telemetry.measured(telemetry.traced(handler))(request)
    with telemetry.publishing(request, Reply("topology")) as headers:
        assert "traceparent" in headers
    telemetry.shutdown(0.2)
