"""Jobs in the service: nothing runs without types, and what does not end in time is left to time out."""

from __future__ import annotations

import asyncio
from typing import Any
from unittest.mock import AsyncMock, Mock

import pytest

from consumer.config import Settings
from consumer.config.settings import JobType
from consumer.core.circuit_breaker import CircuitBreaker
from consumer.jobs.signed_id import SignedIds
from consumer.rabbitmq.jobs import JobPublisher
from consumer.telemetry import Telemetry, setup
from consumer.work import Work, answer_decoders, answer_handlers
from zeebe_amqp.jobs.names import RESULTS, UNDONE

IDS = SignedIds([b"a key"])
TYPES = (JobType("charge-card", limit=7), JobType("ship-order"))


@pytest.fixture
def watch() -> Telemetry:
    return setup({}, version="1")


def made(watch: Telemetry, *types: JobType) -> Any:
    zeebe, ledger = Mock(circuit=CircuitBreaker()), Mock(problem=None, ready=AsyncMock())
    return Work(
        Settings(jobs=types),
        zeebe=zeebe,
        broker=Mock(measure=AsyncMock()),
        ledger=ledger,
        ids=IDS,
        answers=list,
        watch=watch,
    )


def test_messages_about_jobs_are_read_where_there_are_types(watch: Telemetry) -> None:
    assert answer_decoders(IDS, ()) == {}
    assert [*answer_decoders(IDS, TYPES)] == [RESULTS, UNDONE]
    assert [*answer_handlers(Mock(), Mock(), [], [], watch)] == [RESULTS, UNDONE]


async def test_without_types_nothing_runs(watch: Telemetry) -> None:
    work, before = made(watch), len(asyncio.all_tasks())
    work.start()
    assert (work.problems(), len(asyncio.all_tasks())) == ({}, before)
    work.stop_fetching()
    assert await work.finish(0)


async def test_what_is_wrong_is_told_by_type_and_every_series_is_there(watch: Telemetry) -> None:
    work = made(watch, *TYPES)
    work._fetchers[1].problem = "no rights"
    assert work.problems() == {"jobs.ship-order": "no rights", "broker.publish.jobs": "not connected yet"}
    shown = watch.prometheus()[0].decode()
    for line in ('jobs_limit{type="charge-card"} 7', 'jobs_out_total{type="ship-order"} 0', "jobs_oldest_age_seconds"):
        assert line in shown, shown
    assert 'jobs_waiting{type="charge-card"} NaN' in shown


async def test_the_variable_that_carries_the_trace_is_fetched_where_not_all_are(watch: Telemetry) -> None:
    work = made(watch, JobType("some", fetch_variables=("card",)), JobType("all"))
    assert [each.job_type.fetch_variables for each in work._fetchers] == [("card", "trace"), ()]


async def test_what_does_not_end_in_time_is_left(watch: Telemetry, monkeypatch: pytest.MonkeyPatch) -> None:
    forever = asyncio.Event().wait
    monkeypatch.setattr(JobPublisher, "run", lambda _: forever())
    monkeypatch.setattr(JobPublisher, "ready", lambda _: forever())
    work = made(watch, *TYPES)
    work.start()
    await asyncio.sleep(0.01)
    work.stop_fetching()
    assert await work.finish(1)
    late = made(watch, *TYPES)
    late._fetchers[0].finish = forever
    late.start()
    late.stop_fetching()
    assert not await late.finish(0.01)
