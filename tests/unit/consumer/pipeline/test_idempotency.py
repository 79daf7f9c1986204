"""Do it once: what the ledger knows decides whether a command runs."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import orjson
import pytest

from consumer.core.delivery import Delivery, Handler
from consumer.core.limiter import AimdLimit, ConcurrencyLimiter
from consumer.core.message import Reply
from consumer.core.requeue import Requeue
from consumer.ledger import Claim, Ledger, LedgerError, State
from consumer.pipeline.idempotency import idempotent
from consumer.pipeline.redelivery import RedeliveryMatcher
from tests.cases import for_each
from tests.unit.consumer import deliveries
from tests.unit.consumer.deliveries import FakeDelivery, MemoryLedger, QuickClock
from tests.unit.consumer.errors import failed
from zeebe_amqp.errors import Code, CommandError, Outcome, Source


def incoming(operation: str = "create-instance", data: Any = None, **properties: Any) -> FakeDelivery:
    return deliveries.delivery(operation, {"bpmnProcessId": "p"} if data is None else data, **properties)


def once(handler: Handler, ledger: Ledger, **options: Any) -> Handler:
    """The handler, each request once."""
    return idempotent(ledger, RedeliveryMatcher(), **{"clock": QuickClock(pause=0.001), **options})(handler)


def failure(*given: Any, **more: Any) -> Reply:
    return Reply("create-instance", error=failed(*given, **more))


class Engine:
    """A handler that counts its runs and answers what it is told to."""

    def __init__(self, *replies: Reply) -> None:
        self.runs = 0
        self.replies = list(replies)
        self.limiter = asyncio.Event()
        self.limiter.set()

    async def __call__(self, _: Delivery) -> Reply:
        self.runs += 1
        number = self.runs
        await self.limiter.wait()
        return self.replies.pop(0) if self.replies else Reply("create-instance", {"run": number})


@pytest.fixture
def engine() -> Engine:
    return Engine()


@pytest.fixture
def handler(engine: Engine) -> Handler:
    return idempotent(MemoryLedger(), RedeliveryMatcher())(engine)


async def start(handler: Handler, delivery: FakeDelivery) -> asyncio.Task[Reply]:
    """A run that has come to its first wait."""
    task = asyncio.ensure_future(handler(delivery))
    await asyncio.sleep(0)
    return task  # type: ignore[return-value]


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
    engine.limiter.clear()
    first = await start(handler, incoming(message_id="a", reply_to="replies"))
    second = await start(handler, incoming(message_id="a", reply_to="replies"))
    with pytest.raises(CommandError):
        await handler(incoming(message_id="a", data={"bpmnProcessId": "other"}))
    engine.limiter.set()
    assert (await first).data == (await second).data == {"run": 1}
    assert engine.runs == 1


async def test_who_stops_waiting_does_not_stop_the_run(engine: Engine, handler: Handler) -> None:
    engine.limiter.clear()
    first = await start(handler, incoming(message_id="a"))
    second = await start(handler, incoming(message_id="a"))
    second.cancel()
    engine.limiter.set()
    assert (await first).data == {"run": 1}


GATEWAY, CONSUMER = Source.GATEWAY, Source.CONSUMER
NOT, UNKNOWN = Outcome.NOT_EXECUTED, Outcome.UNKNOWN


@for_each(
    [
        (failure(Code.NOT_FOUND, GATEWAY, NOT), "replies", "create-instance", 1),
        (failure(Code.UNAVAILABLE, GATEWAY, UNKNOWN), "replies", "create-instance", 1),
        (failure(Code.UNAVAILABLE, GATEWAY, UNKNOWN, retryable=True), "replies", "cancel-instance", 2),
        (failure(Code.UNAVAILABLE, GATEWAY, NOT, retryable=True), "replies", "create-instance", 2),
        (failure(Code.INVALID_ARGUMENT, CONSUMER, NOT), "replies", "create-instance", 2),
        (failure(Code.DEADLINE_EXCEEDED, CONSUMER, NOT), "replies", "create-instance", 2),
        (failure(Code.UNAUTHENTICATED, GATEWAY, NOT), "replies", "create-instance", 2),
        # A rejection that nobody was told runs again when its dead letter is replayed.
        (Reply("create-instance", {}), None, "create-instance", 1),
        (failure(Code.UNAVAILABLE, GATEWAY, UNKNOWN), None, "create-instance", 1),
        (failure(Code.NOT_FOUND, GATEWAY, NOT), None, "create-instance", 2),
    ]
)
async def test_only_final_answers_that_somebody_was_told_are_kept(
    reply: Reply, reply_to: str | None, operation: str, runs: int
) -> None:
    engine = Engine(reply)
    handler = once(engine, MemoryLedger())
    data = {"processInstanceKey": 2**51} if operation == "cancel-instance" else None
    for _ in range(2):
        await handler(incoming(operation, data, message_id="a", reply_to=reply_to))
    assert engine.runs == runs


async def test_a_replayed_dead_letter_runs_again_and_each_replay_once(engine: Engine, handler: Handler) -> None:
    for replays in (0, 1, 1, 2, "2", True):
        await handler(incoming(message_id="a", reply_to="replies", headers={"replays": replays}))
    assert engine.runs == 3


async def test_what_changes_nothing_is_not_recorded(engine: Engine, handler: Handler) -> None:
    for _ in range(2):
        assert not (await handler(incoming("topology", {}, message_id="a"))).replayed
    assert engine.runs == 2


class ScriptedLedger(MemoryLedger):
    """A ledger whose first claims find what a test says, and the later ones what any ledger would."""

    def __init__(self, *found: Claim | LedgerError) -> None:
        super().__init__()
        self.found = list(found)
        self.finished: list[str] = []

    async def claim(self, identity: str, digest: bytes, *, rerun: bool = True) -> Claim:
        await asyncio.sleep(0)  # as whatever is not memory would
        if not self.found:
            return await super().claim(identity, digest, rerun=rerun)
        found = self.found.pop(0)
        if isinstance(found, LedgerError):
            raise found
        if found.state is State.ORPHANED and rerun:
            await super().claim(identity, digest)
        return found

    async def finish(self, identity: str, reply: Reply, queue: str = "") -> None:
        self.finished.append(identity)
        await super().finish(identity, reply, queue)


def orphaned() -> ScriptedLedger:
    return ScriptedLedger(Claim(State.ORPHANED))


async def test_an_abandoned_run_is_reported_and_repeated_only_when_asked_to(engine: Engine) -> None:
    with pytest.raises(CommandError) as report:
        await once(engine, orphaned())(incoming(message_id="a"))
    assert (report.value.code, report.value.outcome, report.value.retryable) == (Code.ABORTED, UNKNOWN, False)
    assert engine.runs == 0
    ledger = orphaned()
    await once(engine, ledger, run_again=True)(incoming(message_id="a"))
    assert (engine.runs, ledger.finished) == (1, ["0::a"])


async def test_the_second_run_of_an_abandoned_command_says_that_the_first_may_have_done_it() -> None:
    handler = once(Engine(failure(Code.NOT_FOUND, GATEWAY, NOT)), orphaned())
    reply, replay = [
        await handler(incoming("cancel-instance", {"processInstanceKey": 2**51}, message_id="a", reply_to="replies"))
        for _ in range(2)
    ]
    assert reply.error is not None
    assert "may mean" in (reply.error.details or {})["earlierRun"]
    assert (replay.encode(), replay.replayed) == (reply.encode(), True)


async def test_a_replay_is_the_first_answer_byte_for_byte(engine: Engine) -> None:
    engine.replies = [Reply("create-instance", {"raw": orjson.Fragment(b'{ "b" : 1.0 }'), "key": 2**62})]
    handler = once(engine, MemoryLedger())
    first, second = [await handler(incoming(message_id="a")) for _ in range(2)]
    assert (
        first.encode()
        == second.encode()
        == b'{"operation":"create-instance","data":{"raw":{ "b" : 1.0 },"key":%d}}' % 2**62
    )


async def test_an_answer_that_was_not_kept_says_that_it_was_executed(engine: Engine) -> None:
    with pytest.raises(CommandError) as report:
        await once(engine, ScriptedLedger(Claim(State.DONE)))(incoming(message_id="a"))
    assert (report.value.code, report.value.source, report.value.outcome) == (Code.ABORTED, CONSUMER, UNKNOWN)
    assert (report.value.details, report.value.retryable, engine.runs) == ({"executed": True}, False, 0)


class Slot(ConcurrencyLimiter):
    """Counts who has released it, now and ever."""

    def __init__(self) -> None:
        super().__init__(AimdLimit(9))
        self.now = self.ever = 0

    @asynccontextmanager
    async def release_for_others(self) -> AsyncIterator[None]:
        self.now += 1
        self.ever += 1
        yield
        self.now -= 1

    def held_by(self, delivery: FakeDelivery) -> FakeDelivery:
        delivery.slot = self
        return delivery


async def test_while_another_process_runs_it_its_answer_is_waited_for_without_a_slot(engine: Engine) -> None:
    slot = Slot()
    ledger = ScriptedLedger(*[Claim(State.RUNNING)] * 3, Claim(State.DONE, Reply("create-instance", {"run": "there"})))
    reply = await once(engine, ledger)(slot.held_by(incoming(message_id="a")))
    assert (reply.data, reply.replayed, engine.runs) == ({"run": "there"}, True, 0)
    assert (slot.now, slot.ever) == (0, 3), "it has one again for each of its looks"


async def test_who_waits_for_a_run_of_this_process_releases_its_slot(engine: Engine, handler: Handler) -> None:
    engine.limiter.clear()
    slot = Slot()
    first = await start(handler, slot.held_by(incoming(message_id="a")))
    second = asyncio.create_task(handler(slot.held_by(incoming(message_id="a", reply_to="replies"))))
    await asyncio.sleep(0.01)
    assert (slot.now, slot.ever) == (1, 1)
    engine.limiter.set()
    assert [reply.replayed for reply in await asyncio.gather(first, second)] == [False, True]
    assert slot.now == 0


@for_each([{}, {"deadline": 1}, {"deadline": 2**45}])
async def test_after_a_while_it_is_given_back(headers: dict[str, Any], engine: Engine) -> None:
    ledger = ScriptedLedger(*[Claim(State.RUNNING)] * 1000)
    with pytest.raises(Requeue, match="'a': another process is running it"):
        await once(engine, ledger)(incoming(message_id="a", headers=headers))
    assert engine.runs == 0


async def test_what_cannot_be_recorded_waits_and_then_runs(engine: Engine) -> None:
    reply = await once(engine, ScriptedLedger(LedgerError("full"), LedgerError("full")))(incoming(message_id="a"))
    assert (reply.ok, engine.runs) == (True, 1)


class PassingClock(QuickClock):
    """A clock that goes on while something waits for its limit."""

    def timeout(self, seconds: float) -> AbstractAsyncContextManager[object]:
        self.passed += seconds
        return super().timeout(seconds)


async def test_what_cannot_be_recorded_is_given_back_and_so_is_who_waits_for_it(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = ScriptedLedger(*[LedgerError("the disk is full")] * 2)
    never = asyncio.Event()
    monkeypatch.setattr(ledger, "ready", never.wait)
    handler = once(engine, ledger, clock=PassingClock(patience=0.05))
    ends = await asyncio.gather(
        *(handler(incoming(message_id="a", reply_to="replies")) for _ in range(3)), return_exceptions=True
    )
    assert [str(end) for end in ends if isinstance(end, Requeue)] == ["request-id 'a': the disk is full"] * 3
    assert engine.runs == 0


async def test_who_waits_for_a_refused_request_gets_the_same_refusal(engine: Engine) -> None:
    handler = once(engine, ScriptedLedger(Claim(State.CONFLICT)))
    ends = await asyncio.gather(
        *(handler(incoming(message_id="a", reply_to="replies")) for _ in range(2)), return_exceptions=True
    )
    assert [end.code for end in ends if isinstance(end, CommandError)] == [Code.ALREADY_EXISTS] * 2


class Channel:
    """A channel that delivers, until it is closed."""

    def __init__(self) -> None:
        self.delivered: list[FakeDelivery] = []

    def deliver(self, **properties: Any) -> FakeDelivery:
        self.delivered.append(incoming(**properties))
        return self.delivered[-1]

    def close(self) -> None:
        for delivery in self.delivered:
            delivery.open = False


async def test_without_id_a_redelivery_after_a_lost_connection_does_not_run_again_but_a_second_one_does(
    engine: Engine, handler: Handler
) -> None:
    channel = Channel()
    await handler(channel.deliver())
    channel.close()
    for runs, replayed in ((1, True), (2, False)):
        reply = await handler(Channel().deliver(redelivered=True))
        assert (engine.runs, reply.replayed) == (runs, replayed)


async def test_without_id_the_answer_of_a_redelivery_can_be_redelivered(engine: Engine, handler: Handler) -> None:
    for _ in range(3):
        channel = Channel()
        await handler(channel.deliver(redelivered=True))
        channel.close()
    assert engine.runs == 1


@for_each(
    [
        {"redelivered": False},
        {"redelivered": True, "correlation_id": "other"},
        {"redelivered": True, "reply_to": "other"},
        {"redelivered": True, "type": "other"},
        {"redelivered": True, "user_id": "other"},
        {"redelivered": True, "data": {"bpmnProcessId": "other"}},
    ]
)
async def test_without_id_whatever_differs_runs(second: dict[str, Any]) -> None:
    engine, channel = Engine(), Channel()
    handler = once(engine, MemoryLedger())
    await handler(channel.deliver())
    channel.close()
    await handler(Channel().deliver(**second))
    assert engine.runs == 2


async def test_without_id_a_message_that_is_merely_alike_is_not_lost(engine: Engine, handler: Handler) -> None:
    """The first one's channel is open, so the broker cannot be delivering it again."""
    await handler(Channel().deliver())
    await handler(Channel().deliver(redelivered=True))
    assert engine.runs == 2


