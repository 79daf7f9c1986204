"""A job keeps its trace from the call that fetched it to its message: what is recorded of it is what is sent."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from typing import Any

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from consumer.config.settings import JobType
from consumer.core.activation import Activation
from consumer.jobs.answering import answering
from consumer.jobs.handout import Handout, JobParts
from consumer.jobs.job_queues import NotTaken
from consumer.jobs.room import Room
from consumer.ledger import LedgerError
from consumer.telemetry import Telemetry, setup
from consumer.telemetry.spans import carried
from tests.unit.consumer.jobs.answered import IDS, JOB, KEY, answered
from tests.unit.consumer.jobs.test_answering import Activations, Engine
from tests.unit.consumer.telemetry.jobs import job
from tests.unit.consumer.workers import FakeEngine
from zeebe_amqp.amqp.properties import Properties
from zeebe_amqp.errors import CommandError

FETCH = {"traceparent": f"00-{'a' * 32}-{'b' * 16}-01"}


class Around:
    """The queues and the leases of jobs; what is asked of them fails with `error`, where there is one."""

    def __init__(self, recording: Exception | None = None, publishing: Exception | None = None) -> None:
        self.recorded: list[Activation] = []
        self.published: list[Properties] = []
        self._recording, self._publishing = recording, publishing

    async def record_activations(self, activations: Sequence[Activation]) -> None:
        if self._recording is not None:
            raise self._recording
        self.recorded += activations

    async def publish(self, _: JobType, __: bytes, properties: Properties) -> None:
        if self._publishing is not None:
            raise self._publishing
        self.published.append(properties)


async def given_out(around: Any, watch: Telemetry | None) -> None:
    """Give out one job."""
    watched = {} if watch is None else {"publishing": partial(watch.publishing_job, "trace")}
    parts = JobParts(around, around, IDS, FakeEngine({}), **watched)
    handout = Handout(JobType("pay"), parts, Room(100), lambda _: None)
    handout.give([job(deadline=int(time.time() * 1000) + 300_000)], FETCH)
    await handout.settled()


@pytest.fixture
def exporter() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def watch(exporter: InMemorySpanExporter) -> Telemetry:
    return setup({}, version="1", spans=exporter)


async def test_what_is_recorded_of_a_job_is_the_trace_that_its_message_carries(
    watch: Telemetry, exporter: InMemorySpanExporter
) -> None:
    around = Around()
    await given_out(around, watch)
    [activation], [properties], [span] = around.recorded, around.published, exporter.get_finished_spans()
    context = span.get_span_context()
    assert context is not None
    headers = properties.headers or {}
    assert activation.trace == headers["traceparent"] == carried(context)["traceparent"]
    assert span.name == "publish zeebe.jobs.pay"
    assert [carried(link.context) for link in span.links] == [FETCH]


async def test_a_job_that_was_not_taken_is_told_as_failed_and_one_that_was_not_recorded_is_not_told(
    watch: Telemetry, exporter: InMemorySpanExporter
) -> None:
    await given_out(Around(publishing=NotTaken("full")), watch)
    [span] = exporter.get_finished_spans()
    assert (span.attributes or {})["error.type"] == "NotTaken"
    exporter.clear()
    await given_out(Around(recording=LedgerError("away")), watch)
    assert exporter.get_finished_spans() == ()


async def test_where_nobody_watches_there_is_no_trace() -> None:
    around = Around()
    await given_out(around, None)
    assert [each.trace for each in around.recorded] == [""]
    assert "traceparent" not in (around.published[0].headers or {})


async def test_who_ends_a_job_is_told_which_trace_it_belongs_to() -> None:
    async def ended(newest: Activation | None) -> str:
        delivery = answered()
        with suppress(CommandError):
            await answering(Engine(), Activations(newest))(delivery)
        return delivery.link

    known = Activation(KEY, JOB.deadline, JOB.deadline - 300_000, FETCH["traceparent"])
    # Also where somebody else has it by now: it is the same job.
    for newest in (known, known._replace(deadline=JOB.deadline + 1)):
        assert await ended(newest) == FETCH["traceparent"]
    assert await ended(None) == ""
