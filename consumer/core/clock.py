"""The time of the process, passed in wherever something waits: tests and simulations bring their own."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

__all__ = ["Clock"]


class Clock:
    """The machine's time."""

    now: Callable[[], float] = staticmethod(time.time)
    """Seconds since 1970."""
    monotonic: Callable[[], float] = staticmethod(time.monotonic)
    """Seconds since any moment; never goes back."""

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)

    def timeout(self, seconds: float) -> AbstractAsyncContextManager[object]:
        """Raise TimeoutError when what happens inside takes longer."""
        return asyncio.timeout(seconds)

    def random(self) -> float:
        """A number from 0 to 1, for jitter."""
        return random.random()
