"""How often a call is tried again, and how long it waits in between; the same for every engine."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from zeebe_amqp.backoff import backoff

__all__ = ["ATTEMPTS", "delay"]


ATTEMPTS: Final = 5
"""Attempts of one call, the first one included."""
FIRST_DELAY: Final = 0.1
GROWTH: Final = 3.0
MAX_DELAY: Final = 5.0


def delay(made: int, random: Callable[[], float]) -> float:
    """Seconds to wait after `made` attempts; `random` gives numbers from 0 to 1."""
    # Full jitter: consumers that failed together must not come back together.
    return backoff(made, FIRST_DELAY, MAX_DELAY, growth=GROWTH, jitter=1.0, random=random)
