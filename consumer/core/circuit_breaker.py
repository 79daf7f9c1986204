"""The circuit to the gateway: open while nobody answers at its address."""

from __future__ import annotations

import asyncio
from typing import Final

__all__ = ["THRESHOLD", "CircuitBreaker"]

THRESHOLD: Final = 5
"""Attempts in a row that find no gateway before the circuit opens: those of one call."""


class CircuitBreaker:
    """Counts attempts that found no gateway; `wait_open` and `wait_closed` wait for what it says.

    Only attempts that reached nobody count, or something that is no gateway, such as a proxy with a page. What a
    gateway answers, even UNAVAILABLE, proves that it is there: otherwise one caller's bad keys would stop everyone.
    """

    def __init__(self, threshold: int = THRESHOLD) -> None:
        self._threshold = threshold
        self._unreached = 0
        self.is_open = False
        """Whether to wait instead of sending more."""
        self._opened, self._closed = asyncio.Event(), asyncio.Event()
        self._closed.set()

    @property
    def unreached(self) -> int:
        """How many attempts in a row found no gateway; 0 as soon as one answers, whatever it says."""
        return self._unreached

    def record_failure(self) -> None:
        """An attempt found no gateway."""
        self._unreached += 1
        if self._unreached == self._threshold:
            self._open()

    def trip(self) -> None:
        """Open it at once: it is known that no gateway answers."""
        self._unreached = max(self._unreached, self._threshold)
        self._open()

    def _open(self) -> None:
        self.is_open = True
        self._closed.clear()
        self._opened.set()

    def record_success(self) -> None:
        """A gateway answered an attempt."""
        if self._unreached:
            self._unreached = 0
            self.is_open = False
            self._opened.clear()
            self._closed.set()

    async def wait_open(self, within: float | None = None) -> None:
        """Wait until it is open, at most `within` seconds."""
        try:
            async with asyncio.timeout(within):
                await self._opened.wait()
        except TimeoutError:
            return

    async def wait_closed(self) -> None:
        """Wait until it is closed."""
        await self._closed.wait()
