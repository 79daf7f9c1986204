"""How long to wait before something is tried again: one formula for the whole repository."""

from __future__ import annotations

import random as _random
from collections.abc import Callable

__all__ = ["backoff"]


def backoff(
    failures: int,
    first: float,
    maximum: float,
    *,
    growth: float = 2.0,
    jitter: float = 0.5,
    random: Callable[[], float] = _random.random,
) -> float:
    """Seconds to wait after `failures` failures in a row, counted from 1.

    Args:
        failures: how many there were.
        first: seconds after the first failure, at most.
        maximum: seconds after however many failures, at most.
        growth: by what factor each failure makes the wait longer.
        jitter: which part of the wait is left to chance, so that those who failed together do not come back together:
            0.5 = between half of it and all of it, 1 = between nothing and all of it.
        random: gives numbers from 0 to 1.
    """
    # So many powers are beyond any maximum wait, and within a float.
    ceiling = min(maximum, first * growth ** min(failures - 1, 64))
    return ceiling * (1 - jitter + jitter * random())
