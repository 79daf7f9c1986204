"""Telling a real cancellation of a task from what only looks like one."""

from __future__ import annotations

import asyncio

__all__ = ["being_cancelled", "raise_if_cancelled"]


def being_cancelled() -> bool:
    """Whether somebody asked the current task to end; outside of a task, yes."""
    task = asyncio.current_task()
    return task is None or task.cancelling() > 0


def raise_if_cancelled() -> None:
    """End the current task when somebody asked for it; for after a library that turns a cancellation into an error."""
    if being_cancelled():
        raise asyncio.CancelledError
