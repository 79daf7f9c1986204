"""The prefetch follows the sizes of the bodies: down for large ones, up again, and never for one alone."""

from __future__ import annotations

from consumer.rabbitmq.prefetch import Prefetch
from zeebe_amqp import wire

MIB = 2**20
BOUND = 64 * MIB


def advised(prefetch: Prefetch, *sizes: int) -> int:
    """What the broker has been told after bodies of these sizes."""
    for size in sizes:
        if prefetch.note(size):
            prefetch.value = prefetch.wanted
    return prefetch.value


def test_small_bodies_and_a_large_one_among_them_and_bodies_above_the_limit_change_nothing() -> None:
    """Of a body above the limit counts what is kept of it."""
    for sizes in ([500] * 10_000, ([500] * 100 + [7 * MIB]) * 50, [90 * MIB] * 100):
        assert advised(Prefetch(128, BOUND), *sizes) == 128, sizes[:3]


def test_large_bodies_make_it_as_small_as_the_bound_allows_but_never_less_than_one() -> None:
    for size, expected in ((7 * MIB, 9), (MIB, 64), (wire.MAX_BODY, 8)):
        found = advised(Prefetch(128, BOUND), *[size] * 100)
        assert expected <= found < 2 * expected, f"bodies of {size} bytes: {found}"
    assert advised(Prefetch(128, MIB), *[wire.MAX_BODY] * 100) == 1


def test_it_grows_again_to_what_it_was_and_does_not_swing_with_sizes_that_vary() -> None:
    prefetch = Prefetch(128, BOUND)
    assert advised(prefetch, *[7 * MIB] * 100) < 20
    assert advised(prefetch, *[500] * 200) == 128
    advised(prefetch, *[2 * MIB] * 100)
    values = [advised(prefetch, size) for size in (MIB, 3 * MIB) * 200]
    assert len(set(values)) <= 2
