"""When this process gave out the jobs of a type: the age of the oldest one that waits, as far as it can be known."""

from __future__ import annotations

from collections import deque

__all__ = ["PublishTimes"]


class PublishTimes:
    """The times of the newest jobs, seconds since 1970.

    A queue is taken from at its head: when r messages are ready, they are the r newest ones. Other services may have
    published some of them, so the oldest of ours may be younger than this says, and never older.

    Args:
        kept: how many times, at most.
    """

    def __init__(self, kept: int) -> None:
        self._times: deque[float] = deque(maxlen=kept)

    def add(self, now: float) -> None:
        """A job was published."""
        self._times.append(now)

    def age(self, ready: int, now: float) -> float:
        """Seconds since the oldest job that waits was published; 0 without one."""
        if not ready or not self._times:
            return 0.0
        return max(0.0, now - self._times[-min(ready, len(self._times))])
