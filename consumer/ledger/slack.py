"""When to look how much a ledger holds; not after each answer, because looking costs more than writing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

from consumer.ledger.entry import Limits, hash_user
from consumer.ledger.store import TRIMMED_AT_ONCE

__all__ = ["Allowance", "Slack", "unbounded"]

SLACK: Final = 100
"""A hundredth of what may be kept is written between two looks at how much there is, at most."""

Allowance: TypeAlias = Callable[[str | None], int | None]
"""Bytes of answers that are kept for a user; None: as many as there is room for."""


def unbounded(user: str | None) -> int | None:
    """No user has a limit of his own."""
    return None


@dataclass(slots=True)
class _Written:
    allowed: int
    size: int = 0


class Slack:
    """How much may still be written before the next look.

    Args:
        limits: of all users together.
        allowance: of each.
    """

    def __init__(self, limits: Limits, allowance: Allowance) -> None:
        self._allowance = allowance
        self._max_rows = min(limits.max_entries // SLACK, TRIMMED_AT_ONCE // 2)
        self._max_bytes = limits.max_bytes // SLACK
        self._rows = self._bytes = 0
        self._users: dict[str | None, _Written] = {}

    def is_used_up(self, user: str | None, size: int) -> bool:
        """Whether there is none left after a row of `size` bytes for `user`."""
        self._rows += 1
        self._bytes += size
        return (
            (size > 0 and self._is_users_used_up(user, size))
            or self._rows > self._max_rows
            or self._bytes > self._max_bytes
        )

    def _is_users_used_up(self, user: str | None, size: int) -> bool:
        allowed = self._allowance(user)
        if allowed is None:
            return False
        written = self._users.setdefault(user, _Written(allowed))
        written.allowed = allowed
        written.size += size
        return written.size > allowed // SLACK

    def renew(self) -> dict[bytes, int]:
        """Begin anew; the bytes that are allowed to those who have written and have a limit of their own."""
        users, self._users = self._users, {}
        self._rows = self._bytes = 0
        return {hash_user(user): written.allowed for user, written in users.items()}