async def test_an_acknowledged_run_answers_a_redelivery_only_with_a_correlation_id() -> None:
    """An ack that got lost doubles nothing then."""
    for correlation_id, runs in ((None, 2), ("c", 1)):
        engine, matcher, channel = Engine(), RedeliveryMatcher(), Channel()
        handler = idempotent(MemoryLedger(), matcher)(engine)
        message = channel.deliver(correlation_id=correlation_id)
        await handler(message)
        matcher.record_ack(message)
        channel.close()
        await handler(Channel().deliver(correlation_id=correlation_id, redelivered=True))
        assert engine.runs == runs, correlation_id


async def test_without_id_a_redelivery_waits_without_a_slot_and_stopping_waits_for_it(
    engine: Engine, handler: Handler
) -> None:
    """Its answer is nowhere else: given back, another process would run it again."""
    engine.limiter.clear()
    channel, slot = Channel(), Slot()
    first = await start(handler, channel.deliver())
    channel.close()
    again = slot.held_by(incoming(redelivered=True))
    second = asyncio.ensure_future(handler(again))  # type: ignore[arg-type]
    await asyncio.sleep(0.01)
    assert (slot.now, again.idle) == (1, False)
    engine.limiter.set()
    assert [reply.replayed for reply in await asyncio.gather(first, second)] == [False, True]
    assert (slot.now, engine.runs) == (0, 1)


