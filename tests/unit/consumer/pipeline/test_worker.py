"""A lane runs deliveries side by side and settles every one of them."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson
import pytest

from consumer.core.limiter import AimdLimit
from consumer.core.message import Handler, Incoming, Reply
from consumer.core.requeue import Requeue
from consumer.pipeline import settlement
from consumer.pipeline import worker as workers
from consumer.pipeline.handler import recovered
from consumer.pipeline.worker import PublishFailed, QueueWorker
from zeebe_amqp.errors import Code, Error, Outcome, Source

OK = Reply("topology", {})


def error(code: Code, retryable: bool = False, source: Source = Source.GATEWAY) -> Reply:
    return Reply(
        "topology",
        error=Error(code=code, message="", source=source, outcome=Outcome.NOT_EXECUTED, retryable=retryable),
    )


class FakeDelivery:
    """A delivery that writes down how it was settled."""

    def __init__(self, events: list[str], *, reply_to: str | None = "replies", body: bytes | None = None) -> None:
        self.events = events
        body = orjson.dumps({"operation": "topology"}) if body is None else body
        self.incoming = Incoming(body=body, reply_to=reply_to)
        self.incoming.acknowledged = lambda: events.append("acknowledged")
        self.alive = True

    async def ack(self) -> bool:
        self.events.append("ack")
        return self.alive

    async def requeue(self) -> None:
        self.events.append("give back")


class FakeOutbox:
    """An replies that can be closed (an alarm) and that can refuse."""

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

    async def reply(self, incoming: Incoming, reply: Reply) -> None:
        await self._publish("reply")

    async def dead_letter(self, incoming: Incoming, reply: Reply) -> None:
        await self._publish("dead letter")


class Handling:
    """A handler with scripted replies that can be held."""

    def __init__(self) -> None:
        self.replies: list[Reply | Exception] = []
        self.running = self.most = self.runs = 0
        self.limiter = asyncio.Event()
        self.limiter.set()

    async def __call__(self, _: Incoming) -> Reply:
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
def replies(events: list[str]) -> FakeOutbox:
    return FakeOutbox(events)


@pytest.fixture
def handling(monkeypatch: pytest.MonkeyPatch) -> Handling:
    monkeypatch.setattr(workers, "pause", lambda _: 0.0)
    return Handling()


async def reachable() -> None:
    """The gateway is there."""


def lane_of(handling: Handler, replies: FakeOutbox, **settings: Any) -> QueueWorker:
    return QueueWorker(
        handling,
        replies,
        **{
            "limit": AimdLimit(2),
            "forget_retry": 900,
            "answerable": lambda incoming: bool(incoming.reply_to),
            "reachable": reachable,
            **settings,
        },
    )


async def settled(lane: QueueWorker, *deliveries: FakeDelivery) -> None:
    for delivery in deliveries:
        lane.accept(delivery)
    while lane.in_flight:  # noqa: ASYNC110 - a lane that is empty tells nobody
        await asyncio.sleep(0)


async def test_the_reply_is_confirmed_before_the_ack(
    handling: Handling, replies: FakeOutbox, events: list[str]
) -> None:
    await settled(lane_of(handling, replies), FakeDelivery(events))
    assert events == ["reply", "ack", "acknowledged"]


async def test_success_that_nobody_waits_for_is_acked(
    handling: Handling, replies: FakeOutbox, events: list[str]
) -> None:
    await settled(lane_of(handling, replies), FakeDelivery(events, reply_to=None))
    assert events == ["ack", "acknowledged"]


async def test_a_final_error_that_nobody_waits_for_is_dead(
    handling: Handling, replies: FakeOutbox, events: list[str]
) -> None:
    handling.replies = [error(Code.INVALID_ARGUMENT)]
    await settled(lane_of(handling, replies), FakeDelivery(events, reply_to=None, body=b"not json"))
    assert events == ["dead letter", "ack", "acknowledged"]


async def test_what_nobody_waits_for_waits_for_the_gateway(
    handling: Handling, replies: FakeOutbox, events: list[str]
) -> None:
    handling.replies = [error(Code.UNAVAILABLE, retryable=True)] * 5
    await settled(lane_of(handling, replies, forget_retry=0), FakeDelivery(events, reply_to=None))
    assert (handling.runs, events) == (6, ["ack", "acknowledged"])


async def test_a_reply_that_is_not_confirmed_is_sent_again_without_running_again(
    handling: Handling, replies: FakeOutbox, events: list[str]
) -> None:
    replies.refusals = 2
    await settled(lane_of(handling, replies), FakeDelivery(events))
    assert (handling.runs, events) == (1, ["reply", "ack", "acknowledged"])


async def test_a_reply_that_is_never_confirmed_gives_the_request_back(
    handling: Handling, replies: FakeOutbox, events: list[str]
) -> None:
    replies.refusals = 1000
    await settled(lane_of(handling, replies), FakeDelivery(events))
    assert events == ["give back"]


async def test_after_a_lost_connection_the_answer_waits_for_the_redelivery(
    handling: Handling, replies: FakeOutbox, events: list[str]
) -> None:
    handling.limiter.clear()
    lane, delivery = lane_of(handling, replies), FakeDelivery(events)
    lane.accept(delivery)
    await asyncio.sleep(0.01)
    delivery.alive = False
    handling.limiter.set()
    await settled(lane)
    assert (handling.runs, events) == (1, [])


async def test_an_ack_on_a_lost_channel_is_not_taken_for_one(
    handling: Handling, replies: FakeOutbox, events: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    delivery = FakeDelivery(events)

    async def lost() -> bool:
        return False

    monkeypatch.setattr(delivery, "ack", lost)
    await settled(lane_of(handling, replies), delivery)
    assert events == ["reply"]


async def test_what_the_lost_channel_delivered_does_not_start(
    handling: Handling, replies: FakeOutbox, events: list[str]
) -> None:
    delivery = FakeDelivery(events)
    delivery.alive = False
    await settled(lane_of(handling, replies), delivery)
    assert handling.runs == 0


async def test_no_more_run_at_a_time_than_allowed(handling: Handling, replies: FakeOutbox, events: list[str]) -> None:
    handling.limiter.clear()
    lane = lane_of(handling, replies)
    for _ in range(10):
        lane.accept(FakeDelivery(events))
    await asyncio.sleep(0.01)
    handling.limiter.set()
    await settled(lane)
    assert handling.most == 2
    assert events.count("ack") == 10


async def test_nothing_starts_while_the_broker_takes_no_replies(
    handling: Handling, replies: FakeOutbox, events: list[str]
) -> None:
    replies.open.clear()
    lane = lane_of(handling, replies)
    lane.accept(FakeDelivery(events))
    await asyncio.sleep(0.01)
    assert handling.runs == 0
    replies.open.set()
    await settled(lane)
    assert events == ["reply", "ack", "acknowledged"]


async def test_a_defect_gives_the_message_back_and_frees_the_slot(
    handling: Handling, replies: FakeOutbox, events: list[str]
) -> None:
    handling.replies = [RuntimeError("defect")] * 3
    lane = lane_of(handling, replies)
    await settled(lane, *(FakeDelivery(events) for _ in range(3)))
    await settled(lane, FakeDelivery(events))
    assert events == ["give back"] * 3 + ["reply", "ack", "acknowledged"]


async def test_stopping_gives_back_what_has_not_started_and_lets_the_rest_end(
    handling: Handling, replies: FakeOutbox, events: list[str]
) -> None:
    handling.limiter.clear()
    lane = lane_of(handling, replies)
    for _ in range(5):
        lane.accept(FakeDelivery(events))
    await asyncio.sleep(0.01)
    stopping = asyncio.create_task(lane.stop(grace=5))
    await asyncio.sleep(0.01)
    assert events == ["give back"] * 3
    handling.limiter.set()
    assert await stopping
    assert events.count("ack") == 2


async def test_stopping_gives_back_what_does_not_end_in_time(
    handling: Handling, replies: FakeOutbox, events: list[str]
) -> None:
    handling.limiter.clear()
    lane = lane_of(handling, replies)
    lane.accept(FakeDelivery(events))
    await asyncio.sleep(0.01)
    assert not await lane.stop(grace=0.01)
    assert events == ["give back"]


async def test_stopping_wakes_what_rests_between_two_tries(
    handling: Handling, replies: FakeOutbox, events: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "pause", lambda _: 1000.0)
    handling.replies = [error(Code.UNAVAILABLE, retryable=True)]
    lane = lane_of(handling, replies)
    lane.accept(FakeDelivery(events, reply_to=None))
    await asyncio.sleep(0.01)
    assert await lane.stop(grace=5)
    assert events == ["give back"]


async def test_what_arrives_while_stopping_is_given_back(
    handling: Handling, replies: FakeOutbox, events: list[str]
) -> None:
    lane = lane_of(handling, replies)
    await lane.stop(grace=0)
    await settled(lane, FakeDelivery(events))
    assert (handling.runs, events) == (0, ["give back"])


async def test_what_arrives_while_stopping_is_given_back_although_no_reply_could_go_out(
    handling: Handling, replies: FakeOutbox, events: list[str]
) -> None:
    replies.open.clear()
    lane = lane_of(handling, replies)
    await lane.stop(grace=0)
    await settled(lane, FakeDelivery(events))
    assert events == ["give back"]


async def test_a_try_that_ends_while_stopping_is_not_followed_by_a_rest(
    handling: Handling, replies: FakeOutbox, events: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "pause", lambda _: 1000.0)
    handling.limiter.clear()
    handling.replies = [error(Code.UNAVAILABLE, retryable=True)]
    lane = lane_of(handling, replies)
    lane.accept(FakeDelivery(events, reply_to=None))
    await asyncio.sleep(0.01)
    stopping = asyncio.create_task(lane.stop(grace=1000))
    await asyncio.sleep(0.01)
    handling.limiter.set()
    assert await stopping
    assert events == ["give back"]


async def test_a_cancellation_that_nobody_asked_for_gives_the_message_back(
    handling: Handling, replies: FakeOutbox, events: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def cut_off(*_: object) -> None:
        raise asyncio.CancelledError

    monkeypatch.setattr(replies, "reply", cut_off)
    lane = lane_of(handling, replies)
    await settled(lane, FakeDelivery(events))
    assert events == ["give back"]


# --- pressure ---


async def test_who_stands_aside_leaves_the_place_to_others_and_is_given_back_when_stopping(
    replies: FakeOutbox, events: list[str]
) -> None:
    async def handle(incoming: Incoming) -> Reply:
        if incoming.reply_to == "waits":
            async with incoming.aside():
                await asyncio.Event().wait()
        return OK

    lane = lane_of(handle, replies, limit=AimdLimit(1))
    for _ in range(3):
        lane.accept(FakeDelivery(events, reply_to="waits"))
    lane.accept(FakeDelivery(events))
    async with asyncio.timeout(30):
        while lane.in_flight > 3:  # noqa: ASYNC110 - a lane tells nobody
            await asyncio.sleep(0)
    assert events == ["reply", "ack", "acknowledged"]
    assert await lane.stop(grace=30)
    assert events[3:] == ["give back"] * 3


def job_done(events: list[str]) -> FakeDelivery:
    return FakeDelivery(events, body=orjson.dumps({"operation": "complete-job", "data": {"jobKey": 1 << 51}}))


async def test_a_small_limit_holds_back_all_but_what_relieves_the_engine(
    handling: Handling, replies: FakeOutbox, events: list[str]
) -> None:
    limit = AimdLimit(4)
    for _ in range(10):
        limit.refused(limit.round)
    handling.limiter.clear()
    lane = lane_of(handling, replies, limit=limit)
    for _ in range(5):
        lane.accept(FakeDelivery(events))
    await asyncio.sleep(0.01)
    assert handling.running == 1
    for _ in range(5):
        lane.accept(job_done(events))
    await asyncio.sleep(0.01)
    assert handling.running == 1 + 4
    handling.limiter.set()
    await settled(lane)
    assert events.count("ack") == 10


class Reach:
    """A gateway that can be away."""

    def __init__(self) -> None:
        self.there = asyncio.Event()

    async def __call__(self) -> None:
        await self.there.wait()


async def test_what_nobody_waits_for_waits_for_the_gateway_without_a_place_and_the_rest_runs(
    handling: Handling, replies: FakeOutbox, events: list[str]
) -> None:
    reach = Reach()
    lane = lane_of(handling, replies, reachable=reach, limit=AimdLimit(1))
    for _ in range(3):
        lane.accept(FakeDelivery(events, reply_to=None))
    lane.accept(FakeDelivery(events))
    await asyncio.sleep(0.01)
    assert (handling.runs, events) == (1, ["reply", "ack", "acknowledged"])
    reach.there.set()
    await settled(lane)
    assert events.count("ack") == 4


async def test_what_waits_for_the_gateway_is_given_back_when_stopping(
    handling: Handling, replies: FakeOutbox, events: list[str]
) -> None:
    lane = lane_of(handling, replies, reachable=Reach())
    lane.accept(FakeDelivery(events, reply_to=None))
    await asyncio.sleep(0.01)
    assert await lane.stop(grace=5)
    assert events == ["give back"]


async def test_what_waited_for_the_gateway_for_too_long_goes_back_to_its_queue(
    handling: Handling, replies: FakeOutbox, events: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "MAX_WAIT", 0.01)
    await settled(lane_of(handling, replies, reachable=Reach()), FakeDelivery(events, reply_to=None))
    assert (handling.runs, events) == (0, ["give back"])


async def test_what_the_engine_refused_for_too_long_goes_back_to_its_queue(
    handling: Handling, replies: FakeOutbox, events: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settlement, "MAX_WAIT", 0.0)
    handling.replies = [error(Code.RESOURCE_EXHAUSTED, retryable=True)]
    await settled(lane_of(handling, replies), FakeDelivery(events, reply_to=None))
    assert (handling.runs, events) == (1, ["give back"])


async def test_dead_letters_and_replies_that_are_not_confirmed_are_counted(
    handling: Handling, replies: FakeOutbox, events: list[str]
) -> None:
    counted: list[tuple[str, dict[str, str]]] = []
    lane = lane_of(handling, replies, count=lambda name, **attributes: counted.append((name, attributes)))
    replies.refusals = 1
    handling.replies = [OK, error(Code.INVALID_ARGUMENT)]
    await settled(lane, FakeDelivery(events))
    delivery = FakeDelivery(events, reply_to=None)
    delivery.incoming.queue = "commands"
    await settled(lane, delivery)
    assert counted == [
        ("reply.failures", {"reason": "not confirmed"}),
        ("dead_lettered", {"queue": "commands"}),
    ]


async def test_what_cannot_be_answered_here_and_now_goes_back_without_being_called_a_defect(
    handling: Handling, replies: FakeOutbox, events: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    handling.replies = [Requeue("another process is running it")]
    await settled(lane_of(recovered(handling), replies), FakeDelivery(events))
    assert events == ["give back"]
    assert "defect" not in caplog.text
