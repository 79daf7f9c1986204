"""What a service shows before anything happened: every series that an alert needs."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from unittest.mock import Mock

import pytest

from consumer import telemetry
from consumer.app import Service
from consumer.config import Settings
from consumer.config.settings import JobType
from consumer.config.values import AuditSink
from consumer.core.access import UserLimits
from consumer.core.message import Message, Reply
from consumer.health import PARTS
from consumer.ledger import identify
from consumer.telemetry import Telemetry
from tests.unit.consumer.deliveries import FakeDelivery
from tests.unit.consumer.telemetry.requests import text


@pytest.fixture
def watch() -> Iterator[Telemetry]:
    made = telemetry.setup({}, version="0")
    yield made
    made.shutdown()


@pytest.fixture
async def service(watch: Telemetry) -> Service:
    sink, types = AuditSink("stream", "audit"), (JobType("charge-card"),)
    return Service(Settings(ledger="memory://", http_address=None, audit=sink, jobs=types), watch)


def number(watch: Telemetry, series: str) -> float:
    """The value of the one series that begins so."""
    [line] = [line for line in text(watch).splitlines() if line.startswith(series)]
    return float(line.rpartition(" ")[2])


async def test_every_series_of_an_alert_is_there_from_the_start(service: Service, watch: Telemetry) -> None:
    shown = text(watch)
    for series in (
        "zeebe_amqp_ready 0.0",
        'zeebe_amqp_paused_seconds{part="gateway"} 0.0',
        'zeebe_amqp_paused_seconds{part="ledger"} 0.0',
        'zeebe_amqp_paused_seconds{part="audit"} 0.0',
        "zeebe_amqp_audit_records_total 0.0",
        "zeebe_amqp_audit_failures_total 0.0",
        "zeebe_amqp_circuit_state 0.0",
        "zeebe_amqp_ledger_failures_total 0.0",
        'zeebe_amqp_ledger_evicted_total{kind="body"} 0.0',
        'zeebe_amqp_ledger_evicted_total{kind="entry"} 0.0',
        "zeebe_amqp_ledger_bytes 0.0",
        'zeebe_amqp_refused_total{reason="conflict"} 0.0',
        'zeebe_amqp_requeued_total{queue="zeebe.polls"} 0.0',
        'zeebe_amqp_reply_failures_total{reason="refused"} 0.0',
        'zeebe_amqp_dead_lettered_total{queue="zeebe.commands"} 0.0',
        'zeebe_amqp_queue_messages{queue="zeebe.commands"} NaN',
        "zeebe_amqp_dead_letters NaN",
        "zeebe_amqp_dead_letters_age_seconds 0.0",
        "zeebe_amqp_oldest_request_age_seconds 0.0",
        'zeebe_amqp_jobs_out_total{type="charge-card"} 0.0',
        'zeebe_amqp_jobs_returned_total{type="charge-card"} 0.0',
        'zeebe_amqp_jobs_expired_total{type="charge-card"} 0.0',
        'zeebe_amqp_jobs_late_total{type="charge-card"} 0.0',
        'zeebe_amqp_jobs_undone_total{reason="delivery_limit",type="charge-card"} 0.0',
        'zeebe_amqp_jobs_answered_total{outcome="unusable",type="charge-card"} 0.0',
        'zeebe_amqp_jobs_refused_total{reason="forged"} 0.0',
        'zeebe_amqp_jobs_limit{type="charge-card"} 100.0',
        'zeebe_amqp_jobs_oldest_age_seconds{type="charge-card"} 0.0',
    ):
        assert f"\n{series}\n" in shown, series
    assert "zeebe_amqp_gateway_info" not in shown
    await service.engine.close()


async def test_the_oldest_request_is_as_old_as_it_says_and_no_younger_than_its_arrival(
    service: Service, watch: Telemetry
) -> None:
    now = time.time()
    arrived = Message(b'{"operation":"topology"}', queue="zeebe.commands", reply_to="replies", received=now - 60)
    for message, age in ((arrived, 60), (replace(arrived, timestamp=int(now - 300)), 300)):
        service._accept(FakeDelivery(message))
        assert age <= number(watch, "zeebe_amqp_oldest_request_age_seconds") < age + 10
    service._accept(FakeDelivery(replace(arrived, timestamp=int(now + 3600))))
    assert number(watch, "zeebe_amqp_oldest_request_age_seconds") < 310
    assert number(watch, "zeebe_amqp_in_flight") == 3
    for worker in service._workers.values():
        await worker.stop(0)
    assert number(watch, "zeebe_amqp_oldest_request_age_seconds") == 0
    await service.engine.close()


async def test_a_ledger_that_fails_is_counted_and_is_why_it_is_not_ready(service: Service, watch: Telemetry) -> None:
    service.ledger._fail(OSError("the disk is full"))
    assert number(watch, "zeebe_amqp_ledger_failures_total") == 1
    assert "ledger" in service.problems()
    assert number(watch, "zeebe_amqp_ready") == 0
    await service.engine.close()


async def test_readiness_has_a_reason_for_each_part_and_for_no_other(service: Service) -> None:
    service.ledger._fail(OSError("the disk is full"))
    assert service.audit is not None
    service.audit._fail("the disk is full")
    [fetcher] = service.work._fetchers
    fetcher.problem = "its queue is another one"
    service._stopping = True
    problems = service.problems()
    assert problems.pop("jobs.charge-card") == "its queue is another one"
    assert problems.keys() | {"health", "jobs.TYPE"} == PARTS.keys()
    await service.engine.close()


async def test_a_users_bytes_in_the_ledger_are_what_his_limits_say(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    access = Mock(**{"limits.side_effect": lambda user: UserLimits(ledger_bytes=0 if user == "alice" else None)})
    monkeypatch.setattr(service, "authorizer", access)
    for user in ("alice", "bob"):
        await service.ledger.claim(identify(user, "a"), b"d")
        await service.ledger.finish(identify(user, "a"), Reply("create-instance"))
    found = [await service.ledger.claim(identify(user, "a"), b"d") for user in ("alice", "bob")]
    assert [claim.reply is not None for claim in found] == [False, True]
    await service.engine.close()
