"""A leak is told from noise."""

from __future__ import annotations

import random
from collections.abc import Callable

from tests.cases import check_all, for_each
from tests.faults.soak import HOUR, lows, trend

NUMBER = 120
INTERVAL = 5.0


def samples(value: Callable[[float], float]) -> list[tuple[float, float]]:
    """What is measured of something that has a value at every second."""
    return [(n * INTERVAL, value(n * INTERVAL)) for n in range(NUMBER)]


def test_a_growth_beyond_what_is_allowed_is_named() -> None:
    def is_named(slope: float, noise: float, verdict: str) -> None:
        chance = random.Random(1)
        line = samples(lambda second: 100 + slope * second / HOUR + noise * chance.uniform(-1, 1))
        assert trend(line).verdict(10) == verdict

    flat, grows = [(0, 0, "flat"), (0, 1, "flat"), (-100, 1, "flat")], [(100, 1, "grows"), (100, 0, "grows")]
    check_all([*flat, *grows, (0, 100, "too short to tell")], is_named)


def test_the_lows_are_the_lowest_of_each_stretch_of_time() -> None:
    found = lows([(0.0, 5.0), (10.0, 3.0), (29.9, 4.0), (30.0, 9.0), (91.0, 7.0), (95.0, 8.0)], 30)
    assert found == [(10.0, 3.0), (30.0, 9.0), (91.0, 7.0)]


@for_each([(0.0, "flat"), (600.0, "grows")])
def test_a_leak_under_a_load_that_comes_and_goes_is_found(leaks: float, verdict: str) -> None:
    chance = random.Random(5)
    taken = samples(lambda second: int(leaks * second / HOUR) + chance.choice((0, 0, 3, 17, 40)))
    assert trend(lows(taken, 30)).verdict(32) == verdict
