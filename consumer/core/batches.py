"""Batches: what is asked for while one is being done waits together, and is the next one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Generic, TypeAlias, TypeVar

__all__ = ["Batches", "End"]

T = TypeVar("T")
R = TypeVar("R")
End: TypeAlias = Callable[[list[R] | None, BaseException | None], None]
"""What is called when a batch has ended."""


class Batches(Generic[T, R]):
    """Does one batch after the other.

    Args:
        do: does a batch, and then calls the function with an answer for each of its items, or with what it raised.
        max_items: items of one batch.
    """

    def __init__(self, do: Callable[[list[T], End[R]], None], max_items: int) -> None:
        self._do = do
        self._max_items = max_items
        self._waiting: list[tuple[T, asyncio.Future[R]]] = []
        self._idle = asyncio.Event()
        self._idle.set()

    def put(self, item: T) -> asyncio.Future[R]:
        """The answer for `item`; it is done also when nobody waits for it any more.

        When a batch fails, everything in it and everything that waits fails with the same exception.
        """
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[R] = loop.create_future()
        self._waiting.append((item, answer))
        if self._idle.is_set():
            self._idle.clear()
            loop.call_soon(self._begin)  # what is asked for in this turn of the loop comes along
        return answer

    async def idle(self) -> None:
        """Wait until everything is done."""
        await self._idle.wait()

    def _begin(self) -> None:
        batch, self._waiting = self._waiting[: self._max_items], self._waiting[self._max_items :]
        if not batch:
            self._idle.set()
            return
        self._do([item for item, _ in batch], partial(self._end, batch))

    def _end(
        self, batch: list[tuple[T, asyncio.Future[R]]], outcomes: list[R] | None, error: BaseException | None
    ) -> None:
        if outcomes is None:
            self._refuse(batch, error or RuntimeError("no outcome"))
        else:
            for (_, answer), outcome in zip(batch, outcomes, strict=True):
                if not answer.done():
                    answer.set_result(outcome)
        self._begin()

    def _refuse(self, batch: list[tuple[T, asyncio.Future[R]]], error: BaseException) -> None:
        refused, self._waiting = [*batch, *self._waiting], []
        for _, answer in refused:
            if not answer.done():
                answer.set_exception(error)
