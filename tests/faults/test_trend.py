"""A leak is told from noise."""

from __future__ import annotations

import random

import pytest

from tests.faults.trend import HOUR, lows, trend

NUMBER = 120
INTERVAL = 5.0


def line(slope: float, noise: float = 0.0) -> list[tuple[float, float]]:
    """Samples of something that grows by `slope` per hour."""
    chance = random.Random(1)
    return [(n * INTERVAL, 100 + slope * n * INTERVAL / HOUR + noise * chance.uniform(-1, 1)) for n in range(NUMBER)]


@pytest.mark.parametrize("slope", [-7.0, 0.0, 3.5])
def test_the_slope_of_a_line_is_found(slope: float) -> None:
    assert trend(line(slope)).slope == pytest.approx(slope, abs=1e-6)


@pytest.mark.parametrize(
    ("slope", "noise", "verdict"),
    [
        (0, 0, "flat"),
        (0, 1, "flat"),
        (100, 1, "grows"),
        (100, 0, "grows"),
        (-100, 1, "flat"),
        (0, 100, "too short to tell"),
    ],
)
def test_a_growth_beyond_what_is_allowed_is_named(slope: float, noise: float, verdict: str) -> None:
    assert trend(line(slope, noise)).verdict(10) == verdict


def test_the_warm_up_is_left_out() -> None:
    samples = [(n * INTERVAL, 0.0 if n < NUMBER / 10 else 100.0) for n in range(NUMBER)]
    assert trend(samples).slope == 0


def test_too_few_samples_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 3"):
        trend([(0, 1), (1, 1)])


def test_the_lows_are_the_lowest_of_each_stretch_of_time() -> None:
    samples = [(0.0, 5.0), (10.0, 3.0), (29.9, 4.0), (30.0, 9.0), (91.0, 7.0), (95.0, 8.0)]
    assert lows(samples, 30) == [(10.0, 3.0), (30.0, 9.0), (91.0, 7.0)]


@pytest.mark.parametrize(("leaks", "verdict"), [(0.0, "flat"), (600.0, "grows")])
def test_a_leak_under_a_load_that_comes_and_goes_is_found(leaks: float, verdict: str) -> None:
    chance = random.Random(5)
    samples = [
        (INTERVAL * n, int(leaks * INTERVAL * n / HOUR) + chance.choice((0, 0, 3, 17, 40))) for n in range(NUMBER)
    ]
    assert trend(lows(samples, 30)).verdict(32) == verdict
