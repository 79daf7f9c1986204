"""Those who wait, by user: users take turns, and what one user sent keeps its order."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable
from typing import Generic, TypeVar

__all__ = ["Turns"]

T = TypeVar("T")


class Turns(Generic[T]):
    """One line for each user who waits. With a single user it is a line like any other."""

    def __init__(self) -> None:
        # Not a dict, whose first key is the slower to find the more were taken before it.
        self._lines: OrderedDict[str | None, deque[T]] = OrderedDict()

    def __bool__(self) -> bool:
        return bool(self._lines)

    def add(self, user: str | None, item: T) -> None:
        """Stand behind what the same user has waiting."""
        line = self._lines.get(user)
        if line is None:
            line = self._lines[user] = deque()
        line.append(item)

    def take(self) -> T:
        """The next one.

        Raises:
            KeyError: nobody waits.
        """
        user, line = self._lines.popitem(last=False)
        item = line.popleft()
        if line:
            self._lines[user] = line
        return item

    def find(self, choose: Callable[[str | None, T], bool | None]) -> tuple[str | None, T] | None:
        """Take the first one that `choose` says yes to, looking at the first of each user in turn; None without one.

        It passes over a user at False, and ends the search at None.
        """
        for user, line in self._lines.items():
            chosen = choose(user, line[0])
            if chosen:
                self._lines.move_to_end(user, last=False)
                return user, self.take()
            if chosen is None:
                return None
        return None