async def test_a_run_that_is_out_is_not_forgotten_for_those_that_were_acknowledged(engine: Engine) -> None:
    matcher = RedeliveryMatcher(max_runs=10)
    handler = idempotent(MemoryLedger(), matcher)(engine)
    channel = Channel()
    await handler(channel.deliver(correlation_id="long"))
    for number in range(30):
        delivery = channel.deliver(correlation_id=f"{number}")
        await handler(delivery)
        matcher.record_ack(delivery)
    channel.close()
    await handler(Channel().deliver(correlation_id="long", redelivered=True))
    assert engine.runs == 31


async def test_of_what_was_acknowledged_no_body_is_kept_and_after_a_minute_nothing(engine: Engine) -> None:
    clock = QuickClock()
    matcher = RedeliveryMatcher(clock=clock)
    handler = idempotent(MemoryLedger(), matcher)(engine)
    delivery = Channel().deliver(correlation_id="c")
    await handler(delivery)
    matcher.record_ack(delivery)
    kept = weakref.ref(delivery)
    del delivery
    gc.collect()
    assert kept() is None
    clock.passed += 61
    last = Channel().deliver(correlation_id="d")
    await handler(last)
    matcher.record_ack(last)
    assert (len(matcher._acknowledged), len(matcher._by_digest)) == (1, 1)


