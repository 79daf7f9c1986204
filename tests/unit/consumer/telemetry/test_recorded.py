"""What one scenario looks like to Prometheus and to an OTLP exporter, compared with recorded text.

Names, units, descriptions, labels and bounds are what dashboards and alerts hold on to: a change here is one for
everybody who runs the service. After a wanted change, copy what the failing test found into the recording.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.sdk.metrics.export import Histogram, Metric, MetricExportResult, MetricsData, Sum

from consumer.core.delivery import Delivery
from consumer.core.message import Reply
from consumer.telemetry import Telemetry, setup
from tests.unit.consumer.errors import failed
from tests.unit.consumer.telemetry.requests import incoming

EXPOSITION = Path(__file__).with_name("exposition.txt")
EXPORTED = Path(__file__).with_name("exported.txt")
TIMED = re.compile(r"^((?:messaging|rpc|zeebe_amqp_queue)_\w+_(?:bucket|sum)\{.*\}|process_uptime_seconds) \S+$", re.M)
CHANGING = re.compile(r'((?:service_instance_id|telemetry_sdk_version)=)"[^"]*"')


class MemoryMetricExporter(OTLPMetricExporter):
    """Keeps what it should send."""

    def __init__(self) -> None:
        super().__init__(endpoint="http://127.0.0.1:1")
        self.exported: list[MetricsData] = []

    def export(self, metrics_data: MetricsData, timeout_millis: float | None = 0, **_: Any) -> MetricExportResult:
        self.exported.append(metrics_data)
        return MetricExportResult.SUCCESS


@pytest.fixture
def exporter() -> Iterator[MemoryMetricExporter]:
    exporter = MemoryMetricExporter()
    yield exporter
    exporter.shutdown()


async def scenario(telemetry: Telemetry) -> None:
    """Everything that is counted, timed or read, with and without an error."""
    error = failed()
    sent = int(time.time()) - 3600
    for reply in (
        Reply("topology", {}),
        Reply("topology", error=error),
        Reply("no such thing", error=error, replayed=True),
    ):
        await telemetry.measured(answering(reply))(incoming(timestamp=sent, redelivered=True))
        with telemetry.publishing(incoming(), reply):
            pass
    with pytest.raises(TimeoutError), telemetry.publishing(incoming(), Reply("topology")):
        raise TimeoutError
    for rpc, target in (("Topology", "dns:///zeebe:26500"), ("POST /signal", "camunda")):
        for status in ("OK", "UNAVAILABLE"):
            with telemetry.calling(rpc, target) as call:
                call.attempt(1, "UNAVAILABLE", 0.1)
                call.finish(status)
    telemetry.count("dead_lettered", queue='a"b\\c\nd', code="NOT_FOUND")
    telemetry.count("reply.failures")
    telemetry.count("reply.failures")
    telemetry.count("without.description", whole=7, broken=0.5, yes=True)
    for seconds in (0.005, 0.006, 10, 11):
        telemetry.record("ledger.duration", seconds, store="memory")
    telemetry.gauge("in_flight", lambda: 5, queue="a")
    telemetry.gauge("in_flight", lambda: 7)
    telemetry.gauge("circuit.state", lambda: 1 / 0)


def answering(reply: Reply) -> Callable[[Delivery], Any]:
    async def handler(_: Delivery) -> Reply:
        return reply

    return handler


def families(text: str) -> str:
    """What Prometheus reads, family by family in the order of their names, without what differs each time."""
    text = CHANGING.sub(r'\1"…"', TIMED.sub(r"\1 …", text))
    return "".join(sorted(re.findall(r"# HELP (?:.|\n)*?(?=# HELP |\Z)", text)))


def listed(data: MetricsData) -> str:
    """What is exported, series by series, without values."""
    lines = [
        f"{scope.scope.name} {line}"
        for resource in data.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
        for line in series(metric)
    ]
    return "".join(sorted(lines))


def series(metric: Metric) -> Iterator[str]:
    kind = type(metric.data).__name__
    if isinstance(metric.data, Sum):
        kind += f" monotonic={metric.data.is_monotonic}"
    if isinstance(metric.data, Sum | Histogram):
        kind += f" {metric.data.aggregation_temporality.name}"
    for point in metric.data.data_points:
        bounds = getattr(point, "explicit_bounds", "")
        yield (
            f"{metric.name} [{metric.unit}] {metric.description!r}: {kind} {dict(point.attributes or {})} {bounds}\n"
        )


async def test_prometheus_reads_the_recorded_metrics(off: Telemetry) -> None:
    await scenario(off)
    content, content_type = off.prometheus()
    assert families(content.decode()) == EXPOSITION.read_text()
    assert content_type.startswith("text/plain; version=")


async def test_the_recorded_metrics_are_exported(exporter: MemoryMetricExporter) -> None:
    telemetry = setup({}, version="1.2.3", metrics=exporter)
    await scenario(telemetry)
    telemetry.shutdown()
    assert listed(exporter.exported[-1]) == EXPORTED.read_text()


async def test_the_environment_asks_for_counts_since_the_last_export(monkeypatch: pytest.MonkeyPatch) -> None:
    environ = {"OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE": "delta"}
    monkeypatch.setenv(*next(iter(environ.items())))
    exporter = MemoryMetricExporter()
    telemetry = setup(environ, version="1.2.3", metrics=exporter)
    await scenario(telemetry)
    telemetry.shutdown()
    assert listed(exporter.exported[-1]) == EXPORTED.read_text().replace("=True CUMULATIVE", "=True DELTA")
