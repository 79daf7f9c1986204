"""The users whose requests came: the ledger knows a request only together with its user, and cannot be searched."""

from __future__ import annotations

from typing import Final

__all__ = ["Senders"]

MAX_SENDERS: Final = 256
"""Users that are remembered; those that were new longest ago go first."""


class Senders:
    """Remembers users by the names that the broker validated."""

    def __init__(self) -> None:
        self._names: dict[str, None] = {}

    def note(self, name: str | None) -> None:
        """A request of this user came; None = of nobody."""
        if name is None or name in self._names:
            return
        if len(self._names) >= MAX_SENDERS:
            del self._names[next(iter(self._names))]
        self._names[name] = None

    @property
    def names(self) -> tuple[str, ...]:
        """Those that are remembered."""
        return tuple(self._names)
