"""Every metric has a row in the catalog: its kind, unit and labels are what Prometheus reads."""

from __future__ import annotations

import re

import pytest
from prometheus_client.parser import text_string_to_metric_families

from consumer.telemetry import Telemetry, names
from consumer.telemetry.catalog import COUNTER, GAUGE, HISTOGRAM, METRICS
from consumer.telemetry.prometheus import exposed
from tests.cases import check_all
from tests.unit.consumer.telemetry.requests import text
from tests.unit.consumer.telemetry.test_recorded import scenario

SHOWN = {exposed(name, metric.kind, metric.unit): metric for name, metric in METRICS.items()}


async def test_what_prometheus_reads_is_in_the_catalog_with_these_kinds_and_no_other_labels(off: Telemetry) -> None:
    await scenario(off)
    families = [each for each in text_string_to_metric_families(text(off)) if each.name != "target_info"]

    def is_told(family: str, kind: str, labels: set[str]) -> None:
        metric = SHOWN[f"{family}_total" if kind == COUNTER else family]
        assert metric.kind == kind
        assert labels <= {label.replace(".", "_") for label in metric.labels}

    labelled = [(each.name, each.type, {n for s in each.samples for n in s.labels if n != "le"}) for each in families]
    assert {kind for _, kind, _ in labelled} == {COUNTER, GAUGE, HISTOGRAM}
    check_all(labelled, is_told)


def test_every_row_says_what_it_means_and_histograms_count_seconds() -> None:
    def is_whole(name: str) -> None:
        metric = METRICS[name]
        assert metric.kind in {COUNTER, GAUGE, HISTOGRAM}
        assert re.fullmatch(r"[a-z_.]+", name)
        assert re.fullmatch(r"[A-Z1].*[^.]", metric.meaning)
        assert metric.unit == "s" if metric.kind == HISTOGRAM else metric.unit in {"", "s", "By", "{message}"}

    check_all([*METRICS], is_whole)


def test_a_metric_without_a_row_cannot_be_made(off: Telemetry) -> None:
    with pytest.raises(KeyError, match="no_such_metric"):
        off.count("no_such_metric")


def test_a_counter_that_somebody_else_keeps_is_read_when_metrics_are(off: Telemetry) -> None:
    numbers = iter([1, 2])
    off.counted("ledger.evicted", lambda: next(numbers), kind="body")
    assert 'zeebe_amqp_ledger_evicted_total{kind="body"} 1.0' in text(off)
    assert 'zeebe_amqp_ledger_evicted_total{kind="body"} 2.0' in text(off)


def test_counters_begin_at_zero(off: Telemetry) -> None:
    off.expect(["a"])
    off.start_at_zero("requeued", "queue", ("a", "b"))
    off.start_at_zero("ledger.failures")
    shown = text(off)
    for line in (
        'messaging_client_consumed_messages_total{messaging_destination_name="a",',
        'zeebe_amqp_redelivered_total{messaging_destination_name="a"} 0.0',
        'messaging_client_sent_messages_total{messaging_destination_template="reply",',
        'zeebe_amqp_requeued_total{queue="b"} 0.0',
        "zeebe_amqp_ledger_failures_total 0.0",
        'zeebe_amqp_replayed_total{operation="create-instance"} 0.0',
        'zeebe_amqp_commands_total{code="OK",operation="create-instance"} 0.0',
        'zeebe_amqp_outcomes_total{operation="create-instance",outcome="unknown"} 0.0',
    ):
        assert line in shown, line


def test_facts_are_shown_once_they_are_known(off: Telemetry) -> None:
    known: dict[str, str | int] = {}
    off.facts("gateway.info", lambda: known)
    assert "zeebe_amqp_gateway_info" not in text(off)
    known |= {names.SERVER_ADDRESS: "zeebe", names.SERVER_PORT: 26500, "version": "8.6.0"}
    assert 'zeebe_amqp_gateway_info{server_address="zeebe",server_port="26500",version="8.6.0"} 1.0' in text(off)
