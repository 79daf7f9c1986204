"""The name of a reply queue: to which ones the service writes."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Final

__all__ = ["ALLOWED", "SERVER_NAMED", "is_allowed"]

ALLOWED: Final = ("*reply*", "*replies*", "*response*")
"""The patterns of names that are allowed unless the service's REPLY_ALLOW has others."""
SERVER_NAMED: Final = "amq.gen-"
"""Prefix of queue names that the broker itself gave out; they are always allowed."""


def is_allowed(name: str, patterns: Sequence[str] = ALLOWED) -> bool:
    """Whether replies may go to a queue of this name; capitals and small letters are the same."""
    lowered = name.lower()
    return name.startswith(SERVER_NAMED) or any(fnmatchcase(lowered, pattern.lower()) for pattern in patterns)
