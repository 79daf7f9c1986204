"""A thread that does one thing after the other for an event loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from queue import SimpleQueue
from typing import Any, ParamSpec, TypeVar

__all__ = ["Worker"]

P = ParamSpec("P")
T = TypeVar("T")


class Worker:
    """Calls functions in a thread of its own, in the order in which they come.

    An executor does the same at three times the CPU: a future with a lock, a second future, and their callbacks,
    where a command costs two calls.

    Args:
        name: of the thread.
    """

    def __init__(self, name: str) -> None:
        self._calls: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        # A daemon, so that a process whose event loop died can end.
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def call(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> asyncio.Future[T]:
        """What `function` returns or raises, as a future of the running event loop; it is called in any case."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()

        def work() -> None:
            try:
                outcome = partial(_settle, future, future.set_result, function(*args, **kwargs))
            except BaseException as error:
                outcome = partial(_settle, future, future.set_exception, error)
            with suppress(RuntimeError):  # the event loop ended first, and with it whoever asked
                loop.call_soon_threadsafe(outcome)

        self._calls.put(work)
        return future

    def close(self) -> None:
        """End the thread once it has done everything."""
        self._calls.put(None)
        self._thread.join()

    def _run(self) -> None:
        while (work := self._calls.get()) is not None:
            work()


def _settle(future: asyncio.Future[Any], settle: Callable[[Any], None], outcome: object) -> None:
    if not future.done():
        settle(outcome)
