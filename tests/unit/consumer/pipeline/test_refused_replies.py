"""A reply that its queue refuses holds up nobody, and is dropped rather than buried."""

from __future__ import annotations

import asyncio
from collections import Counter

import orjson
import pytest

from consumer.core.delivery import Delivery
from consumer.core.message import Message, Reply
from consumer.pipeline.ending import Ending
from consumer.pipeline.refused_replies import MAX_NOTED, MAX_PER_QUEUE, RefusedReplies
from consumer.pipeline.worker import PublishFailed, Refused
from tests.unit.consumer.deliveries import FakeDelivery, QuickClock
from tests.unit.consumer.workers import Bench, FakePublisher, settled, until

HOURS = QuickClock(pause=3600)


class FullQueues(FakePublisher):
    """A publisher whose reply queues named `full…` refuse, while `full` is set; without a broker when `broken`."""

    def __init__(self, events: list[str]) -> None:
        super().__init__(events)
        self.full, self.stuck, self.broken = True, False, False
        self.tries: Counter[str] = Counter()

    async def reply(self, delivery: Delivery, reply: Reply) -> bool:
        queue = delivery.message.reply_to or ""
        self.tries[queue] += 1
        if self.broken:
            raise PublishFailed("not connected")
        if self.full and queue.startswith("full"):
            raise Refused("the broker refused it (nack)", stuck=self.stuck)
        self.events.append(f"reply to {queue}")
        return True


@pytest.fixture
def bench() -> Bench:
    return Bench(FullQueues)


@pytest.fixture
def full(bench: Bench) -> FullQueues:
    assert isinstance(bench.publisher, FullQueues)
    return bench.publisher


async def test_a_refused_reply_is_tried_again_for_a_while_and_then_dropped_and_acked(
    bench: Bench, full: FullQueues
) -> None:
    told: list[tuple[Ending, str]] = []
    clock, counted = QuickClock(), list[tuple[str, dict[str, str]]]()
    await bench.settle(
        bench.delivered(reply_to="full"),
        clock=clock,
        refused=RefusedReplies(4, 30),
        count=lambda name, **labels: counted.append((name, labels)),
        report=lambda _, __, ending, reason: told.append((ending, reason)),
    )
    assert (bench.runs, bench.events) == (1, ["ack", "acknowledged"])
    assert full.tries["full"] > 3
    assert clock.passed >= 30
    assert counted == [("reply.failures", {"reason": "refused"})]
    assert told == [(Ending.DROPPED, "the broker refused it (nack)")]


async def test_a_refused_reply_goes_out_when_its_queue_takes_it_again(bench: Bench, full: FullQueues) -> None:
    """The queue is one like others then, also when it confirmed nothing."""
    for full.stuck in (False, True):
        bench.events.clear()
        full.tries.clear()
        full.full, refused = True, RefusedReplies(4, 30)
        worker = bench.worker(bench.delivered(reply_to="full"), clock=QuickClock(pause=0.001), refused=refused)
        await until(lambda: full.tries["full"] >= 3)
        assert (refused.stuck("full") is not None) is full.stuck
        full.full = False
        await settled(worker)
        assert refused.stuck("full") is None
        assert bench.events == ["reply to full", "ack", "acknowledged"]


async def test_a_reply_that_the_broker_does_not_take_is_never_dropped(bench: Bench, full: FullQueues) -> None:
    worker = bench.worker(bench.delivered(reply_to="full"), clock=QuickClock(pause=0.001))
    await until(lambda: full.tries["full"] >= 3)
    full.broken = True
    await settled(worker)
    assert bench.events == ["give back"]


async def test_few_refused_replies_wait_by_queue_and_in_all_and_the_rest_is_dropped_at_once(bench: Bench) -> None:
    """Neighbours are answered meanwhile."""
    for queues, maximum, expected in ((1, 99, MAX_PER_QUEUE), (20, 4, 4)):
        bench.events.clear()
        deliveries = [bench.delivered(reply_to=f"full-{number % queues}") for number in range(40)]
        worker = bench.worker(*deliveries, clock=HOURS, refused=RefusedReplies(maximum, 30))
        await until(lambda worker=worker, expected=expected: worker.in_flight <= expected)  # type: ignore[misc]
        worker.accept(bench.delivered(reply_to="neighbour"))
        await until(lambda: "reply to neighbour" in bench.events)
        assert bench.events.count("ack") == 40 - expected + 1, (queues, maximum)
        await worker.stop(grace=0)


async def test_replies_to_a_queue_that_confirms_nothing_are_not_tried_before_they_wait(
    bench: Bench, full: FullQueues
) -> None:
    """Each try takes seconds to fail, and holds a place that the broker counts."""
    full.stuck = True
    worker = bench.worker(bench.delivered(reply_to="full"), clock=HOURS, refused=RefusedReplies(99, 30))
    await until(lambda: full.tries["full"])
    await asyncio.sleep(0)
    for _ in range(100):
        worker.accept(bench.delivered(reply_to="full"))
    await until(lambda: worker.in_flight <= MAX_PER_QUEUE)
    assert full.tries["full"] == 1
    assert bench.events.count("ack") == 101 - MAX_PER_QUEUE
    await worker.stop(grace=0)


def test_the_queues_that_are_remembered_are_bounded() -> None:
    refused = RefusedReplies(4, 30)
    for number in range(MAX_NOTED + 1):
        refused.record_try(f"{number}", "nothing is confirmed")
    assert refused.stuck("0") is None
    assert refused.stuck("1") is not None


async def test_stopping_gives_back_what_is_remembered_and_drops_what_would_run_again(
    bench: Bench, full: FullQueues
) -> None:
    for message_id, events in (("a", ["give back"]), (None, ["ack", "acknowledged"])):
        bench.events.clear()
        full.tries.clear()
        message = Message(orjson.dumps({"operation": "topology"}), reply_to="full", message_id=message_id)
        worker = bench.worker(FakeDelivery(message, bench.events), clock=QuickClock(pause=0.01))
        await until(lambda: full.tries["full"] >= 2)
        assert await worker.stop(grace=5)
        assert bench.events == events, message_id
