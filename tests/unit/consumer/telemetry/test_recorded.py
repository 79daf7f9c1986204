"""What one scenario looks like to Prometheus and to an OTLP exporter, compared with recorded text.

Names, units, descriptions, labels and bounds are what dashboards and alerts hold on to: a change here is one for
everybody who runs the service. After a wanted change, copy what the failing test found into the recording.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from opentelemetry.sdk.metrics import export

from consumer.core.message import Reply
from consumer.telemetry import Telemetry, names, setup
from tests.cases import for_each
from tests.unit.consumer.errors import failed
from tests.unit.consumer.telemetry.requests import answering, incoming, text
from zeebe_amqp.amqp.properties import MAX_TIME

EXPOSITION = Path(__file__).with_name("exposition.txt")
EXPORTED = Path(__file__).with_name("exported.txt")
TIMED = re.compile(
    r"^((?:messaging|rpc|zeebe_amqp_queue|zeebe_amqp_command)_\w+_(?:bucket|sum)\{.*\}|process_\w+) \S+$", re.M
)
CHANGING = re.compile(r'((?:service_instance_id|telemetry_sdk_version)=)"[^"]*"')


DONE = Reply("topology", {})


async def scenario(telemetry: Telemetry) -> None:
    """Everything that is counted, timed or read, with and without an error."""
    error = failed()
    sent = int(time.time()) - 3600
    replies = DONE, Reply("topology", error=error), Reply("no such thing", error=error, replayed=True)
    for reply in replies:
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
    telemetry.count("dead_lettered", queue='a"b\\c\nd')
    telemetry.count("ledger.failures")
    telemetry.count("ledger.failures")
    telemetry.start_at_zero("reply.failures", "reason", ("refused", "unroutable"))
    telemetry.start_at_zero("refused")
    telemetry.counted("ledger.evicted", lambda: 12, kind="body")
    telemetry.expect(["zeebe.polls"])
    for seconds in (0.005, 0.006, 10, 11):
        telemetry.record("ledger.duration", seconds, operation="claim")
    telemetry.gauge("limit", lambda: 5, queue="a")
    telemetry.gauge("in_flight", lambda: 7)
    telemetry.gauge("circuit.state", lambda: 1 / 0)
    telemetry.facts("gateway.info", lambda: {"server.address": "zeebe", "server.port": 26500, "version": "8.6.0"})


def families(telemetry: Telemetry) -> str:
    """What Prometheus reads, family by family in the order of their names, without what differs each time."""
    found = CHANGING.sub(r'\1"…"', TIMED.sub(r"\1 …", text(telemetry)))
    return "".join(sorted(re.findall(r"# HELP (?:.|\n)*?(?=# HELP |\Z)", found)))


def listed(data: export.MetricsData) -> str:
    """What is exported, series by series, without values."""
    scopes = [scope for resource in data.resource_metrics for scope in resource.scope_metrics]
    return "".join(sorted(f"{s.scope.name} {line}" for s in scopes for metric in s.metrics for line in series(metric)))


def series(metric: export.Metric) -> Iterator[str]:
    kind = type(metric.data).__name__
    if isinstance(metric.data, export.Sum):
        kind += f" monotonic={metric.data.is_monotonic}"
    if isinstance(metric.data, export.Sum | export.Histogram):
        kind += f" {metric.data.aggregation_temporality.name}"
    described = f"{metric.name} [{metric.unit}] {metric.description!r}: {kind}"
    for point in metric.data.data_points:
        yield f"{described} {dict(point.attributes or {})} {getattr(point, 'explicit_bounds', '')}\n"


async def test_prometheus_reads_the_recorded_metrics(off: Telemetry) -> None:
    await scenario(off)
    assert families(off) == EXPOSITION.read_text()
    assert off.prometheus()[1].startswith("text/plain; version=")


@for_each([({}, "CUMULATIVE"), ({"OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE": "delta"}, "DELTA")])
async def test_the_recorded_metrics_are_exported_since_when_is_asked(environ: dict[str, str], since: str) -> None:
    exporter = Mock(spec=export.MetricExporter)
    telemetry = setup(environ, version="1.2.3", metrics=exporter)
    await scenario(telemetry)
    telemetry._metrics._sending.provider.force_flush()
    exporter.force_flush.assert_called_once()
    telemetry.shutdown()
    [data] = exporter.export.call_args.args[:1]
    assert listed(data) == EXPORTED.read_text().replace("=True CUMULATIVE", f"=True {since}")
    [resource] = data.resource_metrics
    assert resource.resource.attributes["service.version"] == "1.2.3"
    [metric] = [each for each in resource.scope_metrics[0].metrics if each.name == names.QUEUE_WAIT]
    [point] = metric.data.data_points
    assert (point.count, sum(point.bucket_counts)) == (3, 3)
    assert 3600 <= point.min <= point.max < 3700
    assert 3 * point.min <= point.sum <= 3 * point.max
    assert point.start_time_unix_nano < point.time_unix_nano


@for_each([ValueError("no"), asyncio.CancelledError()])
async def test_a_handler_that_raises_is_timed_under_its_error(error: BaseException, off: Telemetry) -> None:
    with pytest.raises(type(error)):
        await off.measured(answering(error))(incoming())
    queue = 'messaging_destination_name="zeebe.commands"'
    labels = f'{queue},messaging_operation_name="process",messaging_system="rabbitmq"'
    name = f'messaging_process_duration_seconds_count{{error_type="{type(error).__name__}",{labels}}}'
    assert f"{name} 1.0" in text(off)
    assert set(re.findall(r"^zeebe_amqp_(?:commands|outcomes)_total{.*} (.+)$", text(off), re.M)) == {"0.0"}


async def test_only_what_came_again_is_counted_as_redelivered_or_replayed(off: Telemetry) -> None:
    await off.measured(answering(Reply("topology", replayed=True)))(incoming(redelivered=True))
    await off.measured(answering(DONE))(incoming())
    assert 'zeebe_amqp_redelivered_total{messaging_destination_name="zeebe.commands"} 1.0' in text(off)
    assert 'zeebe_amqp_replayed_total{operation="topology"} 1.0' in text(off)


async def test_the_wait_in_the_queue_is_measured_unless_it_is_impossible(off: Telemetry) -> None:
    now = int(time.time())
    for timestamp in (None, 0, MAX_TIME, now - 25 * 3600):
        await off.measured(answering(DONE))(incoming(timestamp=timestamp))
        assert "queue_wait" not in text(off), timestamp
    for number, hours in enumerate((0, 1, 23), 1):
        await off.measured(answering(DONE))(incoming(timestamp=now - hours * 3600))
        name = 'zeebe_amqp_queue_wait_seconds_count{messaging_destination_name="zeebe.commands"}'
        assert f"{name} {number}.0" in text(off), hours


def test_counts_add_up_in_each_service_whatever_the_order_of_labels(off: Telemetry, telemetry: Telemetry) -> None:
    off.count("commands", operation="topology", code="NOT_FOUND")
    off.count("commands", code="NOT_FOUND", operation="topology")
    assert 'zeebe_amqp_commands_total{code="NOT_FOUND",operation="topology"} 2.0' in text(off)
    assert "NOT_FOUND" not in text(telemetry)


def test_gauges_are_read_when_metrics_are_and_a_broken_one_hides_no_other(off: Telemetry, caplog: Any) -> None:
    values = {"in_flight": 1}
    off.gauge("in_flight", lambda: 1 / 0, queue="broken")
    off.gauge("in_flight", lambda: values["in_flight"], queue="a")
    off.gauge("in_flight", lambda: 7, queue="b")
    off.gauge("in_flight", lambda: 8, queue="b")
    values["in_flight"] = 5
    assert 'zeebe_amqp_in_flight{queue="a"} 5.0' in text(off)
    assert 'zeebe_amqp_in_flight{queue="b"} 8.0' in text(off)
    assert "the metric zeebe_amqp.in_flight could not be read" in caplog.text