async def test_the_runs_remembered_are_bounded(engine: Engine) -> None:
    handler = idempotent(MemoryLedger(), RedeliveryMatcher(max_runs=2))(engine)
    channel = Channel()
    for name in "abc":
        await handler(channel.deliver(correlation_id=name))
    channel.close()
    for name in "cba":
        await handler(Channel().deliver(correlation_id=name, redelivered=True))
    assert engine.runs == 4


async def test_a_cancelled_run_is_not_remembered_as_done(engine: Engine, handler: Handler) -> None:
    engine.limiter.clear()
    run = asyncio.create_task(handler(incoming(message_id="a")))
    unidentified_run = await start(handler, incoming())
    for task in (run, unidentified_run):
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


def waiting(handler: Handler, number: int, **properties: Any) -> list[asyncio.Task[Reply]]:
    """So many deliveries of one request."""
    return [
        asyncio.ensure_future(handler(incoming(message_id="a", **properties)))  # type: ignore[arg-type]
        for _ in range(number)
    ]


async def test_from_the_fifth_waiter_for_one_id_on_the_answer_comes_at_once(engine: Engine, handler: Handler) -> None:
    engine.limiter.clear()
    tasks = waiting(handler, 130, reply_to="replies")
    await asyncio.sleep(0.01)
    crowded = [task.exception() for task in tasks if task.done()]
    assert len(crowded) == 130 - 1 - 4
    for error in crowded:
        assert isinstance(error, CommandError)
        assert (error.code, error.outcome, error.retryable) == (Code.RESOURCE_EXHAUSTED, NOT, True)
        assert "zeebe.polls" in error.message
    engine.limiter.set()
    replies = await asyncio.gather(*(task for task in tasks if not task.done()))
    assert [reply.data for reply in replies] == [{"run": 1}] * 5
    assert engine.runs == 1


