"""Work on large messages, which goes on beside the event loop so that everybody else's does not wait for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, TypeVar

__all__ = ["LARGE", "offload"]

T = TypeVar("T")

LARGE: Final = 256 * 1024
"""Bytes of a message from which working on it may hold up the event loop for longer than a switch of threads."""

# One thread: more of them would only take the interpreter from the event loop more often.
_THREAD: Final = ThreadPoolExecutor(1, thread_name_prefix="large-messages")


async def offload(work: Callable[..., T], *arguments: Any) -> T:
    """Do the work in the thread for large messages, one after the other; what it raises is raised here."""
    return await asyncio.get_running_loop().run_in_executor(_THREAD, work, *arguments)
