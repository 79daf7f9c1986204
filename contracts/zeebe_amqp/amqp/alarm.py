"""Alarms of the broker, of memory or disk: while one lasts, the broker takes no messages."""

from __future__ import annotations

import asyncio

__all__ = ["Alarm"]


class Alarm:
    """Whether an alarm keeps the broker from taking the messages of one connection."""

    def __init__(self) -> None:
        self.is_on = False
        """Whether there is one now."""
        self._over = asyncio.Event()
        self._over.set()
        self._begun = asyncio.Event()

    async def wait_begun(self) -> None:
        """Wait until there is one."""
        await self._begun.wait()

    async def wait_over(self) -> None:
        """Wait until there is none, or the connection is gone."""
        await self._over.wait()

    def begin(self) -> None:
        """There is one."""
        self.is_on = True
        self._over.clear()
        self._begun.set()

    def end(self) -> None:
        """There is none any more."""
        self.is_on = False
        self._begun.clear()
        self._over.set()
