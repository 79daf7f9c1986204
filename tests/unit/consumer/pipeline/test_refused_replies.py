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
from tests.unit.consumer.workers import FakePublisher, Handling, delivered, settled, worker_of


class FullQueues(FakePublisher):
    """A publisher whose reply queues named `full…` refuse, while `full` is set."""

    def __init__(self, events: list[str]) -> None:
        super().__init__(events)
        self.full = True
        self.stuck = False
        self.broken = False
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
def full(events: list[str]) -> FullQueues:
    return FullQueues(events)


async def test_a_refused_reply_is_tried_again_for_a_while_and_then_dropped_and_acked(
    handling: Handling, full: FullQueues, events: list[str]
) -> None:
    told: list[tuple[Ending, str]] = []
    clock, counted = QuickClock(), list[tuple[str, dict[str, str]]]()
    refused = RefusedReplies(4, 30)
    worker = worker_of(
        handling,
        full,
        clock=clock,
        refused=refused,
        count=lambda name, **labels: counted.append((name, labels)),
        report=lambda _, __, ending, reason: told.append((ending, reason)),
    )
    await settled(worker, delivered(events, reply_to="full"))
    assert (handling.runs, events) == (1, ["ack", "acknowledged"])
    assert full.tries["full"] > 3
    assert clock.passed >= 30
    assert counted == [("reply.failures", {"reason": "refused"})]
    assert told == [(Ending.DROPPED, "the broker refused it (nack)")]


async def test_a_refused_reply_goes_out_when_its_queue_takes_it_again(
    handling: Handling, full: FullQueues, events: list[str]
) -> None:
    worker = worker_of(handling, full, clock=QuickClock(pause=0.001))
    worker.accept(delivered(events, reply_to="full"))
    while full.tries["full"] < 3:  # noqa: ASYNC110 - a worker tells nobody
        await asyncio.sleep(0)
    full.full = False
    await settled(worker)
    assert events == ["reply to full", "ack", "acknowledged"]


async def test_few_refused_replies_wait_by_queue_and_in_all_and_the_rest_is_dropped_at_once(
    handling: Handling, full: FullQueues, events: list[str]
) -> None:
    for queues, most, expected in ((1, 99, MAX_PER_QUEUE), (20, 4, 4)):
        events.clear()
        worker = worker_of(handling, full, clock=QuickClock(pause=3600), refused=RefusedReplies(most, 30))
        for number in range(40):
            worker.accept(delivered(events, reply_to=f"full-{number % queues}"))
        async with asyncio.timeout(10):
            while worker.in_flight > expected:  # noqa: ASYNC110 - a worker tells nobody
                await asyncio.sleep(0)
        assert events.count("ack") == 40 - expected, (queues, most)
        await worker.stop(grace=0)


async def test_a_neighbour_is_answered_while_refused_replies_wait(
    handling: Handling, full: FullQueues, events: list[str]
) -> None:
    worker = worker_of(handling, full, clock=QuickClock(pause=3600))
    for _ in range(20):
        worker.accept(delivered(events, reply_to="full"))
    worker.accept(delivered(events, reply_to="neighbour"))
    async with asyncio.timeout(10):
        while "reply to neighbour" not in events:  # noqa: ASYNC110 - a worker tells nobody
            await asyncio.sleep(0)
    await worker.stop(grace=0)


async def test_a_reply_that_the_broker_does_not_take_is_never_dropped(
    handling: Handling, full: FullQueues, events: list[str]
) -> None:
    worker = worker_of(handling, full, clock=QuickClock(pause=0.001))
    worker.accept(delivered(events, reply_to="full"))
    while full.tries["full"] < 3:  # noqa: ASYNC110 - a worker tells nobody
        await asyncio.sleep(0)
    full.broken = True
    await settled(worker)
    assert events == ["give back"]


async def test_replies_to_a_queue_that_confirms_nothing_are_not_tried_before_they_wait(
    handling: Handling, full: FullQueues, events: list[str]
) -> None:
    """Each try takes seconds to fail, and holds a place that the broker counts."""
    full.stuck = True
    worker = worker_of(handling, full, clock=QuickClock(pause=3600), refused=RefusedReplies(99, 30))
    worker.accept(delivered(events, reply_to="full"))
    while not full.tries["full"]:  # noqa: ASYNC110 - a worker tells nobody
        await asyncio.sleep(0)
    await asyncio.sleep(0)
    for _ in range(100):
        worker.accept(delivered(events, reply_to="full"))
    async with asyncio.timeout(10):
        while worker.in_flight > MAX_PER_QUEUE:  # noqa: ASYNC110 - a worker tells nobody
            await asyncio.sleep(0)
    assert full.tries["full"] == 1
    assert events.count("ack") == 101 - MAX_PER_QUEUE
    await worker.stop(grace=0)


async def test_a_queue_that_confirms_again_is_one_like_others(
    handling: Handling, full: FullQueues, events: list[str]
) -> None:
    full.stuck = True
    refused = RefusedReplies(4, 30)
    worker = worker_of(handling, full, clock=QuickClock(pause=0.001), refused=refused)
    worker.accept(delivered(events, reply_to="full"))
    while refused.stuck("full") is None:  # noqa: ASYNC110 - a worker tells nobody
        await asyncio.sleep(0)
    full.full = False
    await settled(worker)
    assert refused.stuck("full") is None
    assert events == ["reply to full", "ack", "acknowledged"]


def test_the_queues_that_are_remembered_are_bounded() -> None:
    refused = RefusedReplies(4, 30)
    for number in range(MAX_NOTED + 1):
        refused.record_try(f"{number}", "nothing is confirmed")
    assert refused.stuck("0") is None
    assert refused.stuck("1") is not None


async def test_stopping_gives_back_what_is_refused_and_remembered(
    handling: Handling, full: FullQueues, events: list[str]
) -> None:
    worker = worker_of(handling, full, clock=QuickClock(pause=0.01))
    body = orjson.dumps({"operation": "topology"})
    worker.accept(FakeDelivery(Message(body, reply_to="full", message_id="a"), events))
    while full.tries["full"] < 2:  # noqa: ASYNC110 - a worker tells nobody
        await asyncio.sleep(0)
    assert await worker.stop(grace=5)
    assert events == ["give back"]


async def test_stopping_drops_what_its_queue_refuses_instead_of_running_it_again(
    handling: Handling, full: FullQueues, events: list[str]
) -> None:
    worker = worker_of(handling, full, clock=QuickClock(pause=0.01))
    worker.accept(delivered(events, reply_to="full"))
    while full.tries["full"] < 2:  # noqa: ASYNC110 - a worker tells nobody
        await asyncio.sleep(0)
    assert await worker.stop(grace=5)
    assert events == ["ack", "acknowledged"]
