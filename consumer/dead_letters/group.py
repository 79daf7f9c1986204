"""Dead letters of one cause, counted together."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from consumer.dead_letters.letter import DeadLetter, Signature
from zeebe_amqp.schema.formatting import truncate

__all__ = ["MAX_REASON", "Group", "Groups", "fold"]

MAX_REASON: Final = 200
"""Characters of a reason, at most."""
_MAX_READ: Final = 2048
"""Characters of a message that are read for it; the service writes half as many."""
_MARK: Final = "#"
"""Stands for an id, a key, a number or a time."""

_UUID: Final = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_WORD: Final = re.compile(r"[^\W_]+")
_JOINED: Final = re.compile(r"#(?:[-.:,+]#)+")
_NEVER: Final = datetime.min.replace(tzinfo=UTC)


def fold(message: str) -> str:
    """The reason in an error's message: equal for messages that differ only in ids, keys, numbers and times.

    Each word with a digit becomes "#", and so does a UUID, or several of them with "-", ".", ":", "," or "+" between.
    Names without digits stay, because another process is another cause. White space becomes one blank.
    """
    text = " ".join(message[:_MAX_READ].split())
    marked = _WORD.sub(_mark, _UUID.sub(_MARK, text))
    return truncate(_JOINED.sub(_MARK, marked), MAX_REASON)


def _mark(word: re.Match[str]) -> str:
    return _MARK if any(map(str.isdecimal, word[0])) else word[0]


@dataclass
class Group:
    """Letters with one code, reason and operation, and equally certain."""

    code: str | None
    reason: str
    operation: str | None
    example: str
    """The id of the newest of them."""
    count: int = 0
    oldest: datetime | None = None
    newest: datetime | None = None
    """When they were given up; None when nothing tells."""
    signature: Signature | None = None
    """Whether the reason is proven; None when it is the broker's."""

    def add(self, letter: DeadLetter) -> None:
        """Count a letter."""
        self.count += 1
        failed = letter.failed_at
        if failed is None:
            return
        if self.oldest is None or failed < self.oldest:
            self.oldest = failed
        if self.newest is None or failed >= self.newest:
            self.newest, self.example = failed, letter.id


class Groups:
    """Counts letters by code, reason and operation."""

    def __init__(self) -> None:
        self._groups: dict[tuple[str | None, str, str | None, Signature | None], Group] = {}

    def add(self, letter: DeadLetter) -> None:
        """Count a letter."""
        code, reason, operation = letter.code, fold(letter.message or ""), letter.operation
        group = Group(code, reason, operation, letter.id, signature=letter.signature)
        group = self._groups.setdefault((code, reason, operation, letter.signature), group)
        group.add(letter)

    def ordered(self) -> list[Group]:
        """The largest group first; of groups of one size the one with the newest letter."""
        return sorted(self._groups.values(), key=lambda each: (each.count, each.newest or _NEVER), reverse=True)
