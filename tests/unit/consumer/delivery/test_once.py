"""Do it once: what the ledger knows decides whether a command runs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import orjson
import pytest

from consumer.delivery import unidentified
from consumer.delivery.ledger import Claim, MemoryLedger, State
from consumer.delivery.once import once
from consumer.types import Handler, Incoming, Reply
from zeebe_amqp.errors import Code, CommandError, Error, Outcome, Source


def incoming(operation: str = "create-instance", data: Any = None, **properties: Any) -> Incoming:
    data = {"bpmnProcessId": "p"} if data is None else data
    return Incoming(body=orjson.dumps({"operation": operation, "data": data}), **properties)


def failure(code: Code, source: Source, outcome: Outcome, retryable: bool = False) -> Reply:
    error = Error(code=code, message="", source=source, outcome=outcome, retryable=retryable)
    return Reply("create-instance", error=error)


class Engine:
    """A handler that counts its runs and answers what it is told to."""

    def __init__(self, *replies: Reply) -> None:
        self.runs = 0
        self.replies = list(replies)
        self.gate = asyncio.Event()
        self.gate.set()

    async def __call__(self, _: Incoming) -> Reply:
        self.runs += 1
        number = self.runs
        await self.gate.wait()
        return self.replies.pop(0) if self.replies else Reply("create-instance", {"run": number})


@pytest.fixture
def engine() -> Engine:
    return Engine()


@pytest.fixture
def handler(engine: Engine) -> Handler:
    return once(engine, MemoryLedger(3600, 100))


async def test_the_same_id_is_answered_again_and_not_run_again(engine: Engine, handler: Handler) -> None:
    first = await handler(incoming(message_id="a"))
    second = await handler(incoming(message_id="a"))
    assert (engine.runs, second.data, first.replayed, second.replayed) == (1, {"run": 1}, False, True)


async def test_the_header_request_id_counts_before_the_message_id(engine: Engine, handler: Handler) -> None:
    await handler(incoming(message_id="a", headers={"request-id": "x"}))
    await handler(incoming(message_id="b", headers={"request-id": "x"}))
    assert engine.runs == 1


async def test_the_same_id_with_another_body_is_refused(engine: Engine, handler: Handler) -> None:
    await handler(incoming(message_id="a"))
    with pytest.raises(CommandError) as refusal:
        await handler(incoming(message_id="a", data={"bpmnProcessId": "other"}))
    assert refusal.value.code is Code.ALREADY_EXISTS
    assert refusal.value.source is Source.CONSUMER
    assert engine.runs == 1


async def test_a_user_cannot_claim_or_read_the_ids_of_another(engine: Engine, handler: Handler) -> None:
    await handler(incoming(message_id="a", user_id="ann"))
    reply = await handler(incoming(message_id="a", user_id="ben"))
    assert (engine.runs, reply.replayed) == (2, False)


async def test_while_it_runs_the_same_id_waits_for_that_run(engine: Engine, handler: Handler) -> None:
    engine.gate.clear()
    first = asyncio.create_task(handler(incoming(message_id="a")))
    await asyncio.sleep(0)
    second = asyncio.create_task(handler(incoming(message_id="a")))
    await asyncio.sleep(0)
    with pytest.raises(CommandError):
        await handler(incoming(message_id="a", data={"bpmnProcessId": "other"}))
    engine.gate.set()
    assert (await first).data == (await second).data == {"run": 1}
    assert engine.runs == 1


async def test_who_stops_waiting_does_not_stop_the_run(engine: Engine, handler: Handler) -> None:
    engine.gate.clear()
    first = asyncio.create_task(handler(incoming(message_id="a")))
    await asyncio.sleep(0)
    second = asyncio.create_task(handler(incoming(message_id="a")))
    await asyncio.sleep(0)
    second.cancel()
    engine.gate.set()
    assert (await first).data == {"run": 1}


GATEWAY, CONSUMER = Source.GATEWAY, Source.CONSUMER
NOT, UNKNOWN = Outcome.NOT_EXECUTED, Outcome.UNKNOWN


@pytest.mark.parametrize(
    ("reply", "operation", "runs"),
    [
        (failure(Code.NOT_FOUND, GATEWAY, NOT), "create-instance", 1),
        (failure(Code.UNAVAILABLE, GATEWAY, UNKNOWN), "create-instance", 1),
        (failure(Code.UNAVAILABLE, GATEWAY, UNKNOWN, retryable=True), "cancel-instance", 2),
        (failure(Code.UNAVAILABLE, GATEWAY, NOT, retryable=True), "create-instance", 2),
        (failure(Code.INVALID_ARGUMENT, CONSUMER, NOT), "create-instance", 2),
        (failure(Code.DEADLINE_EXCEEDED, CONSUMER, NOT), "create-instance", 2),
        (failure(Code.UNAUTHENTICATED, GATEWAY, NOT), "create-instance", 2),
    ],
)
async def test_only_final_answers_are_kept(reply: Reply, operation: str, runs: int) -> None:
    engine = Engine(reply)
    handler = once(engine, MemoryLedger(3600, 100))
    data = {"processInstanceKey": 2**51} if operation == "cancel-instance" else None
    for _ in range(2):
        await handler(incoming(operation, data, message_id="a"))
    assert engine.runs == runs


async def test_what_changes_nothing_is_not_recorded(engine: Engine, handler: Handler) -> None:
    for _ in range(2):
        assert not (await handler(incoming("topology", {}, message_id="a"))).replayed
    assert engine.runs == 2


class Forgetful:
    """A ledger that finds every request abandoned by a dead process."""

    def __init__(self) -> None:
        self.finished: list[str] = []

    async def claim(self, identity: str, digest: bytes) -> Claim:
        return Claim(State.ABANDONED)

    async def finish(self, identity: str, reply: Reply) -> None:
        self.finished.append(identity)

    async def release(self, identity: str) -> None:
        raise AssertionError("the run was final")

    async def close(self) -> None:
        return None


async def test_an_abandoned_run_is_reported_not_repeated(engine: Engine) -> None:
    with pytest.raises(CommandError) as report:
        await once(engine, Forgetful())(incoming(message_id="a"))
    assert (report.value.code, report.value.outcome, report.value.retryable) == (Code.ABORTED, UNKNOWN, False)
    assert engine.runs == 0


async def test_an_abandoned_run_is_repeated_when_asked_to(engine: Engine) -> None:
    ledger = Forgetful()
    await once(engine, ledger, run_again=True)(incoming(message_id="a"))
    assert (engine.runs, ledger.finished) == (1, ["0::a"])


async def test_the_second_run_of_an_abandoned_command_says_that_the_first_may_have_done_it() -> None:
    handler = once(Engine(failure(Code.NOT_FOUND, GATEWAY, NOT)), Forgetful())
    reply = await handler(incoming("cancel-instance", {"processInstanceKey": 2**51}, message_id="a"))
    assert reply.error is not None
    assert "may mean" in (reply.error.details or {})["earlierRun"]


class Channel:
    """Whether the channel that delivered is open."""

    def __init__(self) -> None:
        self.open = True

    def deliver(self, **properties: Any) -> Incoming:
        message = incoming(**properties)
        message.alive = lambda: self.open
        return message


async def test_without_id_a_redelivery_after_a_lost_connection_does_not_run_again(
    engine: Engine, handler: Handler
) -> None:
    channel = Channel()
    await handler(channel.deliver())
    channel.open = False
    reply = await handler(Channel().deliver(redelivered=True))
    assert (engine.runs, reply.replayed) == (1, True)


async def test_without_id_each_run_answers_one_redelivery(engine: Engine, handler: Handler) -> None:
    channel = Channel()
    await handler(channel.deliver())
    channel.open = False
    for _ in range(2):
        await handler(Channel().deliver(redelivered=True))
    assert engine.runs == 2


async def test_without_id_the_answer_of_a_redelivery_can_be_redelivered(engine: Engine, handler: Handler) -> None:
    for _ in range(3):
        channel = Channel()
        await handler(channel.deliver(redelivered=True))
        channel.open = False
    assert engine.runs == 1


@pytest.mark.parametrize(
    "second",
    [
        {"redelivered": False},
        {"redelivered": True, "correlation_id": "other"},
        {"redelivered": True, "reply_to": "other"},
        {"redelivered": True, "type": "other"},
        {"redelivered": True, "user_id": "other"},
        {"redelivered": True, "data": {"bpmnProcessId": "other"}},
    ],
)
async def test_without_id_whatever_differs_runs(engine: Engine, handler: Handler, second: dict[str, Any]) -> None:
    channel = Channel()
    await handler(channel.deliver())
    channel.open = False
    await handler(Channel().deliver(**second))
    assert engine.runs == 2


async def test_without_id_a_message_that_is_merely_alike_is_not_lost(engine: Engine, handler: Handler) -> None:
    """The first one's channel is open, so the broker cannot be delivering it again."""
    await handler(Channel().deliver())
    await handler(Channel().deliver(redelivered=True))
    assert engine.runs == 2


