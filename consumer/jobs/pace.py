"""How long fetching of a type rests: pure decisions, no waiting."""

from __future__ import annotations

import random as _random
from collections.abc import Callable
from typing import Final

from zeebe_amqp.backoff import backoff

__all__ = ["AT_ONCE", "Pace"]

AT_ONCE: Final = 1.0
"""Seconds: a poll that brings nothing within them has not waited for jobs."""
FIRST_EMPTY: Final = 0.1
MAX_EMPTY: Final = 1.0
"""Seconds between two polls of a gateway that does not wait for jobs, at most."""
FIRST_FULL: Final = 0.02
MAX_FULL: Final = 1.0
"""Seconds between two looks at a queue without room, at most."""
FIRST_FAILURE: Final = 0.5
MAX_FAILURE: Final = 30.0
"""Seconds after something failed, at most: what was given back would be fetched again at once."""


class Pace:
    """The rests of one type, each longer than the one before while its reason lasts.

    Args:
        random: gives numbers from 0 to 1.
    """

    def __init__(self, random: Callable[[], float] = _random.random) -> None:
        self._random = random
        self._empty = self._full = self._failures = 0

    def after_poll(self, jobs: int, took: float) -> float:
        """Seconds to rest after a poll.

        Args:
            jobs: how many came.
            took: seconds until they came.
        """
        self._full = 0
        if jobs or took >= AT_ONCE:
            self._empty = 0
            return 0.0
        self._empty += 1
        return backoff(self._empty, FIRST_EMPTY, MAX_EMPTY, random=self._random)

    def after_full(self) -> float:
        """Seconds until the queue is looked at again."""
        self._full += 1
        return backoff(self._full, FIRST_FULL, MAX_FULL, random=self._random)

    def after_failure(self) -> float:
        """Seconds until something that failed is tried again."""
        self._failures += 1
        return backoff(self._failures, FIRST_FAILURE, MAX_FAILURE, random=self._random)

    def note_space(self) -> None:
        """There is room again."""
        self._full = 0

    def note_success(self) -> None:
        """A job is in its queue."""
        self._failures = 0
