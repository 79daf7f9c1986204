"""A worker runs deliveries side by side and settles every one of them."""

from __future__ import annotations

import asyncio
from contextlib import nullcontext
from typing import Any
from unittest.mock import AsyncMock, Mock, call, create_autospec

import orjson
import pytest

from consumer.core.circuit_breaker import CircuitBreaker
from consumer.core.delivery import Delivery, Waiting
from consumer.core.limiter import AimdLimit, ConcurrencyLimiter
from consumer.core.message import Message, Reply
from consumer.core.requeue import Requeue
from consumer.pipeline.ending import Ending
from consumer.pipeline.publishing import Refused, TooLarge
from consumer.pipeline.settlement import MAX_WAIT
from tests.cases import for_each
from tests.unit.consumer.deliveries import FakeDelivery, QuickClock
from tests.unit.consumer.errors import failed
from tests.unit.consumer.workers import OK, Bench, pause, settled, until
from zeebe_amqp.errors import Code

ACKED = ["ack", "acknowledged"]
ANSWERED = ["reply", *ACKED]


@pytest.fixture
def bench() -> Bench:
    return Bench()


def error(code: Code, retryable: bool = False) -> Reply:
    return Reply("topology", error=failed(code, retryable=retryable))


AWAY = error(Code.UNAVAILABLE, retryable=True)


def opened() -> CircuitBreaker:
    """The circuit to a gateway that is away."""
    circuit = CircuitBreaker()
    circuit.trip()
    return circuit


@for_each([
    ("the reply is confirmed before the ack", {}, [], 0, 1, ANSWERED),
    ("success that nobody waits for", {"reply_to": None}, [], 0, 1, ACKED),
    ("final", {"reply_to": None, "body": b"no"}, [error(Code.INVALID_ARGUMENT)], 0, 1, ["dead letter", *ACKED]),
    ("what nobody waits for waits for the gateway", {"reply_to": None}, [AWAY] * 5, 0, 6, ACKED),
    ("an unconfirmed reply is sent, not run, again", {}, [], 2, 1, ANSWERED),
    ("a reply that is never confirmed", {}, [], 1000, 1, ["give back as failed"]),
])  # fmt: skip
async def test_a_delivery_is_settled_by_its_answer_and_by_who_waits_for_it(
    case: str, sent: dict[str, Any], answers: list[Reply | Exception], unconfirmed: int, runs: int, events: list[str]
) -> None:
    bench = Bench()
    bench.handler.replies = list(answers)
    bench.publisher.refusals = unconfirmed
    await bench.settle(bench.delivered(**sent), forget_retry=0)
    assert (bench.runs, bench.events) == (runs, events)


async def test_how_each_request_ended_is_reported_and_what_went_wrong_counted(bench: Bench, monkeypatch: Any) -> None:
    report, count = Mock(), Mock()
    worker = bench.worker(report=report, count=count)
    bench.handler.replies = [OK, OK, error(Code.NOT_FOUND)]
    bench.publisher.refusals = 1
    dead = FakeDelivery(Message(b"no request", "commands"), bench.events)
    for delivery in (bench.delivered(), bench.delivered(reply_to=None), dead):
        await settled(worker, delivery)
    monkeypatch.setattr(bench.publisher, "reply", AsyncMock(return_value=False))
    await settled(worker, bench.delivered())
    assert [each.args[2:] for each in report.mock_calls] == [
        (Ending.SETTLED, ""),
        (Ending.SETTLED, ""),
        (Ending.DEAD_LETTERED, ""),
        (Ending.DROPPED, "it does not exist"),
    ]
    assert count.mock_calls == [
        call("reply.failures", reason="not confirmed"),
        call("dead_lettered", queue="commands"),
        call("reply.failures", reason="unroutable"),
    ]
    assert bench.events[-2:] == ACKED


