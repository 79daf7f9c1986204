"""One direction of a connection: what is sent arrives in its order, later, or never."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from tests.simulation.loop import VirtualLoop


class Delays:
    """How long things take: mostly some milliseconds, sometimes seconds.

    Args:
        chance: draws.
        slow: which part is slow.
    """

    def __init__(self, chance: Random, slow: float) -> None:
        self._random = chance.random
        self._slow = slow

    def __call__(self) -> float:
        """Seconds."""
        drawn = self._random()
        if drawn < self._slow:
            return self._random() * 3.0
        return 0.0002 + 0.004 * drawn


class Direction:
    """From one side of a connection to the other.

    Args:
        loop: whose time passes.
        delays: how long it takes.
    """

    def __init__(self, loop: VirtualLoop, delays: Delays) -> None:
        self._loop, self._delays = loop, delays
        self._last = 0.0
        self.is_cut = False

    def send(self, arrive: Callable[..., object], *args: object) -> None:
        """Call `arrive` on the other side, unless it is cut before."""
        if self.is_cut:
            return
        now = self._loop.time()
        self._last = max(self._last, now + self._delays())
        self._loop.outside(self._last - now, self._deliver, arrive, args)

    def _deliver(self, arrive: Callable[..., object], args: tuple[object, ...]) -> None:
        if not self.is_cut:
            arrive(*args)

    def cut(self) -> None:
        """Lose what is on its way, and all that follows."""
        self.is_cut = True
