"""The answer to a run that may not be the first one does not say what became of the one before."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from consumer.core.message import Reply
from consumer.core.shares import Shares
from consumer.ledger import Claim, State
from consumer.pipeline.waits import QueuePlaces, Waits
from tests.cases import for_each
from tests.unit.consumer.deliveries import QuickClock
from tests.unit.consumer.errors import failed, verdict
from tests.unit.consumer.pipeline.repetitions import Once, incoming, ledger_of
from zeebe_amqp.errors import Code, CommandError, Outcome, Source

GATEWAY, CONSUMER = Source.GATEWAY, Source.CONSUMER
NOT, UNKNOWN = Outcome.NOT_EXECUTED, Outcome.UNKNOWN
NOTE = "earlierRun"

ORPHANED = {"found": State.ORPHANED}
AGAIN = {"found": State.NEW, "redelivered": True}
BUSY = failed(Code.RESOURCE_EXHAUSTED, GATEWAY, retryable=True)
LATE = failed(Code.DEADLINE_EXCEEDED, CONSUMER)
GONE = failed(Code.NOT_FOUND, GATEWAY)
MALFORMED = failed(Code.INVALID_ARGUMENT, CONSUMER)


async def answered(error: Any, found: State, operation: str = "cancel-instance", **properties: Any) -> Reply:
    once = Once(Reply(operation, error=error), ledger=ledger_of(Claim(found)))
    return await once.handle(incoming(operation, message_id="a", **{"reply_to": "replies", **properties}))


@for_each([
    (BUSY, ORPHANED, UNKNOWN, True),
    (LATE, ORPHANED, UNKNOWN, True),
    (BUSY, AGAIN, UNKNOWN, True),
    # It is remembered as it is: the engine gives no other one.
    (GONE, ORPHANED, NOT, True),
    (GONE, AGAIN, NOT, True),
    # Nobody gets it, and the request would be tried again.
    (LATE, ORPHANED | {"reply_to": None}, NOT, True),
    # Every run ends with it before anything is sent.
    (MALFORMED, ORPHANED, NOT, False),
    (failed(Code.UNAVAILABLE, GATEWAY, UNKNOWN, retryable=True), ORPHANED, UNKNOWN, False),
    # Nothing came before.
    (BUSY, {"found": State.NEW}, NOT, False),
    # What is not idempotent would have left an entry.
    (BUSY, AGAIN | {"operation": "create-instance"}, NOT, False),
])  # fmt: skip
async def test_what_is_not_executed_now_may_have_been_before(
    error: Any, delivered: dict[str, Any], outcome: Outcome, noted: bool
) -> None:
    reply = await answered(error, **delivered)
    assert reply.error is not None
    assert verdict(reply.error) == (error.code, error.source, outcome, error.retryable)
    assert (NOTE in (reply.error.details or {})) is noted


async def test_a_further_run_of_the_same_delivery_still_knows_of_the_one_that_was_cut_off() -> None:
    replies = [Reply("cancel-instance", error=error) for error in (BUSY, BUSY)]
    once = Once(*replies, ledger=ledger_of(Claim(State.ORPHANED), Claim(State.NEW)))
    delivery = incoming("cancel-instance", message_id="a", reply_to="replies")
    outcomes = [(await once.handle(delivery)).error.outcome for _ in replies]  # type: ignore[union-attr]
    assert outcomes == [UNKNOWN, UNKNOWN]


@for_each([(False, NOT), (True, UNKNOWN)])
async def test_who_finds_no_place_to_wait_may_be_what_runs(redelivered: bool, outcome: Outcome) -> None:
    waits = Waits({"commands": QueuePlaces(Shares(lambda: 1))})
    once = Once(ledger=ledger_of(*[Claim(State.RUNNING)] * 1000), clock=QuickClock(pause=0.2), waits=waits)
    request = {"queue": "commands", "reply_to": "replies"}
    waiting, refused = await once.begin(
        incoming(message_id="a", **request), incoming(message_id="b", redelivered=redelivered, **request)
    )
    error = refused.exception()
    assert isinstance(error, CommandError)
    assert verdict(error) == (Code.RESOURCE_EXHAUSTED, CONSUMER, outcome, True)
    assert ("not executed" in error.message) is not redelivered
    waiting.cancel()


@for_each([
    (BUSY, True, UNKNOWN), (BUSY, False, NOT), (GONE, True, NOT), (MALFORMED, True, NOT), (LATE, True, UNKNOWN),
])  # fmt: skip
async def test_what_came_again_is_not_answered_like_a_repetition_that_came_for_the_first_time(
    error: Any, redelivered: bool, outcome: Outcome
) -> None:
    once = Once(Reply("cancel-instance", error=error))
    once.limiter.clear()
    asked = {"message_id": "a", "reply_to": "replies"}
    first, again = await once.begin(
        *(incoming("cancel-instance", **asked, redelivered=each) for each in (0, redelivered))
    )
    once.limiter.set()
    replies = [await first, await again]
    assert [reply.error.outcome for reply in replies if reply.error] == [NOT, outcome]
    bodies = [Reply.decode(reply.encode()) for reply in replies]
    assert [reply.error.outcome for reply in bodies if reply.error] == [NOT, outcome]


@for_each([
    ("create-instance", Code.RESOURCE_EXHAUSTED, True, UNKNOWN),
    ("create-instance", Code.RESOURCE_EXHAUSTED, False, NOT),
    ("cancel-instance", Code.ALREADY_EXISTS, True, UNKNOWN),
    ("create-instance", Code.ALREADY_EXISTS, True, NOT),
    ("cancel-instance", Code.ABORTED, True, NOT),
])  # fmt: skip
async def test_a_refusal_of_the_run_is_another_one_for_what_came_again(
    operation: str, code: Code, redelivered: bool, outcome: Outcome
) -> None:
    ledger = ledger_of()
    asked, go = {"message_id": "a", "reply_to": "replies"}, asyncio.Event()

    async def refuse(*_: object, **__: object) -> Claim:
        await go.wait()
        raise CommandError(code, "not executed", retryable=True)

    ledger.claim.side_effect = refuse
    once = Once(ledger=ledger)
    runs = await once.begin(*(incoming(operation, **asked, redelivered=each) for each in (False, redelivered)))
    go.set()
    await asyncio.wait(runs)
    assert [run.exception().outcome for run in runs] == [NOT, outcome]  # type: ignore[union-attr]


@for_each([("cancel-instance", True, UNKNOWN), ("cancel-instance", False, NOT), ("create-instance", True, NOT)])
async def test_who_lost_its_id_to_another_content_may_have_run_before(
    operation: str, redelivered: bool, outcome: Outcome
) -> None:
    once = Once(ledger=ledger_of(Claim(State.CONFLICT)))
    with pytest.raises(CommandError) as refusal:
        await once.handle(incoming(operation, message_id="a", reply_to="replies", redelivered=redelivered))
    assert verdict(refusal.value) == (Code.ALREADY_EXISTS, CONSUMER, outcome, False)
    assert ("may have been executed" in refusal.value.message) is (outcome is UNKNOWN)