@for_each([(1, Ending.SETTLED, ANSWERED), (2, Ending.DROPPED, ACKED)])
async def test_a_reply_that_is_too_large_for_the_broker_is_replaced_and_never_loops(
    refusals: int, ending: Ending, events: list[str]
) -> None:
    bench, report, audit, count = Bench(), Mock(), AsyncMock(), Mock()
    publish, sizes = bench.publisher.reply, [TooLarge(9, 8)] * refusals

    async def reply(delivery: Delivery, reply: Reply) -> bool:
        if sizes:
            raise sizes.pop()
        return await publish(delivery, reply)

    bench.publisher.reply = reply  # type: ignore[method-assign]
    await bench.settle(bench.delivered(), report=report, audit=audit, count=count)
    assert (bench.runs, bench.events) == (1, events)
    # The command was executed: that is recorded. What the caller was told is reported.
    assert (audit.call_args.args[1:], report.call_args.args[2]) == ((OK, ending), ending)
    assert report.call_args.args[1].error.code is Code.RESOURCE_EXHAUSTED
    assert [each.error for each in bench.publisher.sent] == [report.call_args.args[1].error] * (2 - refusals)
    assert count.mock_calls == [call("reply.failures", reason="refused")] * (refusals - 1)


async def test_what_is_given_back_is_counted_by_its_queue(bench: Bench) -> None:
    count = Mock()
    bench.handler.replies = [Requeue("the ledger is away"), OK]
    deliveries = [FakeDelivery(Message(b'{"operation":"topology"}', queue=queue)) for queue in ("orders", "others")]
    await bench.settle(*deliveries, count=count, limit=AimdLimit(1))
    assert count.mock_calls == [call("requeued", queue="orders")]


async def test_what_a_lost_channel_delivered_is_left_to_its_redelivery(bench: Bench, monkeypatch: Any) -> None:
    """It does not start, its answer does not go out, and its ack is not taken for one."""

    async def lose(delivery: Any, *_: object) -> Any:
        delivery.open = False
        return OK

    lost = bench.delivered()
    lost.open = False
    await bench.settle(lost)
    assert (bench.runs, bench.events) == (0, ["give back"])
    bench.events.clear()
    await bench.settle(bench.delivered(), handler=lose)
    assert bench.events == []
    monkeypatch.setattr(bench.publisher, "reply", lose)
    await bench.settle(bench.delivered())
    assert bench.events == ["ack"]


async def test_nothing_starts_while_the_broker_takes_no_replies(bench: Bench) -> None:
    bench.publisher.open.clear()
    worker = bench.worker(bench.delivered())
    await asyncio.sleep(0.01)
    assert bench.runs == 0
    bench.publisher.open.set()
    await settled(worker)
    assert bench.events == ANSWERED


async def test_what_breaks_or_comes_later_is_given_back(bench: Bench, monkeypatch: Any, caplog: Any) -> None:
    worker = bench.worker()
    bench.handler.replies = [Requeue("another process is running it")] * 3
    await settled(worker, *(bench.delivered() for _ in range(3)))
    assert "defect" not in caplog.text
    bench.handler.replies = [RuntimeError("defect")] * 3
    await settled(worker, *(bench.delivered() for _ in range(3)))
    with monkeypatch.context() as patch:
        patch.setattr(bench.publisher, "reply", AsyncMock(side_effect=asyncio.CancelledError))  # nobody asked for it
        await settled(worker, bench.delivered())
    await settled(worker, bench.delivered())
    assert bench.events == ["give back"] * 3 + ["give back as failed"] * 4 + ANSWERED


async def test_what_full_dead_letters_refuse_is_no_failure_of_the_request(bench: Bench, monkeypatch: Any) -> None:
    monkeypatch.setattr(bench.publisher, "dead_letter", AsyncMock(side_effect=Refused("it is full")))
    bench.handler.replies = [error(Code.INVALID_ARGUMENT)]
    await bench.settle(bench.delivered(reply_to=None))
    assert bench.events == ["give back"]


