"""The settlement table, row by row."""

from __future__ import annotations

from typing import Any

from consumer.core.message import Reply
from consumer.pipeline.settlement import MAX_PAUSE, Settlement, pause, settle
from tests.cases import for_each
from tests.unit.consumer.errors import failed
from zeebe_amqp.errors import Code, Outcome, Source


def refused(*given: Any, **more: Any) -> Reply:
    return Reply("create-instance", error=failed(*given, **more))


OK = Reply("create-instance", {"key": 1})
REJECTED = refused(Code.NOT_FOUND)
REFUSED = refused(Code.INVALID_ARGUMENT, Source.CONSUMER)
AWAY = refused(Code.UNAVAILABLE, retryable=True)
NOT_PASSED_ON = refused(Code.UNAVAILABLE, Source.CONSUMER, retryable=True)
PROXY_LIMIT = refused(Code.RESOURCE_EXHAUSTED, Source.CONSUMER)
PROXY_LOST = refused(Code.UNAVAILABLE, Source.CONSUMER, Outcome.UNKNOWN)
PROXY_LOST_HARMLESS = refused(Code.UNAVAILABLE, Source.CONSUMER, Outcome.UNKNOWN, retryable=True)
CROWDED = refused(Code.RESOURCE_EXHAUSTED, Source.CONSUMER, retryable=True)
PRESSURE = refused(Code.RESOURCE_EXHAUSTED, retryable=True)
TOO_LARGE = refused(Code.RESOURCE_EXHAUSTED)
PAUSED = refused(Code.INTERNAL, retryable=True)
LOST = refused(Code.UNAVAILABLE, outcome=Outcome.UNKNOWN)
LOST_HARMLESS = refused(Code.UNAVAILABLE, outcome=Outcome.UNKNOWN, retryable=True)
DEFECT = refused(Code.INTERNAL, Source.CONSUMER, Outcome.UNKNOWN)


@for_each([
    (OK, False, 0, Settlement.ACK),
    (REJECTED, False, 0, Settlement.DEAD),
    (REJECTED, True, 0, Settlement.DEAD),
    (REFUSED, False, 0, Settlement.DEAD),
    (TOO_LARGE, True, 0, Settlement.DEAD),
    (AWAY, False, 0, Settlement.AGAIN),
    (AWAY, False, 599, Settlement.AGAIN),
    (AWAY, False, 600, Settlement.BACK),
    (NOT_PASSED_ON, False, 599, Settlement.AGAIN),
    (NOT_PASSED_ON, False, 600, Settlement.BACK),
    (NOT_PASSED_ON, False, 1e9, Settlement.BACK),
    (PROXY_LIMIT, True, 0, Settlement.DEAD),
    (PROXY_LOST, False, 0, Settlement.DEAD),
    (PROXY_LOST_HARMLESS, True, 899, Settlement.AGAIN),
    (PROXY_LOST_HARMLESS, True, 900, Settlement.DEAD),
    (CROWDED, False, 0, Settlement.DEAD),
    (PRESSURE, False, 599, Settlement.AGAIN),
    (PRESSURE, False, 600, Settlement.BACK),
    (PAUSED, False, 899, Settlement.AGAIN),
    (PAUSED, False, 900, Settlement.DEAD),
    (LOST_HARMLESS, True, 899, Settlement.AGAIN),
    (LOST_HARMLESS, True, 900, Settlement.DEAD),
    (LOST, False, 0, Settlement.DEAD),
    (DEFECT, False, 0, Settlement.DEAD),
])  # fmt: skip
def test_nobody_waits(reply: Reply, idempotent: bool, waited: float, expected: Settlement) -> None:
    settlement = settle(reply, answerable=False, idempotent=idempotent, waited=waited, forget_retry=900)
    assert settlement is expected


@for_each([
    (OK, 0, Settlement.ACK),
    *[(refused(code, source), 0, Settlement.ACK) for source in Source for code in Code if code is not Code.INTERNAL],
    (refused(Code.INTERNAL), 0, Settlement.ACK),
    (refused(Code.INTERNAL, Source.CONSUMER), 0, Settlement.DEAD),
    (refused(Code.ABORTED, Source.CONSUMER, Outcome.UNKNOWN), 0, Settlement.ACK),
    (refused(Code.FAILED_PRECONDITION, Source.CONSUMER, Outcome.UNKNOWN), 0, Settlement.ACK),
    (refused(Code.FAILED_PRECONDITION, outcome=Outcome.UNKNOWN, retryable=True), 0, Settlement.AGAIN),
    (refused(Code.ABORTED, outcome=Outcome.UNKNOWN, retryable=True), 899, Settlement.AGAIN),
    (AWAY, 599, Settlement.AGAIN),
    (AWAY, 600, Settlement.BACK),
    (NOT_PASSED_ON, 1e9, Settlement.BACK),
    (CROWDED, 899, Settlement.AGAIN),
    (CROWDED, 900, Settlement.DEAD),
    (PRESSURE, 600, Settlement.BACK),
    (PAUSED, 899, Settlement.AGAIN),
    (PAUSED, 900, Settlement.DEAD),
    (LOST_HARMLESS, 899, Settlement.AGAIN),
    (LOST_HARMLESS, 900, Settlement.DEAD),
    (LOST, 900, Settlement.DEAD),
    (DEFECT, 899, Settlement.AGAIN),
    (DEFECT, 900, Settlement.DEAD),
])  # fmt: skip
def test_an_answer_that_is_refused_for_good_is_no_dead_letter(
    reply: Reply, waited: float, expected: Settlement
) -> None:
    terms: dict[str, Any] = {"idempotent": True, "waited": waited, "forget_retry": 900, "is_answer": True}
    assert settle(reply, answerable=False, **terms) is expected
    assert settle(reply, answerable=True, **terms) is Settlement.REPLY


def test_pauses_grow_and_stay_within_the_longest() -> None:
    pauses = [pause(attempt) for attempt in range(1, 40)]
    assert all(0 < each <= MAX_PAUSE for each in pauses)
    assert max(pauses[:2]) < min(pauses[8:])


def test_nothing_is_held_until_the_broker_takes_it_away() -> None:
    settlement = settle(PAUSED, answerable=False, idempotent=True, waited=1500, forget_retry=86400)
    assert settlement is Settlement.BACK
