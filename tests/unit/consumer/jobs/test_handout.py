"""Jobs that have come are recorded, published, and given back only where their queue certainly has not got them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace

import pytest

from consumer.core.activation import Activation
from consumer.jobs.handout import LOOK, Handout, Unwatched
from consumer.jobs.job_queues import NotSent, NotTaken, Unwritable
from consumer.jobs.returning import MAX_REASON, to_return
from consumer.jobs.room import Room
from consumer.jobs.signed_id import JobId, hash_type
from consumer.ledger import LedgerError
from consumer.pipeline.publishing import PublishFailed
from tests.cases import for_each
from tests.unit.consumer.jobs.fetched import IDS, TYPE, Bench, job
from tests.unit.consumer.workers import until
from zeebe_amqp.commands import FailJob
from zeebe_amqp.commands.jobs import ActivatedJob
from zeebe_amqp.errors import Code, CommandError


@pytest.fixture
async def bench() -> Bench:
    return Bench()


def made(bench: Bench) -> tuple[Handout, Room, list[Exception]]:
    room, failures = Room(TYPE.limit), list[Exception]()
    return Handout(TYPE, bench.parts, room, failures.append), room, failures


async def test_jobs_are_recorded_with_one_write_and_then_published_with_an_id_of_ours(bench: Bench) -> None:
    handout, room, failures = made(bench)
    jobs = [job(key) for key in range(1, 4)]
    handout.give(jobs)
    assert (room.under_way, bench.queues.published) == (3, [])
    await handout.settled()
    assert bench.leases.recorded == [[Activation(each.key, each.deadline, each.deadline - 300_000) for each in jobs]]
    assert [body for body, _ in bench.queues.published] == [b'{"n": 1.50}'] * 3
    signed = [IDS.read(properties.correlation_id) for _, properties in bench.queues.published]
    assert signed == [JobId(each.key, each.deadline, 3, hash_type(TYPE.name)) for each in jobs]
    assert bench.counted == [("jobs.out", {"type": TYPE.name})] * 3
    assert (room.under_way, failures, bench.engine.calls) == (0, [], [])
    assert handout.times.age(3, bench.clock.now() + 60) > 0


async def test_what_comes_while_others_are_recorded_is_recorded_together(bench: Bench) -> None:
    handout, _, _ = made(bench)
    handout.give([job(1)])
    await asyncio.sleep(0)
    for key in (2, 3, 4):
        handout.give([job(key)])
    handout.give([])
    await handout.settled()
    assert [[each.key for each in batch] for batch in bench.leases.recorded] == [[1], [2, 3, 4]]


async def test_the_span_and_the_trace_of_a_job_go_along(bench: Bench) -> None:
    spans = []

    class Span(Unwatched):
        trace = "00-1"

    def publishing(given: ActivatedJob, queue: str, fetch: Mapping[str, str]) -> Span:
        spans.append((given.key, queue, fetch))
        return Span({"traceparent": "00-1"})

    bench.parts = replace(bench.parts, publishing=publishing)
    handout, _, _ = made(bench)
    handout.give([job(7)], {"traceparent": "00-2"})
    await handout.settled()
    assert spans == [(7, TYPE.queue, {"traceparent": "00-2"})]
    assert bench.leases.recorded[0][0].trace == "00-1"
    [(_, properties)] = bench.queues.published
    assert properties.headers is not None
    assert properties.headers["traceparent"] == "00-1"


async def test_a_job_without_time_left_is_neither_given_out_nor_back(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    handout, room, failures = made(bench)
    handout.give([job(left=0.5)])
    await handout.settled()
    assert (bench.queues.published, bench.engine.calls, failures, room.under_way) == ([], [], [], 0)
    assert [record.__dict__["event"] for record in caplog.records] == ["jobs.overdue"]


@for_each([(NotTaken("full"), 3), (LedgerError("locked"), 3), (Unwritable("too large"), 0),
           (PublishFailed("no confirm"), None), (RuntimeError("a defect"), None)])  # fmt: skip
def test_a_job_goes_back_only_where_it_certainly_is_not_in_its_queue(error: Exception, retries: int | None) -> None:
    """What can never be a message is for somebody to see, and does not come again."""
    command = to_return(job(), error)
    assert (command.retries if command else None) == retries
    if command is not None:
        assert str(error) in command.error_message


def test_the_engine_gets_no_endless_text() -> None:
    command = to_return(job(), NotTaken("x" * 10_000 + "\x00"))
    assert command is not None
    assert len(command.error_message) <= MAX_REASON


async def test_what_its_queue_refuses_goes_back_while_nobody_else_can_have_it(bench: Bench) -> None:
    handout, room, failures = made(bench)
    bench.queues.failure = NotTaken("full")
    given = job(5)
    handout.give([given])
    await handout.settled()
    [call] = bench.engine.calls
    assert call.command == FailJob(job_key=5, retries=3, error_message="the job was not published: full")
    assert (call.deadline, call.idempotent) == (given.deadline / 1000, True)
    assert (failures, room.under_way) == ([bench.queues.failure], 0)
    assert bench.counted == [("jobs.returned", {"type": TYPE.name})]


async def test_a_job_waits_for_a_broker_that_is_away_and_goes_when_it_is_back(bench: Bench) -> None:
    handout, room, failures = made(bench)
    back = asyncio.Event()
    bench.queues.failure, bench.queues.ready = NotSent("away"), back.wait  # type: ignore[assignment,method-assign]
    handout.give([job(1), job(2)])
    await until(lambda: bench.clock.slept == [LOOK, LOOK])
    assert (bench.queues.published, bench.engine.calls, room.under_way) == ([], [], 2)
    bench.queues.failure = None
    back.set()
    await handout.settled()
    assert (len(bench.queues.published), bench.engine.calls, failures, room.under_way) == (2, [], [], 0)


async def test_a_broker_that_stays_away_has_jobs_go_back_while_there_is_time(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("consumer.jobs.handout.MAX_HELD", 0.05)
    for left, held in ((300.0, NotSent("away")), (1.05, NotSent("away"))):
        handout, room, failures = made(bench)
        bench.queues.failure, bench.queues.ready = held, asyncio.Event().wait  # type: ignore[assignment,method-assign]
        bench.engine.calls.clear()
        handout.give([job(left=left)])
        await handout.settled()
        assert ([type(call.command) for call in bench.engine.calls], failures) == ([FailJob], [held])
        assert room.under_way == 0


async def test_what_is_not_confirmed_is_left_and_what_is_not_recorded_not_published(bench: Bench) -> None:
    handout, room, failures = made(bench)
    bench.queues.failure = PublishFailed("no confirm")
    handout.give([job(1)])
    await handout.settled()
    assert (bench.engine.calls, bench.counted, len(failures)) == ([], [], 1)
    bench.queues.failure, bench.leases.failure = None, LedgerError("locked")
    handout.give([job(2), job(3)])
    await handout.settled()
    assert bench.queues.published == []
    assert sorted(call.command.job_key for call in bench.engine.calls if isinstance(call.command, FailJob)) == [2, 3]
    assert (len(failures), room.under_way) == (3, 0)


async def test_a_job_that_cannot_go_back_times_out(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    handout, room, _ = made(bench)
    bench.queues.failure = NotTaken("full")
    bench.engine.failure = CommandError(Code.NOT_FOUND, "no such job")
    handout.give([job()])
    await handout.settled()
    assert [record.__dict__["event"] for record in caplog.records] == ["jobs.unpublished", "jobs.unreturned"]
    assert (bench.counted, room.under_way) == ([], 0)


async def test_what_is_under_way_can_be_left_to_time_out(bench: Bench) -> None:
    handout, room, _ = made(bench)
    bench.queues.takes.clear()
    handout.give([job()])
    await asyncio.sleep(0.01)
    handout.cancel()
    await handout.settled()
    assert (bench.queues.published, bench.engine.calls, room.under_way) == ([], [], 0)
