"""What is counted, timed and read besides what the recording shows."""

from __future__ import annotations

import asyncio
import time

import pytest

from consumer.core.message import Reply
from consumer.telemetry import Telemetry, setup
from tests.cases import for_each
from tests.unit.consumer.telemetry.requests import answering, incoming, text
from zeebe_amqp.amqp.properties import MAX_TIME

DONE = Reply("topology", {})


@for_each([ValueError("no"), asyncio.CancelledError()])
async def test_a_handler_that_raises_is_timed_under_its_error(error: BaseException, off: Telemetry) -> None:
    with pytest.raises(type(error)):
        await off.measured(answering(error))(incoming())
    queue = 'messaging_destination_name="zeebe.commands"'
    labels = f'{queue},messaging_operation_name="process",messaging_system="rabbitmq"'
    name = f'messaging_process_duration_seconds_count{{error_type="{type(error).__name__}",{labels}}}'
    assert f"{name} 1.0" in text(off)
    assert "zeebe_amqp_commands" not in text(off)


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


def test_counts_add_up_whatever_the_order_of_their_labels_and_for_each_service_apart(
    off: Telemetry, telemetry: Telemetry
) -> None:
    off.count("dead_lettered", queue="zeebe.commands", code="NOT_FOUND")
    off.count("dead_lettered", code="NOT_FOUND", queue="zeebe.commands")
    assert 'zeebe_amqp_dead_lettered_total{code="NOT_FOUND",queue="zeebe.commands"} 2.0' in text(off)
    assert "zeebe_amqp_dead_lettered" not in text(telemetry)


def test_gauges_are_read_when_metrics_are_and_a_broken_one_hides_no_other(
    off: Telemetry, caplog: pytest.LogCaptureFixture
) -> None:
    values = {"in_flight": 1}
    off.gauge("in_flight", lambda: 1 / 0, queue="broken")
    off.gauge("in_flight", lambda: values["in_flight"], queue="a")
    off.gauge("in_flight", lambda: 7, queue="b")
    off.gauge("in_flight", lambda: 8, queue="b")
    values["in_flight"] = 5
    assert 'zeebe_amqp_in_flight{queue="a"} 5.0' in text(off)
    assert 'zeebe_amqp_in_flight{queue="b"} 8.0' in text(off)
    assert "the metric zeebe_amqp.in_flight could not be read" in caplog.text


@for_each(["true", "TRUE", " true "])
def test_switched_off_nothing_is_shown(value: str) -> None:
    telemetry = setup({"OTEL_SDK_DISABLED": value}, version="1")
    telemetry.count("retries")
    with telemetry.publishing(incoming(), Reply("topology")):
        pass
    assert telemetry.prometheus()[0] == b""
    telemetry.shutdown()
