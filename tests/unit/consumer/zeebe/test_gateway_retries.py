"""When a failed attempt is followed by another."""

from __future__ import annotations

from itertools import product

import pytest

from consumer.zeebe.failures import Failure, FailureKind
from consumer.zeebe.retries import Retries
from tests.cases import for_each
from zeebe_amqp.errors import Code, Outcome

ALL = {
    FailureKind.OVERLOAD: 5,
    FailureKind.PAUSED: 5,
    FailureKind.UNREACHABLE: 5,
    FailureKind.NOT_PASSED_ON: 5,
    FailureKind.NO_PARTITION: 3,
}
REPEATABLE = {FailureKind.LATE: 5, FailureKind.UNCERTAIN: 5, FailureKind.PROXY_LOST: 5, FailureKind.NO_BROKER: 5}
ONCE_MORE = {FailureKind.CREDENTIALS: 2}
NEVER = {FailureKind.FINAL: 1, FailureKind.PROXY_LIMIT: 1, FailureKind.DEFECT: 1, FailureKind.CLOSING: 1}


def failure(kind: FailureKind, code: Code = Code.UNAVAILABLE) -> Failure:
    return Failure(code, "text", kind)


def attempts(retries: Retries, kind: FailureKind) -> int:
    while retries.after(failure(kind), 0.0) is not None:
        pass
    return retries.made


@for_each(product(FailureKind, [False, True]))
def test_each_verdict_has_its_number_of_attempts(kind: FailureKind, idempotent: bool) -> None:
    expected = ALL | ONCE_MORE | NEVER | (REPEATABLE if idempotent else dict.fromkeys(REPEATABLE, 1))
    assert attempts(Retries(idempotent, None, lambda: 1.0), kind) == expected[kind]


def test_delays_grow_threefold_with_full_jitter_to_at_most_five_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    retries = Retries(False, None, lambda: 0.5)
    delays = [retries.after(failure(FailureKind.OVERLOAD), 0.0) for _ in range(5)]
    assert delays[:4] == pytest.approx([0.05, 0.15, 0.45, 1.35])
    assert delays[4] is None
    monkeypatch.setattr("consumer.core.backoff.ATTEMPTS", 9)
    retries = Retries(False, None, lambda: 1.0)
    assert max(retries.after(failure(FailureKind.OVERLOAD), 0.0) or 0 for _ in range(8)) == 5.0


@for_each([(100.05, None), (100.1, None), (100.2, 0.1), (None, 0.1)])
def test_no_attempt_is_planned_past_the_deadline(deadline: float | None, delay: float | None) -> None:
    assert Retries(False, deadline, lambda: 1.0).after(failure(FailureKind.OVERLOAD), 100.0) == delay


def test_fresh_credentials_are_tried_once_and_at_once() -> None:
    retries = Retries(False, None, lambda: 1.0)
    assert retries.after(failure(FailureKind.CREDENTIALS), 0.0) == 0.0
    assert retries.after(failure(FailureKind.OVERLOAD), 0.0) is not None
    assert retries.after(failure(FailureKind.CREDENTIALS), 0.0) is None


def test_an_unknown_outcome_stays_unknown_whatever_follows_and_certain_refusals_stay_certain() -> None:
    for first, outcome in ((FailureKind.UNCERTAIN, Outcome.UNKNOWN), (FailureKind.OVERLOAD, Outcome.NOT_EXECUTED)):
        retries = Retries(True, None, lambda: 1.0)
        retries.after(failure(first), 0.0)
        retries.after(failure(FailureKind.UNREACHABLE), 0.0)
        raised = retries.error(failure(FailureKind.UNREACHABLE))
        assert (raised.outcome, (raised.details or {})["attempts"]) == (outcome, 2), first
