"""Places that users share: each takes some, and none takes them all.

The thresholds move with what is free, as those of a switch do for the queues in its buffer (Choudhury and Hahne,
"Dynamic Queue Length Thresholds for Shared-Memory Packet Switches", 1998). A user may take one more while holding less
than is free: alone half of all, with another a third each. So there is room for the next user, nobody has to be known
beforehand, and what nobody uses is not kept for anybody.
"""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["Shares"]


class Shares:
    """A pool of places, or of bytes; every operation takes the same time, however many users there are.

    Args:
        size: how many places there are now. When it shrinks, those who hold more than they may keep what they have.
    """

    def __init__(self, size: Callable[[], int]) -> None:
        self._size = size
        self._held: dict[str | None, int] = {}
        """By user; without those who hold nothing. None is everybody who is not known."""
        self.taken = 0
        """Places that are taken, over all users."""

    @property
    def free(self) -> int:
        """Places that nobody holds; negative after the pool has shrunk."""
        return self._size() - self.taken

    @property
    def users(self) -> int:
        """How many users hold something."""
        return len(self._held)

    def held(self, user: str | None) -> int:
        """Places that `user` holds."""
        return self._held.get(user, 0)

    def is_within_share(self, user: str | None) -> bool:
        """Whether `user` holds less than is free."""
        return self._held.get(user, 0) < self.free

    def has_room(self, user: str | None, amount: int = 1, *, shared: bool = True) -> bool:
        """Whether `user` may take `amount` more; the first who comes may always, or what is large could never.

        Args:
            user: who asks.
            amount: how many.
            shared: whether the user's share counts; else only what is free does.
        """
        if not self.taken:
            return True
        return amount <= self.free and (not shared or self.is_within_share(user))

    def take(self, user: str | None, amount: int = 1) -> None:
        """Take places, whether there is room or not; `release` must follow."""
        self.taken += amount
        self._held[user] = self._held.get(user, 0) + amount

    def release(self, user: str | None, amount: int = 1) -> None:
        """Give back what was taken."""
        self.taken -= amount
        left = self._held[user] - amount
        if left:
            self._held[user] = left
        else:
            del self._held[user]
