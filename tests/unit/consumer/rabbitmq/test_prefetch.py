"""The prefetch follows the sizes of the bodies: down for large ones, up again, and never for one alone."""

from __future__ import annotations

from consumer.rabbitmq.prefetch import Prefetch
from zeebe_amqp import wire

MIB = 2**20
BOUND = 64 * MIB


def told(prefetch: Prefetch, *sizes: int) -> int:
    """What the broker has been told after bodies of these sizes."""
    for size in sizes:
        if prefetch.note(size):
            prefetch.value = prefetch.wanted
    return prefetch.value


def test_small_bodies_change_nothing() -> None:
    assert told(Prefetch(128, BOUND), *[500] * 10_000) == 128


def test_large_bodies_make_it_as_small_as_the_bound_allows() -> None:
    for size, expected in ((7 * MIB, 9), (MIB, 64), (wire.MAX_BODY, 8)):
        found = told(Prefetch(128, BOUND), *[size] * 100)
        assert expected <= found < 2 * expected, f"bodies of {size} bytes: {found}"


def test_it_is_never_below_one() -> None:
    assert told(Prefetch(128, MIB), *[wire.MAX_BODY] * 100) == 1


def test_it_grows_again_to_what_it_was() -> None:
    prefetch = Prefetch(128, BOUND)
    assert told(prefetch, *[7 * MIB] * 100) < 20
    assert told(prefetch, *[500] * 200) == 128


def test_a_large_body_among_small_ones_changes_nothing() -> None:
    assert told(Prefetch(128, BOUND), *([500] * 100 + [7 * MIB]) * 50) == 128


def test_a_body_above_the_limit_counts_as_what_is_kept_of_it() -> None:
    assert told(Prefetch(128, BOUND), *[90 * MIB] * 100) == 128


def test_it_does_not_swing_with_sizes_that_vary() -> None:
    prefetch = Prefetch(128, BOUND)
    told(prefetch, *[2 * MIB] * 100)
    changes = 0
    for _ in range(200):
        for size in (MIB, 3 * MIB):
            if prefetch.note(size):
                changes, prefetch.value = changes + 1, prefetch.wanted
    assert changes <= 1
