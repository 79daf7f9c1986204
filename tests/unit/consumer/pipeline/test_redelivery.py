"""Without an id a redelivery is answered by the run of a lost channel that it repeats."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import pytest

from consumer.pipeline.redelivery import RedeliveryMatcher
from tests.cases import for_each
from tests.unit.consumer.deliveries import QuickClock
from tests.unit.consumer.pipeline.repetitions import Once, incoming
from zeebe_amqp.errors import Outcome, Source

GATEWAY, CONSUMER = Source.GATEWAY, Source.CONSUMER
NOT, UNKNOWN = Outcome.NOT_EXECUTED, Outcome.UNKNOWN


@pytest.fixture
def once() -> Once:
    return Once()


async def test_without_an_id_each_run_of_a_lost_channel_answers_one_redelivery(once: Once) -> None:
    """While a channel is open, what is merely alike to a run of it is no redelivery, and runs."""
    lost, answered, alike, last = incoming(), *(incoming(redelivered=True) for _ in range(3))
    for delivery, closed, runs, replayed in (
        (lost, None, 1, False),
        (answered, lost, 1, True),
        (alike, None, 2, False),
        (last, answered, 2, True),
    ):
        if closed is not None:
            closed.open = False
        reply = await once.handle(delivery)
        assert (once.runs, reply.replayed) == (runs, replayed)


@for_each([
    {"redelivered": False},
    {"redelivered": True, "correlation_id": "other"},
    {"redelivered": True, "reply_to": "other"},
    {"redelivered": True, "type": "other"},
    {"redelivered": True, "user_id": "other"},
    {"redelivered": True, "data": {"bpmnProcessId": "other"}},
])  # fmt: skip
async def test_without_an_id_whatever_differs_runs(second: dict[str, Any]) -> None:
    once, first = Once(), incoming()
    await once.handle(first)
    first.open = False
    await once.handle(incoming(**second))
    assert once.runs == 2


@for_each([(None, 2), ("c", 1)])
async def test_an_acknowledged_run_answers_a_redelivery_only_with_a_correlation_id(name: str | None, runs: int) -> None:
    """An ack that got lost doubles nothing then."""
    matcher, first = RedeliveryMatcher(), incoming(correlation_id=name)
    once = Once(matcher=matcher)
    await once.handle(first)
    matcher.record_ack(first)
    first.open = False
    await once.handle(incoming(correlation_id=name, redelivered=True))
    assert once.runs == runs


@for_each([
    (10, ["long"], [f"{number}" for number in range(30)], ["long"], 31),
    (2, ["a", "b", "c"], [], ["c", "b", "a"], 4),
])  # fmt: skip
async def test_of_the_runs_that_are_remembered_the_oldest_go_first_and_those_that_are_out_last(
    maximum: int, out: list[str], acknowledged: list[str], again: list[str], runs: int
) -> None:
    matcher = RedeliveryMatcher(max_runs=maximum)
    once = Once(matcher=matcher)
    sent = [incoming(correlation_id=name) for name in (*out, *acknowledged)]
    for delivery in sent:
        await once.handle(delivery)
        if delivery.message.correlation_id in acknowledged:
            matcher.record_ack(delivery)
    for delivery in sent:
        delivery.open = False
    for name in again:
        await once.handle(incoming(correlation_id=name, redelivered=True))
    assert once.runs == runs


async def test_of_what_was_acknowledged_no_body_is_kept_and_after_a_minute_nothing() -> None:
    clock = QuickClock()
    matcher = RedeliveryMatcher(clock=clock)
    once = Once(matcher=matcher)
    for name in "cd":
        delivery = incoming(correlation_id=name)
        await once.handle(delivery)
        matcher.record_ack(delivery)
        kept = weakref.ref(delivery)
        del delivery
        gc.collect()
        assert kept() is None
        assert (len(matcher._acknowledged), len(matcher._by_digest)) == (1, 1)
        clock.passed += 61
