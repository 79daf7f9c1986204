"""The wait before something is tried again grows up to a limit, and part of it is left to chance."""

from __future__ import annotations

from tests.cases import for_each
from zeebe_amqp.backoff import backoff


@for_each([(1, 1.0), (2, 2.0), (3, 4.0), (5, 16.0), (6, 30.0), (10_000, 30.0)])
def test_the_wait_doubles_and_at_most_half_of_it_is_left_to_chance(failures: int, longest: float) -> None:
    waits = {backoff(failures, 1.0, 30.0) for _ in range(100)}
    assert longest / 2 <= min(waits) < max(waits) <= longest
    assert {backoff(failures, 1.0, 30.0, jitter=0.0) for _ in range(5)} == {longest}


def test_growth_and_chance_are_as_asked_for() -> None:
    waits = [backoff(failures, 0.1, 5.0, growth=3.0, jitter=1.0, random=lambda: 0.5) for failures in (1, 2, 3, 4, 5)]
    assert [round(wait, 6) for wait in waits] == [0.05, 0.15, 0.45, 1.35, 2.5]
