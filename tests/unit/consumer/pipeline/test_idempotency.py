"""Do it once: what the ledger knows decides whether a command runs."""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager
from typing import Any
from unittest.mock import ANY, call

import orjson
import pytest

from consumer.core.limiter import AimdLimit, ConcurrencyLimiter
from consumer.core.message import Reply
from consumer.core.requeue import Requeue
from consumer.ledger import Claim, Ledger, LedgerError, Limits, MemoryStore, State, identify
from tests.cases import for_each
from tests.unit.consumer.deliveries import FakeDelivery, QuickClock
from tests.unit.consumer.errors import verdict
from tests.unit.consumer.pipeline.repetitions import Once, failure, incoming, ledger_of, waited_for
from zeebe_amqp.errors import Code, CommandError, Outcome, Source

GATEWAY, CONSUMER = Source.GATEWAY, Source.CONSUMER
NOT, UNKNOWN = Outcome.NOT_EXECUTED, Outcome.UNKNOWN


@pytest.fixture
def once() -> Once:
    return Once()


async def test_the_same_id_is_answered_again_byte_for_byte_and_not_run_again() -> None:
    once = Once(Reply("create-instance", {"raw": orjson.Fragment(b'{ "b" : 1.0 }'), "key": 2**62}))
    first, second = [await once.handle(incoming(message_id="a")) for _ in range(2)]
    assert (once.runs, first.replayed, second.replayed) == (1, False, True)
    body = b'{"operation":"create-instance","data":{"raw":{ "b" : 1.0 },"key":%d}}' % 2**62
    assert first.encode() == second.encode() == body


@for_each([
    ([{"message_id": "a", "headers": {"request-id": "x"}}, {"message_id": "b", "headers": {"request-id": "x"}}], 1),
    ([{"message_id": "a", "user_id": "ann"}, {"message_id": "a", "user_id": "ben"}], 2),
    # A dead letter that is replayed runs again, once for each replay; what is no number is none.
    ([{"message_id": "a", "headers": {"replays": count}} for count in (0, 1, 1, 2, "2", True)], 3),
    ([{"operation": "topology", "message_id": "a"}] * 2, 2),  # it changes nothing
])  # fmt: skip
async def test_what_changes_anything_is_known_by_id_user_and_replays(sent: list[dict[str, Any]], runs: int) -> None:
    once = Once()
    for properties in sent:
        await once.handle(incoming(reply_to="replies", **properties))
    assert once.runs == runs


async def test_an_id_belongs_to_its_content_and_who_sends_it_again_waits_for_the_run(once: Once) -> None:
    once.limiter.clear()
    runs = await once.begin(waited_for(), waited_for())
    for _ in ("while it runs", "after it"):
        with pytest.raises(CommandError) as refusal:
            await once.handle(waited_for(data={"bpmnProcessId": "other"}))
        assert verdict(refusal.value) == (Code.ALREADY_EXISTS, CONSUMER, NOT, False)
        assert refusal.value.details == {"field": "request-id"}
        once.limiter.set()
        assert [reply.replayed for reply in await asyncio.gather(*runs)] == [False, True]
    assert (once.runs, once.count.mock_calls) == (1, [call("refused", reason="conflict")] * 2)


@for_each([
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
])  # fmt: skip
async def test_only_told_final_answers_are_kept(reply: Reply, reply_to: str | None, operation: str, runs: int) -> None:
    once = Once(reply)
    first, _ = [await once.handle(incoming(operation, message_id="a", reply_to=reply_to)) for _ in range(2)]
    assert (first.error, once.runs) == (reply.error, runs)


async def test_who_is_cancelled_stops_nobody_else(once: Once) -> None:
    once.limiter.clear()
    run, waiting, unidentified = await once.begin(waited_for(), waited_for(), incoming())
    for each in (waiting, unidentified):
        each.cancel()
    await asyncio.wait([waiting, unidentified])
    once.limiter.set()
    assert (await run).ok


# --- what the ledger finds ---


@for_each([("create-instance", {}, 0), ("create-instance", {"run_again": True}, 1), ("cancel-instance", {}, 1)])
async def test_an_abandoned_run_is_reported_or_repeated(operation: str, options: dict[str, bool], runs: int) -> None:
    ledger = ledger_of(Claim(State.ORPHANED))
    once = Once(ledger=ledger, **options)
    [run] = await once.begin(incoming(operation, message_id="a"))
    ledger.claim.assert_awaited_once_with(identify(None, "a"), ANY, rerun=bool(runs))
    error = run.exception()
    assert (once.runs, ledger.finish.await_count, error is None) == (runs, runs, bool(runs))
    if isinstance(error, CommandError):
        assert verdict(error) == (Code.ABORTED, CONSUMER, UNKNOWN, False)


