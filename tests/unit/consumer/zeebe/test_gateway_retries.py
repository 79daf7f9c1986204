"""When a failed attempt is followed by another, and what is known of the call then."""

from __future__ import annotations

import pytest

from consumer.zeebe.failures import Failure, FailureKind
from consumer.zeebe.retries import Retries
from tests.cases import for_each
from zeebe_amqp.errors import Code, Outcome


def failure(kind: FailureKind) -> Failure:
    return Failure(Code.UNAVAILABLE, "text", kind)


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
    raised = retries.error(failure(FailureKind.CREDENTIALS))
    assert (raised.outcome, raised.retryable) == (Outcome.NOT_EXECUTED, False)


@for_each([(FailureKind.UNCERTAIN, Outcome.UNKNOWN), (FailureKind.OVERLOAD, Outcome.NOT_EXECUTED)])
def test_an_unknown_outcome_stays_unknown_and_a_certain_one_certain(first: FailureKind, outcome: Outcome) -> None:
    retries = Retries(True, None, lambda: 1.0)
    retries.after(failure(first), 0.0)
    retries.after(failure(FailureKind.UNREACHABLE), 0.0)
    raised = retries.error(failure(FailureKind.UNREACHABLE))
    assert (raised.outcome, raised.details) == (outcome, {"attempts": 2})