# --- stopping ---


@for_each([(5, OK, ACKED * 2), (5, AWAY, ["give back"] * 2), (0.01, None, ["give back"] * 2)])
async def test_stopping_gives_back_what_is_not_done(grace: float, answer: Reply | None, events: list[str]) -> None:
    """A try that ends meanwhile is not followed by a rest."""
    bench = Bench()
    bench.handler.limiter.clear()
    worker = bench.worker(*(bench.delivered(reply_to=None) for _ in range(5)), clock=QuickClock(pause=1000))
    await until(lambda: bench.handler.running == 2)
    stopping = asyncio.create_task(worker.stop(grace))
    await until(lambda: bench.events)
    assert bench.events == ["give back"] * 3
    if answer is not None:
        bench.handler.replies = [answer] * 2
        bench.handler.limiter.set()
    assert await stopping is (answer is not None)
    assert bench.events[3:] == events


async def test_stopping_wakes_what_rests_between_two_tries_and_what_waits_for_the_gateway(bench: Bench) -> None:
    for settings in ({"clock": QuickClock(pause=1000)}, {"circuit": opened()}):
        bench.events.clear()
        bench.handler.replies = [AWAY]
        worker = bench.worker(bench.delivered(reply_to=None), **settings)
        await asyncio.sleep(0.01)
        assert await worker.stop(grace=5), settings
        assert bench.events == ["give back"], settings


async def test_what_arrives_while_stopping_is_given_back_although_no_reply_could_go_out(bench: Bench) -> None:
    worker = bench.worker()
    await worker.stop(grace=0)
    await settled(worker, bench.delivered())
    bench.publisher.open.clear()
    await settled(worker, bench.delivered())
    assert (bench.runs, bench.events) == (0, ["give back"] * 2)


# --- pressure ---


async def test_who_stands_aside_leaves_the_place_to_others_and_is_given_back_when_stopping(bench: Bench) -> None:
    async def handle(delivery: Delivery) -> Reply:
        if delivery.message.reply_to == "waits":
            async with delivery.release_slot():
                await asyncio.Event().wait()
        return OK

    deliveries = [*(bench.delivered(reply_to="waits") for _ in range(3)), bench.delivered()]
    worker = bench.worker(*deliveries, handler=handle, limit=AimdLimit(1))
    await until(lambda: worker.in_flight == 3)
    assert bench.events == ANSWERED
    assert await worker.stop(grace=30)
    assert bench.events[3:] == ["give back"] * 3


async def test_a_small_limit_holds_back_all_but_what_relieves_the_engine(bench: Bench) -> None:
    limit = AimdLimit(4)
    for _ in range(10):
        limit.record_refusal(limit.round)
    bench.handler.limiter.clear()
    worker = bench.worker(*(bench.delivered() for _ in range(5)), limit=limit)
    await asyncio.sleep(0.01)
    assert bench.handler.running == 1
    for _ in range(5):
        body = orjson.dumps({"operation": "complete-job", "data": {"jobKey": 1 << 51}})
        worker.accept(bench.delivered(body=body))
    await asyncio.sleep(0.01)
    assert bench.handler.running == 1 + 4
    bench.handler.limiter.set()
    await settled(worker)
    assert bench.events.count("ack") == 10


async def test_what_nobody_waits_for_waits_for_the_gateway_without_a_place_and_the_rest_runs(bench: Bench) -> None:
    circuit = opened()
    deliveries = [*(bench.delivered(reply_to=None) for _ in range(3)), bench.delivered()]
    worker = bench.worker(*deliveries, circuit=circuit, limit=AimdLimit(1))
    await asyncio.sleep(0.01)
    assert (bench.runs, bench.events) == (1, ANSWERED)
    circuit.record_success()
    await settled(worker)
    assert bench.events.count("ack") == 4


