"""A reply that its queue refuses holds up nobody, and is dropped rather than buried."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any
from unittest.mock import AsyncMock, Mock

import orjson
import pytest

from consumer.core.delivery import Delivery
from consumer.core.message import Message
from consumer.pipeline.ending import Ending
from consumer.pipeline.publishing import PublishFailed, Refused
from consumer.pipeline.refused_replies import MAX_NOTED, MAX_PER_QUEUE, RefusedReplies
from tests.unit.consumer.deliveries import FakeDelivery, QuickClock
from tests.unit.consumer.workers import Bench, FakePublisher, refusable, settled, until

HOURS, MOMENTS = QuickClock(pause=3600), QuickClock(pause=0.001)
ACKED = ["ack", "acknowledged"]
NACK = Refused("the broker refused it (nack)")
STUCK = Refused("nothing is confirmed", stuck=True)


def to(queue: str) -> Message:
    return Message(b"", reply_to=queue)


@pytest.fixture
def bench() -> Bench:
    return Bench()


@pytest.fixture
def publish(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> AsyncMock:
    """Publishes replies; it refuses them until a test says otherwise."""
    publish = AsyncMock(side_effect=NACK)
    monkeypatch.setattr(bench.publisher, "reply", publish)
    return publish


async def test_a_refused_reply_is_tried_for_a_while_then_dropped_and_acked(bench: Bench, publish: AsyncMock) -> None:
    clock, count, report = QuickClock(), Mock(), Mock()
    told = {"count": count, "report": report, "refused": refusable(4)}
    await bench.settle(bench.delivered(), clock=clock, **told)
    assert (bench.runs, bench.events) == (1, ACKED)
    assert publish.call_count > 3
    assert clock.passed >= 30
    count.assert_called_once_with("reply.failures", reason="refused")
    assert [each.args[2:] for each in report.mock_calls] == [(Ending.DROPPED, "the broker refused it (nack)")]


async def test_a_refused_reply_goes_out_when_its_queue_takes_it_again(bench: Bench, publish: AsyncMock) -> None:
    """The queue is one like others then, also when it confirmed nothing."""
    for refusal, stuck in ((NACK, None), (STUCK, "nothing is confirmed")):
        bench.events.clear()
        publish.reset_mock()
        publish.side_effect, refused = refusal, refusable(4)
        worker = bench.worker(bench.delivered(), clock=MOMENTS, refused=refused)
        await until(lambda: publish.call_count >= 3)
        assert refused.stuck(to("replies")) == stuck
        publish.side_effect = FakePublisher(bench.events).reply
        await settled(worker)
        assert refused.stuck(to("replies")) is None
        assert bench.events == ["reply", *ACKED]


async def test_a_reply_that_the_broker_does_not_take_is_never_dropped(bench: Bench, publish: AsyncMock) -> None:
    worker = bench.worker(bench.delivered(), clock=MOMENTS)
    await until(lambda: publish.call_count >= 3)
    publish.side_effect = PublishFailed("not connected")
    await settled(worker)
    assert bench.events == ["give back"]


async def test_few_refused_replies_wait_by_queue_and_in_all_and_no_more(bench: Bench, publish: AsyncMock) -> None:
    """Neighbours are answered meanwhile."""

    def refuse(delivery: Delivery, _: object) -> Any:
        if delivery.message.reply_to != "neighbour":
            raise NACK
        return True

    publish.side_effect = refuse
    for queues, maximum, expected in ((1, 99, MAX_PER_QUEUE), (20, 8, 4), (20, 1, 1)):
        bench.events.clear()
        deliveries = [bench.delivered(reply_to=f"{number % queues}") for number in range(40)]
        worker = bench.worker(*deliveries, clock=HOURS, refused=refusable(maximum))
        await until(lambda worker=worker, expected=expected: worker.in_flight <= expected)  # type: ignore[misc]
        worker.accept(bench.delivered(reply_to="neighbour"))
        await until(lambda worker=worker, expected=expected: worker.in_flight == expected)  # type: ignore[misc]
        assert bench.events.count("ack") == 40 - expected + 1, (queues, maximum)
        await worker.stop(grace=0)


async def test_the_refused_replies_of_one_user_leave_room_for_those_of_others(bench: Bench, publish: AsyncMock) -> None:
    def delivered(user: str, number: int) -> FakeDelivery:
        return FakeDelivery(Message(b"{}", user_id=user, reply_to=f"{user}-{number}"), bench.events)

    worker = bench.worker(*(delivered("mallory", number) for number in range(40)), clock=HOURS, refused=refusable(8))
    await until(lambda: worker.in_flight <= 4)
    worker.accept(delivered("alice", 0))
    await until(lambda: publish.call_count == 41)
    assert worker.in_flight == 5
    await worker.stop(grace=0)


async def test_replies_to_a_queue_that_confirms_nothing_wait_without_a_try(bench: Bench, publish: AsyncMock) -> None:
    """Each try takes seconds to fail, and holds a place that the broker counts."""
    publish.side_effect = STUCK
    refused = refusable(99)
    worker = bench.worker(bench.delivered(), clock=HOURS, refused=refused)
    await until(lambda: refused.stuck(to("replies")))
    for _ in range(100):
        worker.accept(bench.delivered())
    await until(lambda: worker.in_flight <= MAX_PER_QUEUE)
    assert publish.call_count == 1
    assert bench.events.count("ack") == 101 - MAX_PER_QUEUE
    await worker.stop(grace=0)


def test_the_queues_that_are_remembered_are_bounded() -> None:
    refused = refusable(4)
    for number in range(MAX_NOTED + 1):
        refused.record_try(to(f"{number}"), "nothing is confirmed")
    assert refused.stuck(to("0")) is None
    assert refused.stuck(to("1")) is not None


def test_with_addresses_of_their_own_two_users_may_name_the_same_queue() -> None:
    def address(message: Message) -> tuple[str | None, str | None]:
        return message.user_id, message.reply_to

    refused = RefusedReplies(lambda: 99, 1, address)
    ann, bob = (Message(b"", reply_to="q", user_id=user) for user in ("ann", "bob"))
    refused.record_try(ann, "nothing is confirmed")
    assert (refused.stuck(ann), refused.stuck(bob)) == ("nothing is confirmed", None)
    with ExitStack() as waiting:
        assert [waiting.enter_context(refused.waiting(ann)) for _ in range(MAX_PER_QUEUE + 1)][-1] is False
        assert waiting.enter_context(refused.waiting(bob)) is True


async def test_stopping_gives_back_what_is_known_and_drops_what_would_rerun(bench: Bench, publish: AsyncMock) -> None:
    for message_id, events in (("a", ["give back"]), (None, ACKED)):
        bench.events.clear()
        publish.reset_mock()
        message = Message(orjson.dumps({"operation": "topology"}), reply_to="replies", message_id=message_id)
        worker = bench.worker(FakeDelivery(message, bench.events), clock=QuickClock(pause=0.01))
        await until(lambda: publish.call_count >= 2)
        assert await worker.stop(grace=5)
        assert bench.events == events, message_id
