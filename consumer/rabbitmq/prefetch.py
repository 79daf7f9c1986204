"""How many deliveries of a queue are held at a time: fewer while their bodies are large; pure decisions, no clock.

The broker counts by consumer: what one holds does not count against the next. So when all of a consumer's places are
taken by what is small, and waits, the next consumer gets as many again; else the large bodies of one sender, which make
the places few, would let another sender's few small requests fill them. All together hold no more than one may while
bodies are small.
"""

from __future__ import annotations

from typing import Final

from zeebe_amqp import wire

__all__ = ["Prefetch", "Window"]

WEIGHT: Final = 1 / 16
"""What one body counts in the average."""


class Window:
    """What one consumer delivered and is not done."""

    __slots__ = ("_prefetch", "held")

    def __init__(self, prefetch: Prefetch) -> None:
        self._prefetch = prefetch
        self.held = 0
        """Deliveries."""

    def done(self, size: int) -> None:
        """A delivery with a body of that size is done."""
        self.held -= 1
        self._prefetch.held -= 1
        self._prefetch.held_bytes -= _kept(size)


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
        self.held = self.held_bytes = 0
        """Deliveries that are held, of all consumers so far, and bytes of their bodies."""
        self.window = Window(self)
        """What the consumer that is there now delivered."""
        self.is_careful = False
        """Whether one at a time is wanted, because the broker may fail to hand over the next."""
        self._max_bytes = max_bytes
        self._average = 0.0

    def note(self, size: int) -> bool:
        """A body of that size came; says whether a new consumer should take over by now."""
        kept = _kept(size)
        self._average += (kept - self._average) * WEIGHT
        self.window.held += 1
        self.held += 1
        self.held_bytes += kept
        if self.value == self.maximum and self._average * self.maximum <= self._max_bytes:
            return False
        return self.is_due

    @property
    def is_due(self) -> bool:
        """Whether a new consumer should take over: with another value, or because this one's places are all taken."""
        wanted = self.wanted
        # Twice or half: each change makes a new consumer.
        is_other = wanted * 2 <= self.value or wanted >= self.value * 2 or self.value < wanted == self.maximum
        return is_other or self.is_stuck

    @property
    def is_stuck(self) -> bool:
        """Whether the places are few because of large bodies, and taken by small ones."""
        is_full = self.value <= self.window.held and self.held < self.maximum
        return is_full and self.value < self.maximum and 2 * self.held_bytes <= self._max_bytes

    @property
    def wanted(self) -> int:
        """What it should be now."""
        if self.is_careful:
            return 1
        return max(1, min(self.maximum, int(self._max_bytes / max(1.0, self._average))))

    def restart(self) -> None:
        """A new consumer takes over, with the value that the broker was told."""
        self.window = Window(self)

    def begin(self) -> None:
        """A new consumer takes over, with the value that is wanted now."""
        self.value = self.wanted
        self.restart()


def _kept(size: int) -> int:
    """What is kept of a body of so many bytes."""
    return size if size <= wire.MAX_BODY else wire.KEPT_OF_LARGE