async def test_without_id_and_correlation_an_acknowledged_run_answers_nothing(engine: Engine, handler: Handler) -> None:
    channel = Channel()
    message = channel.deliver()
    await handler(message)
    message.acknowledged()
    channel.open = False
    await handler(Channel().deliver(redelivered=True))
    assert engine.runs == 2


async def test_with_a_correlation_id_an_ack_that_got_lost_doubles_nothing(engine: Engine, handler: Handler) -> None:
    channel = Channel()
    message = channel.deliver(correlation_id="c")
    await handler(message)
    message.acknowledged()
    channel.open = False
    await handler(Channel().deliver(correlation_id="c", redelivered=True))
    assert engine.runs == 1


async def test_the_runs_remembered_are_bounded(
    engine: Engine, handler: Handler, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unidentified, "MOST", 2)
    channel = Channel()
    for name in "abc":
        await handler(channel.deliver(correlation_id=name))
    channel.open = False
    for name in "cba":
        await handler(Channel().deliver(correlation_id=name, redelivered=True))
    assert engine.runs == 4


async def test_a_cancelled_run_is_not_remembered_as_done(engine: Engine, handler: Handler) -> None:
    engine.gate.clear()
    run = asyncio.create_task(handler(incoming(message_id="a")))
    unidentified_run = asyncio.create_task(handler(incoming()))
    await asyncio.sleep(0)
    for task in (run, unidentified_run):
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


