"""Telling a cancellation from what only looks like one."""

from __future__ import annotations

import asyncio

__all__ = ["being_cancelled"]


def being_cancelled() -> bool:
    """Whether somebody cancels this task; what it awaits may raise the same, or something else, on its own account."""
    task = asyncio.current_task()
    return task is None or task.cancelling() > 0
