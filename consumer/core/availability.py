"""Whether something that every request needs can be used now, for those who wait for either."""

from __future__ import annotations

import asyncio

__all__ = ["Availability"]


class Availability:
    """Something that may be lost, and mends itself; it can be used from the start."""

    def __init__(self) -> None:
        self.problem: str | None = None
        """Why it cannot be used now; None when all is well."""
        self._well, self._ill = asyncio.Event(), asyncio.Event()
        self._well.set()

    async def ready(self) -> None:
        """Wait until it can be used."""
        await self._well.wait()

    async def wait_failed(self) -> None:
        """Wait until it cannot: the time to stop consuming."""
        await self._ill.wait()

    def _record_problem(self, problem: str) -> None:
        """It cannot be used now."""
        self.problem = problem
        self._well.clear()
        self._ill.set()

    def _restore(self) -> None:
        """It can be used, again or still."""
        self.problem = None
        self._ill.clear()
        self._well.set()
