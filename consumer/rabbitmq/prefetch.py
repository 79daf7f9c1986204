"""How many deliveries of a queue are held at a time: fewer while their bodies are large; pure decisions, no clock."""

from __future__ import annotations

from typing import Final

from zeebe_amqp import wire

__all__ = ["Prefetch"]

WEIGHT: Final = 1 / 16
"""What one body counts in the average."""


class Prefetch:
    """The prefetch of one queue, between 1 and `maximum`.

    Args:
        maximum: while bodies are small.
        max_bytes: of bodies that are held at a time.
    """

    def __init__(self, maximum: int, max_bytes: int) -> None:
        self.maximum = maximum
        self.value = maximum
        """What the broker was told."""
        self._max_bytes = max_bytes
        self._average = 0.0

    def note(self, size: int) -> bool:
        """A body of that size came; says whether the broker should be told another value by now."""
        self._average += ((size if size <= wire.MAX_BODY else wire.KEPT_OF_LARGE) - self._average) * WEIGHT
        if self.value == self.maximum and self._average * self.maximum <= self._max_bytes:
            return False
        wanted = self.wanted
        # Twice or half: each change makes a new consumer.
        return wanted * 2 <= self.value or wanted >= self.value * 2 or self.value < wanted == self.maximum

    @property
    def wanted(self) -> int:
        """What it should be now."""
        return max(1, min(self.maximum, int(self._max_bytes / max(1.0, self._average))))
