"""A thread that does one thing after the other for an event loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from queue import SimpleQueue
from typing import ParamSpec, TypeVar, cast

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
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()

        def settle(outcome: T | None, error: BaseException | None) -> None:
            if future.done():
                return
            if error is None:
                future.set_result(cast("T", outcome))
            else:
                future.set_exception(error)

        self.begin(partial(function, *args, **kwargs), settle)
        return future

    def begin(self, function: Callable[[], T], end: Callable[[T | None, BaseException | None], None]) -> None:
        """Call `function`, and then, in the running event loop, `end` with what it returned, or what it raised."""
        loop = asyncio.get_running_loop()

        def work() -> None:
            outcome, problem = None, None
            try:
                outcome = function()
            except BaseException as error:
                problem = error
            with suppress(RuntimeError):  # the event loop ended first, and with it whoever asked
                loop.call_soon_threadsafe(end, outcome, problem)

        self._calls.put(work)

    def close(self, timeout: float | None = None) -> None:
        """End the thread once it has done everything; waits for that, but no longer than `timeout` seconds."""
        self._calls.put(None)
        self._thread.join(timeout)

    def _run(self) -> None:
        while (work := self._calls.get()) is not None:
            work()
