"""The settlement table, row by row."""

from __future__ import annotations

import pytest

from consumer.core.message import Reply
from consumer.pipeline.settlement import MAX_PAUSE, Settlement, pause, settle
from zeebe_amqp.errors import Code, Error, Outcome, Source


def failed(
    code: Code, source: Source = Source.GATEWAY, outcome: Outcome = Outcome.NOT_EXECUTED, retryable: bool = False
) -> Reply:
    return Reply(
        "create-instance", error=Error(code=code, message="", source=source, outcome=outcome, retryable=retryable)
    )


OK = Reply("create-instance", {"key": 1})
REJECTED = failed(Code.NOT_FOUND)
REFUSED = failed(Code.INVALID_ARGUMENT, Source.CONSUMER)
AWAY = failed(Code.UNAVAILABLE, retryable=True)
NOT_PASSED_ON = failed(Code.UNAVAILABLE, Source.CONSUMER, retryable=True)
PROXY_LIMIT = failed(Code.RESOURCE_EXHAUSTED, Source.CONSUMER)
PROXY_LOST = failed(Code.UNAVAILABLE, Source.CONSUMER, Outcome.UNKNOWN)
PROXY_LOST_HARMLESS = failed(Code.UNAVAILABLE, Source.CONSUMER, Outcome.UNKNOWN, retryable=True)
CROWDED = failed(Code.RESOURCE_EXHAUSTED, Source.CONSUMER, retryable=True)
PRESSURE = failed(Code.RESOURCE_EXHAUSTED, retryable=True)
TOO_LARGE = failed(Code.RESOURCE_EXHAUSTED)
PAUSED = failed(Code.INTERNAL, retryable=True)
LOST = failed(Code.UNAVAILABLE, outcome=Outcome.UNKNOWN)
LOST_HARMLESS = failed(Code.UNAVAILABLE, outcome=Outcome.UNKNOWN, retryable=True)
DEFECT = failed(Code.INTERNAL, Source.CONSUMER, Outcome.UNKNOWN)


@pytest.mark.parametrize("reply", [OK, REJECTED, REFUSED, AWAY, PRESSURE, TOO_LARGE, PAUSED, LOST, DEFECT])
@pytest.mark.parametrize("idempotent", [True, False])
def test_whoever_can_be_answered_is_answered_once(reply: Reply, idempotent: bool) -> None:
    settlement = settle(reply, answerable=True, idempotent=idempotent, waited=1e9, forget_retry=900)
    assert settlement is Settlement.REPLY


@pytest.mark.parametrize(
    ("reply", "idempotent", "waited", "expected"),
    [
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
    ],
)
def test_nobody_waits(reply: Reply, idempotent: bool, waited: float, expected: Settlement) -> None:
    settlement = settle(reply, answerable=False, idempotent=idempotent, waited=waited, forget_retry=900)
    assert settlement is expected


def test_pauses_grow_and_stay_within_the_longest() -> None:
    pauses = [pause(attempt) for attempt in range(1, 40)]
    assert all(0 < each <= MAX_PAUSE for each in pauses)
    assert max(pauses[:2]) < min(pauses[8:])


def test_nothing_is_held_until_the_broker_takes_it_away() -> None:
    settlement = settle(PAUSED, answerable=False, idempotent=True, waited=1500, forget_retry=86400)
    assert settlement is Settlement.BACK