@for_each([(Code.NOT_FOUND, None), (Code.ALREADY_EXISTS, {"more": 1}), (Code.FAILED_PRECONDITION, {})])
async def test_the_second_run_says_that_the_first_may_have_done_it(code: Code, details: dict[str, int] | None) -> None:
    ledger = ledger_of(Claim(State.ORPHANED))
    once = Once(failure(code, details=details), ledger=ledger)
    reply = await once.handle(incoming("cancel-instance", message_id="a", reply_to="replies"))
    ledger.finish.assert_awaited_once_with(identify(None, "a"), reply, "replies")
    assert reply.error is not None
    assert reply.error.details is not None
    assert "may mean" in reply.error.details.pop("earlierRun")
    assert reply.error.details == (details or {})


async def test_an_answer_that_was_not_kept_says_that_it_was_executed() -> None:
    once = Once(ledger=ledger_of(Claim(State.DONE)))
    with pytest.raises(CommandError) as report:
        await once.handle(incoming(message_id="a"))
    assert verdict(report.value) == (Code.ABORTED, CONSUMER, UNKNOWN, False)
    assert (report.value.details, once.runs) == ({"executed": True}, 0)


@for_each([(NOT, {"executed": False}, "and not executed"), (UNKNOWN, None, "may have been executed")])
async def test_an_error_that_was_not_kept_is_not_called_a_success(
    outcome: Outcome, details: dict[str, bool] | None, words: str
) -> None:
    once = Once(ledger=ledger_of(Claim(State.DONE, None, outcome)))
    with pytest.raises(CommandError, match=words) as report:
        await once.handle(incoming(message_id="a"))
    assert verdict(report.value) == (Code.ABORTED, CONSUMER, outcome, False)
    assert (report.value.details, once.runs) == (details, 0)


@for_each([False, True])
async def test_strangers_large_answers_do_not_make_an_answered_request_run_again(limited: bool) -> None:
    """100 of them, in a ledger with room for 64; also when the answer's own body has to go."""
    ledger = Ledger(
        MemoryStore(),
        Limits(3600, max_bytes=64 * 1000),
        allowance=lambda user: 0 if user == "alice" and limited else None,
    )
    once = Once(ledger=ledger)
    hers: dict[str, Any] = {"message_id": "a", "user_id": "alice", "reply_to": "replies"}
    first = await once.handle(incoming(**hers))
    large = Reply("create-instance", {"text": "x" * 1000})
    for number in range(100):
        identity = identify("mallory", f"{number}")
        await ledger.claim(identity, b"d")
        await ledger.finish(identity, large)
    runs = once.runs
    if limited:
        with pytest.raises(CommandError) as report:
            await once.handle(incoming(**hers))
        assert (report.value.code, report.value.details) == (Code.ABORTED, {"executed": True})
    else:
        again = await once.handle(incoming(**hers))
        assert (again.replayed, again.encode()) == (True, first.encode())
    assert once.runs == runs == 1
    assert ledger.evicted.bodies >= 100 - 64


@for_each([("conflict", State.CONFLICT), ("interrupted", State.ORPHANED), ("not kept", State.DONE)])
async def test_what_is_refused_because_of_its_id_is_counted_with_the_reason(reason: str, found: State) -> None:
    once = Once(ledger=ledger_of(Claim(found)))
    with pytest.raises(CommandError):
        await once.handle(waited_for())
    once.count.assert_called_once_with("refused", reason=reason)


@for_each([({}, 60), ({"deadline": 1}, 5), ({"deadline": 2**45}, 60)])
async def test_what_another_process_runs_is_given_back_after_a_while(headers: dict[str, Any], seconds: int) -> None:
    clock = QuickClock(pause=0.001)
    once = Once(ledger=ledger_of(*[Claim(State.RUNNING)] * 1000), clock=clock)
    with pytest.raises(Requeue, match="'a': another process is running it"):
        await once.handle(incoming(message_id="a", headers=headers))
    assert (once.runs, round(clock.passed)) == (0, seconds)


async def test_what_cannot_be_recorded_waits_and_then_runs() -> None:
    once = Once(ledger=ledger_of(LedgerError("full"), LedgerError("full"), Claim(State.NEW)))
    assert (await once.handle(incoming(message_id="a"))).ok
    assert once.runs == 1


class PassingClock(QuickClock):
    """A clock that goes on while something waits for its limit."""

    def timeout(self, seconds: float) -> AbstractAsyncContextManager[object]:
        self.passed += seconds
        return super().timeout(seconds)


