"""A worker runs deliveries side by side and settles every one of them."""

from __future__ import annotations

import asyncio

import orjson
import pytest

from consumer.core.circuit_breaker import CircuitBreaker
from consumer.core.delivery import Delivery
from consumer.core.limiter import AimdLimit
from consumer.core.message import Message, Reply
from consumer.core.requeue import Requeue
from consumer.pipeline.ending import Ending
from consumer.pipeline.middleware import recovered
from consumer.pipeline.settlement import MAX_WAIT
from tests.unit.consumer.deliveries import FakeDelivery, QuickClock
from tests.unit.consumer.workers import OK, FakePublisher, Handling, delivered, settled, worker_of
from zeebe_amqp.errors import Code, Error, Outcome, Source


def error(code: Code, retryable: bool = False, source: Source = Source.GATEWAY) -> Reply:
    return Reply(
        "topology",
        error=Error(code=code, message="", source=source, outcome=Outcome.NOT_EXECUTED, retryable=retryable),
    )


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

    def lost() -> bool:
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
        limit.record_refusal(limit.round)
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


def opened() -> CircuitBreaker:
    """The circuit to a gateway that is away."""
    circuit = CircuitBreaker(threshold=1)
    circuit.record_failure()
    return circuit


async def test_what_nobody_waits_for_waits_for_the_gateway_without_a_place_and_the_rest_runs(
    handling: Handling, replies: FakePublisher, events: list[str]
) -> None:
    circuit = opened()
    worker = worker_of(handling, replies, circuit=circuit, limit=AimdLimit(1))
    for _ in range(3):
        worker.accept(delivered(events, reply_to=None))
    worker.accept(delivered(events))
    await asyncio.sleep(0.01)
    assert (handling.runs, events) == (1, ["reply", "ack", "acknowledged"])
    circuit.record_success()
    await settled(worker)
    assert events.count("ack") == 4


async def test_what_waits_for_the_gateway_is_given_back_when_stopping(
    handling: Handling, replies: FakePublisher, events: list[str]
) -> None:
    worker = worker_of(handling, replies, circuit=opened())
    worker.accept(delivered(events, reply_to=None))
    await asyncio.sleep(0.01)
    assert await worker.stop(grace=5)
    assert events == ["give back"]


async def test_what_waited_for_the_gateway_for_too_long_goes_back_to_its_queue(
    handling: Handling, replies: FakePublisher, events: list[str]
) -> None:
    clock = QuickClock(patience=0.01)
    await settled(worker_of(handling, replies, circuit=opened(), clock=clock), delivered(events, reply_to=None))
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


async def test_how_each_request_ended_is_reported(
    handling: Handling, replies: FakePublisher, events: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[tuple[Ending, str]] = []
    counted: list[str] = []
    worker = worker_of(
        handling,
        replies,
        report=lambda _, __, ending, reason: told.append((ending, reason)),
        count=lambda name, **_: counted.append(name),
    )
    handling.replies = [OK, OK, error(Code.NOT_FOUND)]
    await settled(worker, delivered(events), delivered(events, reply_to=None))
    await settled(worker, delivered(events, reply_to=None, body=b"no request"))

    async def nobody(*_: object) -> bool:
        return False

    monkeypatch.setattr(replies, "reply", nobody)
    await settled(worker, delivered(events))

    assert told == [
        (Ending.SETTLED, ""),
        (Ending.SETTLED, ""),
        (Ending.DEAD_LETTERED, ""),
        (Ending.DROPPED, "it does not exist"),
    ]
    assert counted == ["dead_lettered", "reply.failures"]
    assert events[-2:] == ["ack", "acknowledged"]
