"""What Prometheus reads of requests handled."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Histogram,
    MetricExporter,
    MetricExportResult,
    MetricsData,
)

from consumer.core.delivery import Delivery
from consumer.core.message import Reply
from consumer.telemetry import Telemetry, names, setup
from consumer.telemetry.otlp import JoiningExporter
from tests.cases import for_each
from tests.unit.consumer.errors import failed
from tests.unit.consumer.telemetry.requests import incoming, text
from zeebe_amqp.amqp.properties import MAX_TIME
from zeebe_amqp.errors import Code

LABELS = 'messaging_destination_name="zeebe.commands",messaging_operation_name="process",messaging_system="rabbitmq"'


async def measure(telemetry: Telemetry, request: Delivery, reply: Reply | BaseException) -> None:
    async def handler(_: Delivery) -> Reply:
        if isinstance(reply, BaseException):
            raise reply
        return reply

    await telemetry.measured(handler)(request)


async def test_a_handled_request_is_counted_and_timed(off: Telemetry) -> None:
    for _ in range(3):
        await measure(off, incoming(), Reply("topology", {}))
    assert f"messaging_client_consumed_messages_total{{{LABELS}}} 3.0" in text(off)
    assert f"messaging_process_duration_seconds_count{{{LABELS}}} 3.0" in text(off)
    assert f'messaging_process_duration_seconds_bucket{{le="+Inf",{LABELS}}} 3.0' in text(off)
    assert 'zeebe_amqp_commands_total{code="OK",operation="topology"} 3.0' in text(off)


@for_each(Code)
async def test_a_command_is_counted_by_the_code_it_was_answered_with(code: Code, off: Telemetry) -> None:
    await measure(off, incoming(), Reply("topology", error=failed(code)))
    assert f'zeebe_amqp_commands_total{{code="{code.value}",operation="topology"}} 1.0' in text(off)
    assert f'messaging_process_duration_seconds_count{{error_type="{code.value}",{LABELS}}} 1.0' in text(off)


async def test_an_operation_that_does_not_exist_makes_no_time_series_of_its_own(off: Telemetry) -> None:
    for number, operation in enumerate((None, "", "no-such-operation", "x" * 200, 'a"b\n'), 1):
        await measure(off, incoming(), Reply(operation, error=failed(Code.UNIMPLEMENTED)))
        counted = f'zeebe_amqp_commands_total{{code="UNIMPLEMENTED",operation="_OTHER"}} {number}.0'
        assert counted in text(off), operation


@for_each([(ValueError("no"),), (asyncio.CancelledError(),)])
async def test_a_handler_that_raises_is_timed_under_its_error(error: BaseException, off: Telemetry) -> None:
    with pytest.raises(type(error)):
        await measure(off, incoming(), error)
    name = type(error).__name__
    assert f'messaging_process_duration_seconds_count{{error_type="{name}",{LABELS}}} 1.0' in text(off)
    assert "zeebe_amqp_commands" not in text(off)


async def test_redelivered_requests_and_replayed_replies_are_counted(off: Telemetry) -> None:
    await measure(off, incoming(redelivered=True), Reply("topology", replayed=True))
    await measure(off, incoming(), Reply("topology"))
    assert 'zeebe_amqp_redelivered_total{messaging_destination_name="zeebe.commands"} 1.0' in text(off)
    assert 'zeebe_amqp_replayed_total{operation="topology"} 1.0' in text(off)


async def test_the_wait_in_the_queue_is_measured(off: Telemetry) -> None:
    for number, hours in enumerate((0, 1, 23), 1):
        await measure(off, incoming(timestamp=int(time.time()) - hours * 3600), Reply("topology"))
        name = "zeebe_amqp_queue_wait_seconds_count"
        assert f'{name}{{messaging_destination_name="zeebe.commands"}} {number}.0' in text(off), hours


async def test_an_impossible_wait_is_not_measured(off: Telemetry) -> None:
    for timestamp in (None, 0, MAX_TIME, int(time.time()) - 25 * 3600):
        await measure(off, incoming(timestamp=timestamp), Reply("topology"))
        assert "queue_wait" not in text(off), timestamp


def test_a_published_reply_is_counted_and_timed(telemetry: Telemetry, off: Telemetry) -> None:
    labels = 'messaging_destination_template="reply",messaging_operation_name="publish",messaging_system="rabbitmq"'
    for each in (telemetry, off):
        with each.publishing(incoming(), Reply("topology")):
            pass
        with pytest.raises(TimeoutError), each.publishing(incoming(), Reply("topology")):
            raise TimeoutError
        assert f'messaging_client_sent_messages_total{{error_type="",{labels}}} 1.0' in text(each)
        assert f'messaging_client_sent_messages_total{{error_type="TimeoutError",{labels}}} 1.0' in text(each)
        assert f'messaging_client_operation_duration_seconds_count{{error_type="",{labels}}} 1.0' in text(each)


def test_counters_of_ours_have_our_prefix_and_add_up(off: Telemetry) -> None:
    off.count("dead_lettered", queue="zeebe.commands", code="NOT_FOUND")
    off.count("dead_lettered", code="NOT_FOUND", queue="zeebe.commands")
    off.count("reply.failures")
    assert 'zeebe_amqp_dead_lettered_total{code="NOT_FOUND",queue="zeebe.commands"} 2.0' in text(off)
    assert "zeebe_amqp_reply_failures_total 1.0" in text(off)
    assert "# HELP zeebe_amqp_dead_lettered_total Requests sent to the dead-letter queue" in text(off)


def test_gauges_are_read_when_metrics_are(off: Telemetry) -> None:
    values = {"in_flight": 1}
    off.gauge("in_flight", lambda: values["in_flight"], queue="a")
    off.gauge("in_flight", lambda: 7, queue="b")
    values["in_flight"] = 5
    assert 'zeebe_amqp_in_flight{queue="a"} 5.0' in text(off)
    assert 'zeebe_amqp_in_flight{queue="b"} 7.0' in text(off)
    off.gauge("in_flight", lambda: 8, queue="b")
    assert 'zeebe_amqp_in_flight{queue="b"} 8.0' in text(off)


def test_a_broken_gauge_hides_no_other(off: Telemetry, caplog: pytest.LogCaptureFixture) -> None:
    off.gauge("limit", lambda: 1 / 0, queue="a")
    off.gauge("limit", lambda: 64, queue="b")
    assert 'zeebe_amqp_limit{queue="b"} 64.0' in text(off)
    assert "the metric zeebe_amqp.limit could not be read" in caplog.text


def test_two_services_in_one_process_count_apart(off: Telemetry, telemetry: Telemetry) -> None:
    off.count("retries")
    assert "zeebe_amqp_retries" not in text(telemetry)


@for_each(["true", "TRUE", " true "])
def test_switched_off_nothing_is_shown(value: str) -> None:
    telemetry = setup({"OTEL_SDK_DISABLED": value}, version="1")
    telemetry.count("retries")
    with telemetry.publishing(incoming(), Reply("topology")):
        pass
    assert telemetry.prometheus()[0] == b""
    telemetry.shutdown()


class MemoryMetricExporter(MetricExporter):
    """Keeps what was exported."""

    def __init__(self) -> None:
        super().__init__()
        self.exported: list[MetricsData] = []
        self.flushed: list[float] = []

    def export(self, metrics_data: MetricsData, timeout_millis: float = 0, **_: Any) -> MetricExportResult:
        self.exported.append(metrics_data)
        return MetricExportResult.SUCCESS

    def force_flush(self, timeout_millis: float = 0) -> bool:
        self.flushed.append(timeout_millis)
        return True

    def shutdown(self, timeout_millis: float = 0, **_: Any) -> None:
        return None


async def test_an_exporter_gets_the_same_numbers_at_the_end() -> None:
    kept = MemoryMetricExporter()
    telemetry = setup({}, version="1.2.3", metrics=kept)
    await measure(telemetry, incoming(), Reply("topology"))
    telemetry.shutdown()
    (resource,) = kept.exported[-1].resource_metrics
    (scope,) = resource.scope_metrics
    metrics = {metric.name: metric for metric in scope.metrics}
    assert resource.resource.attributes["service.version"] == "1.2.3"
    assert {names.CONSUMED, names.COMMANDS, names.PROCESS_DURATION, names.UPTIME} == set(metrics)
    duration = metrics[names.PROCESS_DURATION].data
    assert isinstance(duration, Histogram)
    (point,) = duration.data_points
    assert (point.count, sum(point.bucket_counts)) == (1, 1)
    assert point.min == point.max == point.sum > 0
    assert point.start_time_unix_nano < point.time_unix_nano
    assert dict(point.attributes or {})["messaging.destination.name"] == "zeebe.commands"


def test_a_flush_reaches_the_exporter() -> None:
    kept = MemoryMetricExporter()
    assert JoiningExporter(kept, {}, AggregationTemporality.CUMULATIVE).force_flush(7)
    assert kept.flushed == [7]