@for_each([
    ([LedgerError("the disk is full")] * 2, Requeue, "request-id 'a': the disk is full"),
    ([Claim(State.RUNNING), Claim(State.CONFLICT)], CommandError, "was used by another request"),
])  # fmt: skip
async def test_who_waits_is_told_the_same(found: list[Claim | LedgerError], kind: type[Exception], words: str) -> None:
    ledger = ledger_of(*found)
    ledger.ready.side_effect = asyncio.Event().wait
    once = Once(ledger=ledger, clock=PassingClock(timeout_after=0.05))
    ends = await asyncio.gather(*(once.handle(waited_for()) for _ in range(3)), return_exceptions=True)
    assert [(type(end), words in str(end)) for end in ends] == [(kind, True)] * 3
    assert once.runs == 0


# --- waiting ---


def in_slot(delivery: FakeDelivery) -> tuple[FakeDelivery, ConcurrencyLimiter]:
    """A delivery that holds the only slot."""
    delivery.slot = ConcurrencyLimiter(AimdLimit(1))
    assert delivery.slot.try_acquire()
    return delivery, delivery.slot


async def test_while_another_process_runs_it_its_answer_is_waited_for_without_a_slot() -> None:
    """It has a slot again for each of its looks."""
    delivery, slot = in_slot(incoming(message_id="a"))
    found = [*[Claim(State.RUNNING)] * 3, Claim(State.DONE, Reply("create-instance", {"run": "there"}))]
    held: list[bool] = []

    async def claim(*_: object, **__: object) -> Claim:
        held.append(not slot.try_acquire())
        return found.pop(0)

    ledger = ledger_of()
    ledger.claim = claim
    once = Once(ledger=ledger)
    run = asyncio.ensure_future(once.handle(delivery))
    await slot.acquire()
    slot.release()
    reply = await run
    assert (reply.data, reply.replayed, once.runs) == ({"run": "there"}, True, 0)
    assert (held, slot.try_acquire()) == ([True] * 4, False)


@for_each([({"message_id": "a", "reply_to": "replies"}, True), ({"redelivered": True}, False)])
async def test_who_waits_for_a_run_of_this_process_releases_its_slot(properties: dict[str, Any], idle: bool) -> None:
    """Stopping waits for a redelivery without an id: given back, another process would run it again."""
    once = Once()
    once.limiter.clear()
    first, (second, slot) = incoming(**{**properties, "redelivered": False}), in_slot(incoming(**properties))
    [run] = await once.begin(first)
    first.open = False
    [again] = await once.begin(second)
    await slot.acquire()
    assert second.idle is idle
    slot.release()
    once.limiter.set()
    assert [reply.replayed for reply in await asyncio.gather(run, again)] == [False, True]
    assert (once.runs, slot.try_acquire()) == (1, False)


async def test_from_the_fifth_waiter_for_one_id_on_the_answer_comes_at_once(once: Once) -> None:
    """Those of a lost channel do not count."""
    once.limiter.clear()
    runs: list[asyncio.Task[Reply]] = []
    for number in (5, 130):
        sent = [waited_for() for _ in range(number)]
        runs += await once.begin(*sent)
        crowded = [run.exception() for run in runs if run.done()]
        assert len(crowded) == number - 1 - 4
        for delivery in sent:
            delivery.open = False
    for error in crowded:
        assert isinstance(error, CommandError)
        assert verdict(error) == (Code.RESOURCE_EXHAUSTED, CONSUMER, NOT, True)
        assert error.details == {"field": "request-id", "suggestion": "zeebe.polls"}
        assert "zeebe.polls" in error.message
    once.limiter.set()
    assert [reply.ok for reply in await asyncio.gather(*(run for run in runs if not run.done()))] == [True] * 10
    assert (once.runs, once.count.mock_calls) == (1, [call("refused", reason="crowded")] * len(crowded))


@for_each([(incoming(message_id="a"), True, 0), (waited_for(), True, 1), (incoming(message_id="a"), False, 1)])
async def test_of_unawaited_duplicates_one_keeps_the_request(first: FakeDelivery, open: bool, keepers: int) -> None:
    """An original that is answered, or whose channel is lost, becomes no dead letter; nobody else would be one."""
    once = Once(failure(Code.UNAVAILABLE, CONSUMER, NOT, retryable=True))
    once.limiter.clear()
    first.open = open
    original, *others = await once.begin(first, *(incoming(message_id="a") for _ in range(130)))
    keeping, done = others[:keepers], others[keepers:]
    assert [run.done() for run in keeping] == [False] * keepers
    assert [(run.result().error, run.result().replayed) for run in done] == [(None, True)] * len(done)
    once.limiter.set()
    assert [(await run).ok for run in (original, *keeping)] == [False] * (1 + keepers)
    assert once.runs == 1
