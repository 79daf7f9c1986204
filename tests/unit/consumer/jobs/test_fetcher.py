"""A type's jobs are fetched by polls and pushed by a stream, rest when something fails, and end with the service."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from math import isnan
from typing import Any
from unittest.mock import AsyncMock

import pytest

from consumer.config.settings import JobType
from consumer.jobs.draining import drain_answers
from consumer.jobs.fetcher import Fetcher
from consumer.jobs.job_queues import NotTaken, QueueRefused
from consumer.jobs.pace import MAX_FAILURE
from consumer.jobs.readiness import Need, Readiness
from tests.unit.consumer.jobs.fetched import TYPE, Bench, FakeSource, job
from tests.unit.consumer.workers import until
from zeebe_amqp.amqp.depth import QueueState
from zeebe_amqp.errors import Code, CommandError


async def nothing() -> None:
    """Nothing has to be waited for."""


@pytest.fixture
async def bench() -> Bench:
    return Bench()


@pytest.fixture
async def source() -> FakeSource:
    return FakeSource()


@pytest.fixture
async def fetcher(bench: Bench, source: FakeSource) -> AsyncIterator[Fetcher]:
    made = of(bench, source)
    yield made
    source.ended.set()
    made.stop()
    made.cancel()


def of(bench: Bench, source: FakeSource, job_type: JobType = TYPE) -> Fetcher:
    readiness = Readiness([Need(lambda: bench.queues.is_ready, bench.queues.ready)], nothing, bench.clock)
    return Fetcher(job_type, source, readiness, bench.parts)


async def test_a_poll_asks_for_the_half_that_a_stream_leaves_and_gives_out_what_comes(
    fetcher: Fetcher, source: FakeSource, bench: Bench
) -> None:
    source.polls = [[job(1), job(2)]]
    fetcher.start()
    await until(lambda: len(bench.queues.published) == 2 and len(source.asked) > 1)
    assert source.asked[0] == 10
    assert (fetcher.waiting, fetcher.workers, fetcher.oldest_age, fetcher.problem) == (0, 1, 0, None)
    bench.queues.state = QueueState(2, 0)
    assert source.streams == 1


async def test_a_small_limit_has_no_stream_and_polls_for_all(bench: Bench, source: FakeSource) -> None:
    fetcher = of(bench, source, JobType("small", limit=9))
    fetcher.start()
    await until(lambda: source.asked)
    assert (source.asked, source.streams) == ([9], 0)
    source.ended.set()
    fetcher.stop()
    await fetcher.finish()


async def test_nothing_is_asked_while_the_queue_is_full_or_not_known(
    fetcher: Fetcher, source: FakeSource, bench: Bench
) -> None:
    assert isnan(fetcher.waiting)
    assert isnan(fetcher.workers)
    assert fetcher.oldest_age == 0
    for state in (QueueState(20, 0), None):
        bench.queues.state = state
        if not fetcher._loops:
            fetcher.start()
        rests = len(bench.clock.slept)
        await until(lambda rests=rests: len(bench.clock.slept) > rests + 10)
        assert (source.asked, source.streams) == ([], 0)


async def test_while_a_queue_is_full_a_poll_and_a_stream_look_in_turns(
    fetcher: Fetcher, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks, times = [], iter([0.0, 0.1, 0.2, 0.3, 5.0, 9.0])
    monkeypatch.setattr(bench.clock, "monotonic", lambda: next(times))
    monkeypatch.setattr(bench.queues, "measure", AsyncMock(return_value=QueueState(20, 0)))
    for who in ("poll", "stream", "stream", "poll", "poll", "stream"):
        before = bench.queues.measure.await_count  # type: ignore[attr-defined]
        await fetcher._prepare(who)
        looks.append(bench.queues.measure.await_count - before)  # type: ignore[attr-defined]
    assert looks == [1, 0, 1, 0, 1, 1]


async def test_a_job_that_its_queue_refuses_makes_the_type_rest_and_is_told(
    fetcher: Fetcher, source: FakeSource, bench: Bench
) -> None:
    bench.queues.failure = NotTaken("it is full")
    source.polls = [[job(n)] for n in range(8)]
    fetcher.start()
    await until(lambda: len(bench.engine.calls) == 8)
    await until(lambda: MAX_FAILURE in bench.clock.slept)
    assert fetcher.problem == "a job was not published: it is full"
    bench.queues.failure = None
    source.polls = [[job(9)]]
    source.ended.set()
    await until(lambda: fetcher.problem is None)


@pytest.mark.parametrize(
    ("error", "problem"),
    [
        (CommandError(Code.PERMISSION_DENIED, "no rights"), "no rights"),
        (CommandError(Code.UNAVAILABLE, "away"), None),
        (CommandError(Code.RESOURCE_EXHAUSTED, "busy"), None),
        (ConnectionError("the broker is away"), None),
        (RuntimeError(), "RuntimeError"),
    ],
)
async def test_what_the_engine_says_is_told_by_type_unless_others_tell_it(
    error: Exception, problem: str | None, fetcher: Fetcher, source: FakeSource, caplog: Any
) -> None:
    source.polls = [error]
    fetcher.start()
    await until(lambda: len(source.asked) > 1)
    assert fetcher.problem == problem
    assert "jobs.unfetched" in [record.event for record in caplog.records]


async def test_a_queue_that_cannot_be_used_is_told_until_it_can(
    fetcher: Fetcher, source: FakeSource, bench: Bench
) -> None:
    bench.queues.unprepared = QueueRefused("it is another one")
    fetcher.start()
    await until(lambda: fetcher.problem == "it is another one")
    assert source.asked == []
    bench.queues.unprepared = None
    source.ended.set()
    await until(lambda: fetcher.problem is None)


async def rested(bench: Bench) -> None:
    """Ten rests later."""
    rests = len(bench.clock.slept)
    await until(lambda: len(bench.clock.slept) > rests + 10)


async def test_a_stream_is_read_no_further_while_its_queue_is_full_and_on_when_there_is_room(
    fetcher: Fetcher, source: FakeSource, bench: Bench
) -> None:
    """The poll has asked for ten, so ten are left for the stream."""
    source.pushed, bench.queues.worked = [job(n) for n in range(1, 16)], 0
    fetcher.start()
    await until(lambda: len(bench.queues.published) == 10)
    await rested(bench)
    assert (len(source.pushed), len(bench.queues.published)) == (5, 10)
    bench.queues.worked = 6
    await until(lambda: len(bench.queues.published) == 15)
    assert (source.streams, fetcher._stream.is_open, source.pushed) == (1, True, [])


async def test_a_stream_that_nobody_may_read_ends_with_the_time_of_its_jobs(bench: Bench, source: FakeSource) -> None:
    fetcher = of(bench, source, replace(TYPE, timeout=0.05))
    source.pushed, bench.queues.worked = [job(n) for n in range(1, 13)], 0
    fetcher.start()
    await until(lambda: len(bench.queues.published) == 10)
    await until(lambda: not fetcher._stream.is_open)
    await rested(bench)
    assert (source.streams, len(source.pushed), len(bench.queues.published)) == (1, 2, 10)
    bench.queues.worked = 10
    await until(lambda: len(bench.queues.published) == 12)
    assert source.streams == 2
    fetcher.stop()
    fetcher.cancel()


async def test_a_service_that_stops_takes_what_a_full_queue_kept_in_the_stream(
    bench: Bench, source: FakeSource
) -> None:
    fetcher = of(bench, source)
    source.pushed, bench.queues.worked = [job(n) for n in range(1, 16)], 0
    fetcher.start()
    await until(lambda: len(bench.queues.published) == 10)
    bench.queues.is_ready = False
    bench.queues.ready = asyncio.Event().wait  # type: ignore[assignment,method-assign]
    fetcher.stop()
    await until(lambda: len(bench.queues.published) == 15)
    source.ended.set()
    await fetcher.finish()
    assert (source.pushed, source.streams) == ([], 1)


async def test_a_stream_is_read_no_further_when_a_job_was_not_given_out(
    fetcher: Fetcher, source: FakeSource, bench: Bench
) -> None:
    """One job after each rest, and each rest is longer."""
    bench.queues.failure = NotTaken("no")
    fetcher._on_not_given(bench.queues.failure)
    source.pushed = [job(n) for n in range(1, 9)]
    fetcher.start()
    await until(lambda: len(bench.engine.calls) == 8)
    assert [rest for rest in bench.clock.slept if rest >= 0.5][:4] == [0.5, 1.0, 2.0, 4.0]
    assert (source.streams, fetcher._stream.is_open) == (1, True)


async def test_a_stream_whose_queue_cannot_be_looked_at_stays_and_waits(
    fetcher: Fetcher, source: FakeSource, bench: Bench
) -> None:
    source.pushed, bench.queues.worked = [job(n) for n in range(1, 12)], 0
    fetcher.start()
    await until(lambda: len(bench.queues.published) == 10)
    bench.queues.unprepared = ConnectionError("the broker is away")
    await rested(bench)
    assert (len(source.pushed), fetcher._stream.is_open) == (1, True)
    bench.queues.unprepared, bench.queues.worked = None, 10
    await until(lambda: not source.pushed)
    assert source.streams == 1


async def test_a_failure_long_after_the_last_one_is_the_first_again(
    fetcher: Fetcher, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream, rests = fetcher._stream, []
    for moment in (100.0, 110.0, 200.0):
        monkeypatch.setattr(bench.clock, "monotonic", lambda moment=moment: moment)
        stream.fail()
        rests.append(stream._pace.after_failure())
    assert rests == [0.5, 1.0, 0.5]


async def test_a_stream_that_breaks_is_opened_again_later_and_later(
    fetcher: Fetcher, source: FakeSource, bench: Bench, caplog: Any
) -> None:
    source.stream_failure = CommandError(Code.INTERNAL, "broken")
    fetcher.start()
    await until(lambda: source.streams == 3)
    assert {0.5, 1.0} <= set(bench.clock.slept)
    assert "jobs.stream_broken" in [record.event for record in caplog.records]
    assert fetcher.problem is None


async def test_an_engine_without_streams_is_polled_for_all(fetcher: Fetcher, source: FakeSource, bench: Bench) -> None:
    source.stream_failure = CommandError(Code.UNIMPLEMENTED, "too old")
    source.polls = [[] for _ in range(1000)]
    fetcher.start()
    await until(lambda: 20 in source.asked)
    assert (source.asked[0], source.streams, 300.0 in bench.clock.slept) == (10, 1, True)


async def test_a_service_that_stops_asks_for_nothing_more_and_gives_out_what_comes(
    bench: Bench, source: FakeSource
) -> None:
    fetcher = of(bench, source)
    bench.queues.takes.clear()
    fetcher.start()
    await until(lambda: source.asked and source.streams)
    fetcher.stop()
    source.ended.set()
    fetcher._handout.give([job(1)])
    finishing = asyncio.create_task(fetcher.finish())
    await asyncio.sleep(0.01)
    assert not finishing.done()
    bench.queues.takes.set()
    await finishing
    assert (source.asked, source.streams, len(bench.queues.published)) == ([10], 1, 1)


async def test_a_service_that_stops_ends_what_waits_for_something_else(bench: Bench, source: FakeSource) -> None:
    bench.queues.is_ready = False
    fetcher = of(bench, source)
    await fetcher.finish()  # it has not begun
    fetcher.start()
    await asyncio.sleep(0.01)
    fetcher.stop()
    await fetcher.finish()
    assert source.asked == []


class Outage:
    """Something that may be away."""

    def __init__(self) -> None:
        self.there = asyncio.Event()
        self.openings = 0

    def need(self) -> Need:
        return Need(self.there.is_set, self.there.wait, lambda: self.openings)


async def test_after_a_start_and_after_an_outage_the_answers_go_first(bench: Bench) -> None:
    outage, drained, drains = Outage(), asyncio.Event(), 0

    async def drain() -> None:
        nonlocal drains
        drains += 1
        await drained.wait()

    readiness = Readiness([outage.need()], drain, bench.clock)
    waiting = [asyncio.create_task(readiness.wait_open()) for _ in range(3)]
    await asyncio.sleep(0.01)
    assert drains == 0
    outage.there.set()
    await until(lambda: drains == 1)
    assert not readiness.is_open
    drained.set()
    await asyncio.gather(*waiting)
    assert (readiness.is_open, drains) == (True, 1)
    await readiness.wait_open()
    outage.openings += 1  # it was away for a moment
    assert not readiness.is_open
    await readiness.wait_open()
    assert drains == 2
    outage.there.clear()
    blocked = asyncio.create_task(readiness.wait_open())
    await asyncio.sleep(0.01)
    readiness.close()
    blocked.cancel()
    assert drains == 2


async def test_answers_that_do_not_come_to_an_end_are_waited_for_within_a_bound(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    monkeypatch.setattr("consumer.jobs.readiness.MAX_DRAINING", 0.01)
    readiness = Readiness([], asyncio.Event().wait, bench.clock)
    await readiness.wait_open()
    assert [record.event for record in caplog.records] == ["jobs.undrained"]
    readiness.close()


async def test_a_defect_while_draining_is_told_to_who_waits(bench: Bench) -> None:
    async def fail() -> None:
        raise RuntimeError("a defect")

    with pytest.raises(RuntimeError, match="a defect"):
        await Readiness([], fail, bench.clock).wait_open()


async def test_answers_are_drained_when_the_queue_was_empty_and_what_was_taken_by_then_is_done(bench: Bench) -> None:
    states = [None, QueueState(3, 1), QueueState(0, 1)]
    held: set[Any] = {"a", "b"}

    async def measure(queue: str) -> QueueState | None:
        assert queue == "zeebe.jobs.results"
        return states.pop(0)

    draining = asyncio.create_task(drain_answers(measure, lambda: held, bench.clock))
    await until(lambda: not states)
    held |= {"later"}
    held -= {"a"}
    await asyncio.sleep(0.01)
    assert not draining.done()
    held -= {"b"}
    await draining
