"""A worker runs deliveries side by side and settles every one of them."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import orjson
import pytest

from consumer.core.delivery import Delivery, Handler
from consumer.core.limiter import AimdLimit
from consumer.core.message import Message, Reply
from consumer.core.requeue import Requeue
from consumer.pipeline.middleware import recovered
from consumer.pipeline.refused_replies import MAX_NOTED, MAX_PER_QUEUE, RefusedReplies
from consumer.pipeline.settlement import MAX_WAIT
from consumer.pipeline.worker import PublishFailed, QueueWorker, Refused
from tests.unit.consumer.deliveries import FakeDelivery, QuickClock
from zeebe_amqp.errors import Code, Error, Outcome, Source

OK = Reply("topology", {})


def error(code: Code, retryable: bool = False, source: Source = Source.GATEWAY) -> Reply:
    return Reply(
        "topology",
        error=Error(code=code, message="", source=source, outcome=Outcome.NOT_EXECUTED, retryable=retryable),
    )


def delivered(events: list[str], *, reply_to: str | None = "replies", body: bytes | None = None) -> FakeDelivery:
    body = orjson.dumps({"operation": "topology"}) if body is None else body
    return FakeDelivery(Message(body, reply_to=reply_to), events)


class FakePublisher:
    """A publisher that can be closed (an alarm) and that can refuse."""

    def __init__(self, events: list[str]) -> None:
        self.events = events
        self.refusals = 0
        self.open = asyncio.Event()
        self.open.set()

    async def ready(self) -> None:
        await self.open.wait()

    async def _publish(self, event: str) -> None:
        if self.refusals:
            self.refusals -= 1
            raise PublishFailed("no confirm")
        self.events.append(event)

    async def reply(self, delivery: Delivery, reply: Reply) -> None:
        await self._publish("reply")

    async def dead_letter(self, message: Message, reply: Reply) -> None:
        await self._publish("dead letter")


class Handling:
    """A handler with scripted replies that can be held."""

    def __init__(self) -> None:
        self.replies: list[Reply | Exception] = []
        self.running = self.most = self.runs = 0
        self.limiter = asyncio.Event()
        self.limiter.set()

    async def __call__(self, _: Delivery) -> Reply:
        self.runs += 1
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            await self.limiter.wait()
        finally:
            self.running -= 1
        reply = self.replies.pop(0) if self.replies else OK
        if isinstance(reply, Exception):
            raise reply
        return reply


@pytest.fixture
def events() -> list[str]:
    return []


@pytest.fixture
def replies(events: list[str]) -> FakePublisher:
    return FakePublisher(events)


@pytest.fixture
def handling() -> Handling:
    return Handling()


async def reachable() -> None:
    """The gateway is there."""


def worker_of(handling: Handler, replies: FakePublisher, **settings: Any) -> QueueWorker:
    return QueueWorker(
        handling,
        replies,
        **{
            "limit": AimdLimit(2),
            "forget_retry": 900,
            "refusal": lambda _: None,
            "reachable": reachable,
            "refused": RefusedReplies(4, 30),
            "acknowledged": lambda delivery: replies.events.append("acknowledged"),
            "clock": QuickClock(),
            **settings,
        },
    )


async def settled(worker: QueueWorker, *deliveries: FakeDelivery) -> None:
    for delivery in deliveries:
        worker.accept(delivery)
    while worker.in_flight:  # noqa: ASYNC110 - a worker that is empty tells nobody
        await asyncio.sleep(0)


async def test_the_reply_is_confirmed_before_the_ack(
    handling: Handling, replies: FakePublisher, events: list[str]
) -> None:
    await settled(worker_of(handling, replies), delivered(events))
    assert events == ["reply", "ack", "acknowledged"]


async def test_success_that_nobody_waits_for_is_acked(
    handling: Handling, replies: FakePublisher, events: list[str]
) -> None:
    await settled(worker_of(handling, replies), delivered(events, reply_to=None))
    assert events == ["ack", "acknowledged"]


async def test_a_final_error_that_nobody_waits_for_is_dead(
    handling: Handling, replies: FakePublisher, events: list[str]
) -> None:
    handling.replies = [error(Code.INVALID_ARGUMENT)]
    await settled(worker_of(handling, replies), delivered(events, reply_to=None, body=b"not json"))
    assert events == ["dead letter", "ack", "acknowledged"]


async def test_what_nobody_waits_for_waits_for_the_gateway(
    handling: Handling, replies: FakePublisher, events: list[str]
) -> None:
    handling.replies = [error(Code.UNAVAILABLE, retryable=True)] * 5
    await settled(worker_of(handling, replies, forget_retry=0), delivered(events, reply_to=None))
    assert (handling.runs, events) == (6, ["ack", "acknowledged"])


async def test_a_reply_that_is_not_confirmed_is_sent_again_without_running_again(
    handling: Handling, replies: FakePublisher, events: list[str]
) -> None:
    replies.refusals = 2
    await settled(worker_of(handling, replies), delivered(events))
    assert (handling.runs, events) == (1, ["reply", "ack", "acknowledged"])


async def test_a_reply_that_is_never_confirmed_gives_the_request_back(
    handling: Handling, replies: FakePublisher, events: list[str]
) -> None:
    replies.refusals = 1000
    await settled(worker_of(handling, replies), delivered(events))
    assert events == ["give back"]


async def test_after_a_lost_connection_the_answer_waits_for_the_redelivery(
    handling: Handling, replies: FakePublisher, events: list[str]
) -> None:
    handling.limiter.clear()
    worker, delivery = worker_of(handling, replies), delivered(events)
    worker.accept(delivery)
    await asyncio.sleep(0.01)
    delivery.open = False
    handling.limiter.set()
    await settled(worker)
    assert (handling.runs, events) == (1, [])


async def test_an_ack_on_a_lost_channel_is_not_taken_for_one(
    handling: Handling, replies: FakePublisher, events: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    delivery = delivered(events)

    async def lost() -> bool:
        return False

    monkeypatch.setattr(delivery, "ack", lost)
    await settled(worker_of(handling, replies), delivery)
    assert events == ["reply"]


async def test_what_the_lost_channel_delivered_does_not_start(
    handling: Handling, replies: FakePublisher, events: list[str]
) -> None:
    delivery = delivered(events)
    delivery.open = False
    await settled(worker_of(handling, replies), delivery)
    assert handling.runs == 0


async def test_no_more_run_at_a_time_than_allowed(
    handling: Handling, replies: FakePublisher, events: list[str]
) -> None:
    handling.limiter.clear()
    worker = worker_of(handling, replies)
    for _ in range(10):
        worker.accept(delivered(events))
    await asyncio.sleep(0.01)
    handling.limiter.set()
    await settled(worker)
    assert handling.most == 2
    assert events.count("ack") == 10


async def test_nothing_starts_while_the_broker_takes_no_replies(
    handling: Handling, replies: FakePublisher, events: list[str]
) -> None:
    replies.open.clear()
    worker = worker_of(handling, replies)
    worker.accept(delivered(events))
    await asyncio.sleep(0.01)
    assert handling.runs == 0
    replies.open.set()
    await settled(worker)
    assert events == ["reply", "ack", "acknowledged"]


async def test_a_defect_gives_the_message_back_and_frees_the_slot(
    handling: Handling, replies: FakePublisher, events: list[str]
) -> None:
    handling.replies = [RuntimeError("defect")] * 3
    worker = worker_of(handling, replies)
    await settled(worker, *(delivered(events) for _ in range(3)))
    await settled(worker, delivered(events))
    assert events == ["give back"] * 3 + ["reply", "ack", "acknowledged"]


async def test_stopping_gives_back_what_has_not_started_and_lets_the_rest_end(
    handling: Handling, replies: FakePublisher, events: list[str]
) -> None:
    handling.limiter.clear()
    worker = worker_of(handling, replies)
    for _ in range(5):
        worker.accept(delivered(events))
    await asyncio.sleep(0.01)
    stopping = asyncio.create_task(worker.stop(grace=5))
    await asyncio.sleep(0.01)
    assert events == ["give back"] * 3
    handling.limiter.set()
    assert await stopping
    assert events.count("ack") == 2


async def test_stopping_gives_back_what_does_not_end_in_time(
    handling: Handling, replies: FakePublisher, events: list[str]
) -> None:
    handling.limiter.clear()
    worker = worker_of(handling, replies)
    worker.accept(delivered(events))
    await asyncio.sleep(0.01)
    assert not await worker.stop(grace=0.01)
    assert events == ["give back"]


async def test_stopping_wakes_what_rests_between_two_tries(
    handling: Handling, replies: FakePublisher, events: list[str]
) -> None:
    handling.replies = [error(Code.UNAVAILABLE, retryable=True)]
    worker = worker_of(handling, replies, clock=QuickClock(pause=1000))
    worker.accept(delivered(events, reply_to=None))
    await asyncio.sleep(0.01)
    assert await worker.stop(grace=5)
    assert events == ["give back"]


async def test_what_arrives_while_stopping_is_given_back(
    handling: Handling, replies: FakePublisher, events: list[str]
) -> None:
    worker = worker_of(handling, replies)
    await worker.stop(grace=0)
    await settled(worker, delivered(events))
    assert (handling.runs, events) == (0, ["give back"])


async def test_what_arrives_while_stopping_is_given_back_although_no_reply_could_go_out(
    handling: Handling, replies: FakePublisher, events: list[str]
) -> None:
    replies.open.clear()
    worker = worker_of(handling, replies)
    await worker.stop(grace=0)
    await settled(worker, delivered(events))
    assert events == ["give back"]


async def test_a_try_that_ends_while_stopping_is_not_followed_by_a_rest(
    handling: Handling, replies: FakePublisher, events: list[str]
) -> None:
    handling.limiter.clear()
    handling.replies = [error(Code.UNAVAILABLE, retryable=True)]
    worker = worker_of(handling, replies, clock=QuickClock(pause=1000))
    worker.accept(delivered(events, reply_to=None))
    await asyncio.sleep(0.01)
    stopping = asyncio.create_task(worker.stop(grace=1000))
    await asyncio.sleep(0.01)
    handling.limiter.set()
    assert await stopping
    assert events == ["give back"]


async def test_a_cancellation_that_nobody_asked_for_gives_the_message_back(
    handling: Handling, replies: FakePublisher, events: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def cut_off(*_: object) -> None:
        raise asyncio.CancelledError

    monkeypatch.setattr(replies, "reply", cut_off)
    worker = worker_of(handling, replies)
    await settled(worker, delivered(events))
    assert events == ["give back"]


# --- pressure ---


async def test_who_stands_aside_leaves_the_place_to_others_and_is_given_back_when_stopping(
    replies: FakePublisher, events: list[str]
) -> None:
    async def handle(delivery: Delivery) -> Reply:
        if delivery.message.reply_to == "waits":
            async with delivery.release_slot():
                await asyncio.Event().wait()
        return OK

    worker = worker_of(handle, replies, limit=AimdLimit(1))
    for _ in range(3):
        worker.accept(delivered(events, reply_to="waits"))
    worker.accept(delivered(events))
    async with asyncio.timeout(30):
        while worker.in_flight > 3:  # noqa: ASYNC110 - a worker tells nobody
            await asyncio.sleep(0)
    assert events == ["reply", "ack", "acknowledged"]
    assert await worker.stop(grace=30)
    assert events[3:] == ["give back"] * 3


def job_done(events: list[str]) -> FakeDelivery:
    return delivered(events, body=orjson.dumps({"operation": "complete-job", "data": {"jobKey": 1 << 51}}))


async def test_a_small_limit_holds_back_all_but_what_relieves_the_engine(
    handling: Handling, replies: FakePublisher, events: list[str]
) -> None:
    limit = AimdLimit(4)
    for _ in range(10):
        limit.refused(limit.round)
    handling.limiter.clear()
    worker = worker_of(handling, replies, limit=limit)
    for _ in range(5):
        worker.accept(delivered(events))
    await asyncio.sleep(0.01)
    assert handling.running == 1
    for _ in range(5):
        worker.accept(job_done(events))
    await asyncio.sleep(0.01)
    assert handling.running == 1 + 4
    handling.limiter.set()
    await settled(worker)
    assert events.count("ack") == 10


class Reach:
    """A gateway that can be away."""

    def __init__(self) -> None:
        self.there = asyncio.Event()

    async def __call__(self) -> None:
        await self.there.wait()


async def test_what_nobody_waits_for_waits_for_the_gateway_without_a_place_and_the_rest_runs(
    handling: Handling, replies: FakePublisher, events: list[str]
) -> None:
    reach = Reach()
    worker = worker_of(handling, replies, reachable=reach, limit=AimdLimit(1))
    for _ in range(3):
        worker.accept(delivered(events, reply_to=None))
    worker.accept(delivered(events))
    await asyncio.sleep(0.01)
    assert (handling.runs, events) == (1, ["reply", "ack", "acknowledged"])
    reach.there.set()
    await settled(worker)
    assert events.count("ack") == 4


async def test_what_waits_for_the_gateway_is_given_back_when_stopping(
    handling: Handling, replies: FakePublisher, events: list[str]
) -> None:
    worker = worker_of(handling, replies, reachable=Reach())
    worker.accept(delivered(events, reply_to=None))
    await asyncio.sleep(0.01)
    assert await worker.stop(grace=5)
    assert events == ["give back"]


async def test_what_waited_for_the_gateway_for_too_long_goes_back_to_its_queue(
    handling: Handling, replies: FakePublisher, events: list[str]
) -> None:
    clock = QuickClock(patience=0.01)
    await settled(worker_of(handling, replies, reachable=Reach(), clock=clock), delivered(events, reply_to=None))
    assert (handling.runs, events) == (0, ["give back"])


async def test_what_the_engine_refused_for_too_long_goes_back_to_its_queue(
    handling: Handling, replies: FakePublisher, events: list[str]
) -> None:
    clock = QuickClock()
    handling.replies = [error(Code.RESOURCE_EXHAUSTED, retryable=True)] * 1000
    await settled(worker_of(handling, replies, clock=clock), delivered(events, reply_to=None))
    assert events == ["give back"]
    assert clock.passed >= MAX_WAIT
    assert handling.runs < 100


async def test_dead_letters_and_replies_that_are_not_confirmed_are_counted(
    handling: Handling, replies: FakePublisher, events: list[str]
) -> None:
    counted: list[tuple[str, dict[str, str]]] = []
    worker = worker_of(handling, replies, count=lambda name, **attributes: counted.append((name, attributes)))
    replies.refusals = 1
    handling.replies = [OK, error(Code.INVALID_ARGUMENT)]
    await settled(worker, delivered(events))
    await settled(worker, FakeDelivery(Message(b"{}", "commands"), events))
    assert counted == [
        ("reply.failures", {"reason": "not confirmed"}),
        ("dead_lettered", {"queue": "commands"}),
    ]


async def test_what_cannot_be_answered_here_and_now_goes_back_without_being_called_a_defect(
    handling: Handling, replies: FakePublisher, events: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    handling.replies = [Requeue("another process is running it")]
    await settled(worker_of(recovered()(handling), replies), delivered(events))
    assert events == ["give back"]
    assert "defect" not in caplog.text


# --- reply queues that refuse ---


class FullQueues(FakePublisher):
    """A publisher whose reply queues named `full…` refuse, while `full` is set."""

    def __init__(self, events: list[str]) -> None:
        super().__init__(events)
        self.full = True
        self.stuck = False
        self.broken = False
        self.tries: Counter[str] = Counter()

    async def reply(self, delivery: Delivery, reply: Reply) -> None:
        queue = delivery.message.reply_to or ""
        self.tries[queue] += 1
        if self.broken:
            raise PublishFailed("not connected")
        if self.full and queue.startswith("full"):
            raise Refused("the broker refused it (nack)", stuck=self.stuck)
        self.events.append(f"reply to {queue}")


@pytest.fixture
def full(events: list[str]) -> FullQueues:
    return FullQueues(events)


async def test_a_refused_reply_is_tried_again_for_a_while_and_then_dropped_and_acked(
    handling: Handling, full: FullQueues, events: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    clock, counted = QuickClock(), list[tuple[str, dict[str, str]]]()
    refused = RefusedReplies(4, 30, clock)
    worker = worker_of(
        handling, full, clock=clock, refused=refused, count=lambda name, **labels: counted.append((name, labels))
    )
    await settled(worker, delivered(events, reply_to="full"))
    assert (handling.runs, events) == (1, ["ack", "acknowledged"])
    assert full.tries["full"] > 3
    assert clock.passed >= 30
    assert counted == [("reply.failures", {"reason": "refused"})]
    assert [record.message for record in caplog.records] == [
        "reply queue 'full': the broker refused it (nack); the reply is dropped"
    ]


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
        refused.tried(f"{number}", "nothing is confirmed")
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


def test_drops_of_one_queue_are_logged_together(caplog: pytest.LogCaptureFixture) -> None:
    clock = QuickClock()
    refused = RefusedReplies(4, 30, clock)
    for _ in range(5):
        refused.dropped("full", "full")
    refused.dropped("other", "full")
    clock.passed += 11
    refused.dropped("full", "full")
    assert [record.message.partition("; ")[2] for record in caplog.records] == [
        "the reply is dropped",
        "the reply is dropped",
        "the reply is dropped, and 4 more since the last line",
    ]
