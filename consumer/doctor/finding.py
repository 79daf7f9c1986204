"""What the doctor says of one thing: how it is, what was found, what to change and why."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

__all__ = ["Finding", "Level", "Section", "some"]


MAX_SHOWN: Final = 5
"""Texts of a list that a finding repeats."""


def some(texts: Iterable[str]) -> str:
    """The first of a list, and how many more there are."""
    listed = list(texts)
    more = f" and {len(listed) - MAX_SHOWN} more" if len(listed) > MAX_SHOWN else ""
    return ", ".join(listed[:MAX_SHOWN]) + more


class Level(StrEnum):
    """How it is."""

    OK = "ok"
    UNSEEN = "not seen"
    """It cannot be told from here; the finding says where it can."""
    WARNING = "warning"
    """It works, and a promise is weaker than it could be, or something will not go well later."""
    PROBLEM = "problem"
    """It does not work, or requests may be lost or run twice."""


@dataclass(frozen=True)
class Finding:
    """The finding about one thing."""

    section: str
    subject: str
    level: Level
    found: str
    change: str = ""
    """What to do; empty when nothing is to be done."""
    why: str = ""
    """What happens otherwise."""


@dataclass(frozen=True)
class Section:
    """Makes the findings of one section."""

    name: str

    def ok(self, subject: str, found: str) -> Finding:
        """Nothing is to be done."""
        return Finding(self.name, subject, Level.OK, found)

    def unseen(self, subject: str, found: str, change: str, why: str) -> Finding:
        """It cannot be told from here; `change` says where to look, and what is right there."""
        return Finding(self.name, subject, Level.UNSEEN, found, change, why)

    def warning(self, subject: str, found: str, change: str, why: str) -> Finding:
        """See `Level.WARNING`."""
        return Finding(self.name, subject, Level.WARNING, found, change, why)

    def problem(self, subject: str, found: str, change: str, why: str) -> Finding:
        """See `Level.PROBLEM`."""
        return Finding(self.name, subject, Level.PROBLEM, found, change, why)