async def test_what_waited_for_the_gateway_or_for_its_load_for_too_long_goes_back_to_its_queue(bench: Bench) -> None:
    await bench.settle(bench.delivered(reply_to=None), circuit=opened(), clock=QuickClock(timeout_after=0.01))
    assert (bench.runs, bench.events) == (0, ["give back"])
    clock = QuickClock()
    bench.handler.replies = [error(Code.RESOURCE_EXHAUSTED, retryable=True)] * 1000
    await bench.settle(bench.delivered(reply_to=None), clock=clock)
    assert bench.events == ["give back"] * 2
    assert clock.passed >= MAX_WAIT
    assert bench.runs < 100


async def test_users_take_turns_at_the_slots(bench: Bench) -> None:
    served: list[str | None] = []

    async def handler(delivery: Delivery) -> Reply:
        served.append(delivery.message.user_id)
        await asyncio.sleep(0)
        return OK

    users = ["mallory"] * 9 + ["alice"] * 2 + [None]
    deliveries = [FakeDelivery(Message(b"{}", user_id=user, reply_to="replies"), bench.events) for user in users]
    await settled(bench.worker(*deliveries, handler=handler, limit=AimdLimit(1)))
    assert served == ["mallory", "mallory", "alice", None, "mallory", "alice", *["mallory"] * 6]


async def test_who_waits_for_another_run_comes_back_in_turn() -> None:
    delivery = FakeDelivery(Message(b"{}", user_id="ann"))
    delivery.slot = create_autospec(ConcurrencyLimiter, instance=True)
    delivery.slot.release_for_others = Mock(side_effect=lambda _: nullcontext())  # type: ignore[method-assign]
    async with delivery.release_slot():
        pass
    delivery.slot.release_for_others.assert_called_once_with("ann")


class InFile(FakeDelivery):
    """A delivery whose body waits in a file; it was refused unread."""

    async def fetch(self) -> None:
        self.message.body = b"kept"


async def test_the_dead_letter_of_a_body_that_was_refused_unread_has_it(bench: Bench) -> None:
    bench.handler.replies = [error(Code.RESOURCE_EXHAUSTED)]
    delivery = InFile(Message(b"", announced_size=2**20), bench.events)
    delivery.max_body = 2**19
    publish = AsyncMock()
    bench.publisher.dead_letter = publish  # type: ignore[method-assign]
    await bench.settle(delivery)
    assert publish.await_args is not None
    assert publish.await_args.args[0].kept_body == b"kept"


# --- what it waited for ---


async def test_what_a_request_waited_for_is_noted_and_nothing_of_one_that_runs_at_once(
    bench: Bench, waiting_clock: QuickClock
) -> None:
    circuit = opened()
    bench.handler.limiter.clear()
    runs, kept, behind = bench.delivered(), bench.delivered(reply_to=None), bench.delivered()
    worker = bench.worker(runs, kept, behind, limit=AimdLimit(1), circuit=circuit)
    await until(lambda: bench.handler.running)
    await pause()
    waiting_clock.passed += 1
    circuit.record_success()
    await pause()
    waiting_clock.passed += 1
    bench.handler.limiter.set()
    await until(lambda: not worker.in_flight)
    noted = [[wait.reason for wait in each.waits] for each in (runs, kept, behind)]
    assert noted == [[], [Waiting.GATEWAY, Waiting.SLOT], [Waiting.SLOT]]


async def test_an_alarm_of_the_broker_and_a_pause_between_two_tries_are_noted(
    bench: Bench, waiting_clock: QuickClock
) -> None:
    bench.publisher.open.clear()
    bench.handler.replies = [AWAY]
    delivery = bench.delivered(reply_to=None)
    worker = bench.worker(delivery, clock=waiting_clock)
    await pause()
    waiting_clock.passed += 1
    bench.publisher.open.set()
    await until(lambda: not worker.in_flight)
    assert [wait.reason for wait in delivery.waits] == [Waiting.BROKER, Waiting.RETRY]
    assert delivery.waits[0].seconds == 1
