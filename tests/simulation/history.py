"""What happened in a run, in its order."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple


class Event(NamedTuple):
    """One thing that happened; `time` in seconds since the run began."""

    time: float
    who: str
    what: str
    about: tuple[object, ...]

    def __str__(self) -> str:
        return f"{self.time:10.4f}  {self.who:<10} {self.what} {' '.join(map(str, self.about))}".rstrip()


class History:
    """Everything that happened, in its order; the same seed has the same one.

    Args:
        clock: seconds since the run began.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self.events: list[Event] = []

    def note(self, who: str, what: str, *about: object) -> None:
        """Add what happens now."""
        self.events.append(Event(self._clock(), who, what, about))

    def __str__(self) -> str:
        return "\n".join(map(str, self.events))