async def test_a_duplicate_that_nobody_waits_for_is_done_with_its_original_and_settles_nothing(
    engine: Engine, handler: Handler
) -> None:
    engine.replies = [failure(Code.NOT_FOUND, GATEWAY, NOT)]
    engine.limiter.clear()
    tasks = waiting(handler, 130)
    await asyncio.sleep(0.01)
    assert sum(task.done() for task in tasks) == 129
    engine.limiter.set()
    original, *others = await asyncio.gather(*tasks)
    assert original.error is not None
    assert [(reply.error, reply.replayed) for reply in others] == [(None, True)] * 129
    assert engine.runs == 1


async def test_of_duplicates_that_nobody_waits_for_one_keeps_the_request_when_the_original_was_answered(
    engine: Engine, handler: Handler
) -> None:
    """The original's caller is told that it did not run; who sent it without `reply_to` relies on its being kept."""
    engine.replies = [failure(Code.UNAVAILABLE, CONSUMER, NOT, retryable=True)]
    engine.limiter.clear()
    [original] = waiting(handler, 1, reply_to="replies")
    await asyncio.sleep(0)
    keeper, *others = waiting(handler, 20)
    await asyncio.sleep(0.01)
    assert not keeper.done()
    assert [task.result().error for task in others] == [None] * 19
    engine.limiter.set()
    assert (await original).error is not None
    assert (await keeper).error is not None
    assert engine.runs == 1


async def test_deliveries_of_a_lost_channel_do_not_count_as_waiting(engine: Engine, handler: Handler) -> None:
    engine.limiter.clear()
    channel = Channel()

    def deliver(number: int) -> list[asyncio.Future[Reply]]:
        return [
            asyncio.ensure_future(handler(channel.deliver(message_id="a", reply_to="replies"))) for _ in range(number)
        ]

    before = deliver(5)
    await asyncio.sleep(0.01)
    channel.close()
    channel = Channel()
    after = deliver(5)
    await asyncio.sleep(0.01)
    assert not any(task.done() for task in after)
    [refused] = deliver(1)
    await asyncio.sleep(0.01)
    assert isinstance(refused.exception(), CommandError)
    engine.limiter.set()
    assert {reply.data["run"] for reply in await asyncio.gather(*before, *after)} == {1}


async def test_when_the_channel_of_the_original_is_lost_its_redelivery_settles_the_request(
    engine: Engine, handler: Handler
) -> None:
    """It is the one that becomes a dead letter: nobody else would."""
    engine.replies = [failure(Code.NOT_FOUND, GATEWAY, NOT)]
    engine.limiter.clear()
    first = incoming(message_id="a")
    running = await start(handler, first)
    first.open = False
    redelivered, copy = waiting(handler, 2)
    await asyncio.sleep(0)
    engine.limiter.set()
    await running
    assert (await redelivered).error is not None
    assert (await copy).error is None