def ledger_with_clock(ttl: float = 10, most: int = 2) -> tuple[MemoryLedger, Callable[[float], None]]:
    now = [0.0]

    def advance(seconds: float) -> None:
        now[0] += seconds

    return MemoryLedger(ttl, most, clock=lambda: now[0]), advance


async def test_entries_expire() -> None:
    ledger, advance = ledger_with_clock()
    await ledger.claim("a", b"1")
    await ledger.finish("a", Reply("x"))
    advance(9.9)
    assert (await ledger.claim("a", b"1")).state is State.DONE
    advance(0.1)
    assert (await ledger.claim("a", b"1")).state is State.NEW


async def test_the_oldest_finished_entries_go_first() -> None:
    ledger, _ = ledger_with_clock()
    for name in "abc":
        await ledger.claim(name, b"1")
        await ledger.finish(name, Reply("x"))
    assert len(ledger) == 2
    assert [(await ledger.claim(name, b"1")).state for name in "bc"] == [State.DONE, State.DONE]
    assert (await ledger.claim("a", b"1")).state is State.NEW


async def test_a_running_entry_of_nobody_is_abandoned_and_of_another_request_taken() -> None:
    ledger, _ = ledger_with_clock()
    await ledger.claim("a", b"1")
    assert (await ledger.claim("a", b"1")).state is State.ABANDONED
    assert (await ledger.claim("a", b"2")).state is State.TAKEN
    await ledger.close()


async def test_a_finished_entry_belongs_to_its_request() -> None:
    ledger, _ = ledger_with_clock()
    await ledger.claim("a", b"1")
    await ledger.finish("a", Reply("x"))
    assert (await ledger.claim("a", b"2")).state is State.TAKEN
    await ledger.release("a")
