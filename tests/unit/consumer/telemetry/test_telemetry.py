"""Telemetry off, set up from the environment, and shut down."""

from __future__ import annotations

import logging
import threading
from typing import Any
from unittest.mock import Mock

import pytest
from opentelemetry.sdk.trace.export import SpanExporter
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from consumer.core.message import Reply
from consumer.telemetry import Telemetry, TelemetryError, exporters, setup
from tests.cases import for_each
from tests.unit.consumer.telemetry.requests import PARENT, TRACE, answering, incoming

DONE = Reply("topology", {})
handler = answering(DONE)
ENDPOINT = "http://127.0.0.1:1"
OTLP = "opentelemetry.exporter.otlp.proto"
OWN = {"OTEL_EXPORTER_OTLP_SIGNAL_ENDPOINT": ENDPOINT, "OTEL_EXPORTER_OTLP_SIGNAL_PROTOCOL": "http/protobuf"}
ALL = {"OTEL_EXPORTER_OTLP_ENDPOINT": ENDPOINT}
HTTP = {"OTEL_EXPORTER_OTLP_ENDPOINT": f"{ENDPOINT}/", "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"}


@for_each(["headers", "metadata"])
async def test_off_the_request_s_own_context_passes_through(where: str, off: Telemetry) -> None:
    own = {"traceparent": PARENT, "tracestate": "vendor=1", "baggage": "user=a%20b"}
    request = incoming(**{where: own})
    reply = await off.traced(handler)(request)
    with off.publishing(request, reply) as headers:
        assert headers == own
        headers["status"] = "ok"
    assert "status" not in {**request.message.headers, **request.request.metadata}, "they are the publisher's to change"
    assert off.trace_id(request) == TRACE
    with off.publishing(incoming(), reply) as headers:
        assert (off.trace_id(incoming()), headers) == (None, {})


@for_each([(ALL, "grpc", "127.0.0.1:1"), ({**ALL, "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "grpc", "127.0.0.1:1"),
           (HTTP, "http", f"{ENDPOINT}/v1/SIGNAL"), (OWN, "http", ENDPOINT)])  # fmt: skip
def test_the_environment_chooses_exporter_and_endpoint(environ: dict[str, str], module: str, endpoint: str) -> None:
    for signal, make in (("TRACES", exporters.span_exporter), ("METRICS", exporters.metric_exporter)):
        exporter = make({name.replace("SIGNAL", signal): value for name, value in environ.items()})
        assert exporter is not None
        assert type(exporter).__module__.startswith(f"{OTLP}.{module}"), signal
        assert vars(exporter)["_endpoint"] == endpoint.replace("SIGNAL", signal.lower())
        exporter.shutdown()


@for_each([{}, {"OTEL_EXPORTER_OTLP_ENDPOINT": " "}, {"OTEL_EXPORTER_OTLP_LOGS_ENDPOINT": ENDPOINT},
           {**ALL, "OTEL_TRACES_EXPORTER": "none", "OTEL_METRICS_EXPORTER": "none"}])  # fmt: skip
def test_without_an_endpoint_nothing_is_exported(environ: dict[str, str]) -> None:
    assert exporters.span_exporter(environ) is exporters.metric_exporter(environ) is None
    telemetry = setup(environ, version="1")
    assert telemetry.traced(handler) is handler
    telemetry.shutdown()


@for_each([*((f"OTEL_EXPORTER_OTLP{name}_PROTOCOL", "grpc, http/protobuf") for name in ("", "_TRACES", "_METRICS")),
           ("OTEL_TRACES_EXPORTER", "otlp, none"), ("OTEL_METRICS_EXPORTER", "otlp, none")])  # fmt: skip
def test_a_value_that_is_not_offered_is_refused_by_name(variable: str, accepted: str) -> None:
    with pytest.raises(TelemetryError, match=f"^{variable}: found 'http/json'; accepted: {accepted}$"):
        setup({**ALL, variable: "http/json"}, version="1")


@for_each(["true", "TRUE", " true "])
def test_switched_off_nothing_is_traced_or_shown(value: str, exporter: InMemorySpanExporter) -> None:
    for given in (None, exporter):
        telemetry = setup({"OTEL_SDK_DISABLED": value, **ALL}, version="1", spans=given)
        assert telemetry.traced(handler) is handler
        telemetry.count("retries")
        with telemetry.publishing(incoming(), DONE):
            pass
        assert telemetry.prometheus()[0] == b""
        telemetry.shutdown()


def test_the_environment_may_name_the_service(monkeypatch: pytest.MonkeyPatch) -> None:
    for given, name in (("", "zeebe-amqp-consumer"), (" ", "zeebe-amqp-consumer"), ("a", "a")):
        attributes = exporters.resource({"OTEL_SERVICE_NAME": given}, "1.2.3").attributes
        assert (attributes["service.name"], attributes["service.version"]) == (name, "1.2.3"), given
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "service.name=billing,team=a")
    attributes = exporters.resource({}, "1").attributes
    assert (attributes["service.name"], attributes["team"]) == ("billing", "a")


def test_shutdown_does_not_wait_for_a_stuck_exporter(caplog: pytest.LogCaptureFixture) -> None:
    release = threading.Event()
    setup({}, version="1", spans=Mock(spec=SpanExporter, shutdown=release.wait)).shutdown(0.05)
    assert "could not be sent within 0.05 s" in caplog.text
    release.set()


async def test_a_broken_exporter_disturbs_neither_requests_nor_shutdown(caplog: pytest.LogCaptureFixture) -> None:
    broken = Mock(spec=SpanExporter)
    broken.export.side_effect = broken.shutdown.side_effect = OSError("no server")
    telemetry = setup({}, version="1", spans=broken)
    assert await telemetry.traced(handler)(incoming()) == DONE
    broken.export.assert_called_once()
    telemetry.shutdown()
    assert "telemetry could not be sent" in caplog.text


def test_shutting_down_twice_is_harmless(telemetry: Telemetry, off: Telemetry) -> None:
    for each in (telemetry, off):
        each.shutdown()
        each.shutdown()


@for_each(["grpc", "http/protobuf"])
async def test_a_collector_that_is_away_disturbs_neither_requests_nor_shutdown(protocol: str, caplog: Any) -> None:
    caplog.set_level(logging.CRITICAL)
    telemetry = setup({**ALL, "OTEL_EXPORTER_OTLP_PROTOCOL": protocol}, version="1")
    request = incoming()
    await telemetry.measured(telemetry.traced(handler))(request)
    with telemetry.publishing(request, DONE) as headers:
        assert "traceparent" in headers
    telemetry.shutdown(0.2)
