"""Trends: does a quantity grow, is it flat, or is it too early to say. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from math import sqrt
from statistics import linear_regression, mean

HOUR = 3600.0
CERTAIN = 2.0
"""Standard errors on either side of a slope: about 95 of 100."""
WARM = 0.2
"""Part of the samples at the beginning that is left out: caches fill, pools grow."""


@dataclass(frozen=True)
class Trend:
    """A least-squares line through samples."""

    slope: float
    """Per hour."""
    error: float
    """The slope's standard error, per hour."""
    last: float
    """The last sample."""

    def verdict(self, allowed: float) -> str:
        """What a growth of at most `allowed` per hour makes of it."""
        if self.slope - CERTAIN * self.error > allowed:
            return "grows"
        return "flat" if self.slope + CERTAIN * self.error <= allowed else "too short to tell"


def trend(samples: Sequence[tuple[float, float]]) -> Trend:
    """The line through (seconds, value), without the warm-up.

    Raises:
        ValueError: fewer than three samples are left.
    """
    kept = samples[int(len(samples) * WARM) :]
    if len(kept) < 3:
        raise ValueError(f"samples: {len(kept)} after the warm-up; at least 3 are needed")
    times, values = [time / HOUR for time, _ in kept], [value for _, value in kept]
    slope, start = linear_regression(times, values)
    rests = sum((value - start - slope * time) ** 2 for time, value in zip(times, values, strict=True))
    middle = mean(times)
    spread = sum((time - middle) ** 2 for time in times)
    return Trend(slope, sqrt(rests / (len(kept) - 2) / spread), values[-1])


def lows(samples: Sequence[tuple[float, float]], seconds: float) -> list[tuple[float, float]]:
    """The lowest of the samples of each `seconds`: what a load takes comes and goes, what leaks stays."""
    windows = groupby(samples, lambda sample: int(sample[0] // seconds))
    return [min(window, key=lambda sample: sample[1]) for _, window in windows]
