"""What users hold of a bounded place: when there is too much, those with the most give something up, nobody else."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from heapq import heapify, heappop, heappush
from typing import Final

__all__ = ["Holdings"]

SPARE: Final = 64
"""Outdated items of the heap that are not worth making it anew."""


class Holdings:
    """How much each user holds, as the buffers of a switch count their queues: the longest one is cut.

    So nobody who holds no more than an equal share of what may be kept loses anything, however much others bring.
    Adding is quick; finding those who hold the most takes no longer than the logarithm of the number of users, each.

    Args:
        amounts: what each user holds already.
    """

    def __init__(self, amounts: Iterable[tuple[bytes, int]] = ()) -> None:
        self._amounts = {user: amount for user, amount in amounts if amount > 0}
        self.total = sum(self._amounts.values())
        # Each user has an item with at least what he holds, or is among those who have got more since.
        self._heap: list[tuple[int, bytes]] = []
        self._grown: set[bytes] = set(self._amounts)

    def of(self, user: bytes) -> int:
        """How much he holds."""
        return self._amounts.get(user, 0)

    def add(self, user: bytes, amount: int) -> None:
        """He holds so much more, or less."""
        self.total += amount
        left = self._amounts.get(user, 0) + amount
        if left > 0:
            self._amounts[user] = left
            if amount > 0:
                self._grown.add(user)
        else:
            self.total -= left  # more was taken than we knew of
            self._amounts.pop(user, None)

    def reduce(self, maximum: int, limit: int, take: Callable[[bytes, int, int], int]) -> int:
        """Let those who hold the most give up what is too much, until they hold no more than the next one.

        Args:
            maximum: what all together may hold.
            limit: how many pieces may be taken.
            take: takes a user's oldest pieces until he holds so much less, and no more pieces than the third argument;
                calls `add`; returns how many pieces it took.

        Returns:
            How many pieces were taken.
        """
        taken = 0
        for user, surplus in self._surpluses(maximum, limit) if self.total > maximum else ():
            if self.total <= maximum or taken >= limit:
                break
            taken += take(user, surplus, limit - taken)
        return taken

    def _surpluses(self, maximum: int, limit: int) -> list[tuple[bytes, int]]:
        """Who holds more than can be left to each, and how much more; so many users at most, the largest first."""
        excess, held = self.total - maximum, 0
        largest: list[tuple[bytes, int]] = []
        ranking = self._ranking()
        first = next(ranking, None)
        level = following = 0
        while first is not None and len(largest) < limit:
            largest.append(first)
            held += first[1]
            first = next(ranking, None)
            level, following = (held - excess) // len(largest), first[1] if first else 0
            if level >= following:
                break
        ranking.close()
        # None of them holds less than the following one, so a piece of each may go in any case.
        return [(user, max(1, amount - max(level, following))) for user, amount in largest]

    def _ranking(self) -> Generator[tuple[bytes, int]]:
        """Each user with what he holds, the largest first; nothing may be added meanwhile."""
        self._rank_grown()
        seen: set[bytes] = set()
        try:
            while self._heap:
                negative, user = heappop(self._heap)
                amount = self.of(user)
                if user in seen or amount > -negative:
                    continue  # he has another item
                if amount < -negative:
                    if amount:
                        heappush(self._heap, (-amount, user))
                    continue
                seen.add(user)
                yield user, amount
        finally:
            self._grown |= seen  # they have no item any more

    def _rank_grown(self) -> None:
        if not self._heap or len(self._heap) + len(self._grown) > 2 * len(self._amounts) + SPARE:
            self._heap = [(-amount, user) for user, amount in self._amounts.items()]
            heapify(self._heap)
        else:
            for user in self._grown:
                heappush(self._heap, (-self.of(user), user))
        self._grown.clear()
