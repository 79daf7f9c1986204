"""An event loop on virtual time, for several processes in one: nothing in it waits, and chance is a seed's.

A process is everything that was begun in its context. Within a process callbacks keep their order, as in any event
loop; between processes chance decides who is next. A process can end or freeze between any two callbacks, so at every
await: one that has ended runs nothing more, not even what it would do at the end.
"""

from __future__ import annotations

import asyncio
import heapq
from collections import deque
from collections.abc import Callable, Coroutine
from contextlib import suppress
from contextvars import Context, ContextVar, copy_context
from random import Random
from typing import Any, TypeVar

T = TypeVar("T")

MAX_STEPS = 400_000
"""Callbacks of one run; who needs more goes round in circles."""


class Livelock(Exception):
    """Something is always ready, and time does not pass."""


class Process:
    """A process: what runs in it, in order.

    Args:
        name: for the history.
        ended: is called, by nobody's process, when it has died.
    """

    __slots__ = ("alive", "context", "ended", "ends_at", "frozen", "name", "ready", "steps")

    def __init__(self, name: str, ended: Callable[[], None] = lambda: None) -> None:
        self.name = name
        self.ended = ended
        self.alive, self.frozen = True, False
        self.steps = 0
        """Callbacks so far."""
        self.ends_at = 0
        """It dies in the place of this callback; 0: of none."""
        self.ready: deque[_Handle] = deque()
        self.context = copy_context()
        """What is begun in it belongs to the process."""
        self.context.run(CURRENT.set, self)


CURRENT: ContextVar[Process | None] = ContextVar("process", default=None)
"""Whose code runs."""


class _Handle:
    """What is to be called; also the handle of a timer."""

    __slots__ = ("args", "callback", "context", "is_cancelled", "process", "time")

    def __init__(
        self, callback: Callable[..., object], args: tuple[Any, ...], context: Context, process: Process, time: float
    ) -> None:
        self.callback, self.args, self.context, self.process, self.time = callback, args, context, process, time
        self.is_cancelled = False

    def cancel(self) -> None:
        self.is_cancelled = True
        self.callback, self.args = _nothing, ()

    def cancelled(self) -> bool:
        return self.is_cancelled

    def when(self) -> float:
        return self.time


def _nothing() -> None:
    pass


_Loop: Any = asyncio.AbstractEventLoop
"""What the service asks of it is less than that."""


class VirtualLoop(_Loop):  # type: ignore[misc]
    """See the module.

    Args:
        chance: decides which process is next.
    """

    def __init__(self, chance: Random) -> None:
        self._random = chance.random
        self._now = 0.0
        self._timers: list[tuple[float, int, _Handle]] = []
        self._number = 0
        self._runnable: list[Process] = []
        """Those with something ready; each once."""
        self.steps = 0
        self.world = Process("world")
        """What is outside of all processes: network, servers, callers."""
        self.tasks: list[tuple[Process, asyncio.Task[Any]]] = []
        self.troubles: list[str] = []
        """Exceptions that nobody took."""

    # --- what asyncio asks for ---------------------------------------------------------------------------------------

    def time(self) -> float:
        return self._now

    def get_debug(self) -> bool:
        return False

    def is_running(self) -> bool:
        return True

    def is_closed(self) -> bool:
        return False

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=self)

    def create_task(self, coro: Any, *, name: object = None, context: Context | None = None) -> asyncio.Task[Any]:
        task: asyncio.Task[Any] = asyncio.Task(coro, loop=self, context=context)
        process = CURRENT.get() if context is None else _process_in(context)
        if process is not None and process is not self.world:
            self.tasks.append((process, task))
        return task

    def call_soon(self, callback: Any, *args: Any, context: Context | None = None) -> Any:
        if context is None:
            context = copy_context()
        handle = _Handle(callback, args, context, _process_in(context) or self.world, self._now)
        self._make_ready(handle)
        return handle

    call_soon_threadsafe = call_soon

    def call_later(self, delay: float, callback: Any, *args: Any, context: Context | None = None) -> Any:
        return self.call_at(self._now + max(0.0, delay), callback, *args, context=context)

    def call_at(self, when: float, callback: Any, *args: Any, context: Context | None = None) -> Any:
        if context is None:
            context = copy_context()
        return self._call_at(_Handle(callback, args, context, _process_in(context) or self.world, when))

    def run_in_executor(self, executor: Any, func: Any, *args: Any) -> Any:
        """At once: what a thread would do takes no time here."""
        future = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as error:
            future.set_exception(error)
        return future

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        process = CURRENT.get()
        error = context.get("exception")
        if error is not None and (process is None or process.alive):
            self.troubles.append(f"{context['message']}: {error!r}")

    def get_exception_handler(self) -> Any:
        return None

    # --- what happens -----------------------------------------------------------------------------------------------

    def _call_at(self, handle: _Handle) -> _Handle:
        self._number += 1
        heapq.heappush(self._timers, (handle.time, self._number, handle))
        return handle

    def _make_ready(self, handle: _Handle) -> None:
        process = handle.process
        if not process.alive:
            return
        if not process.ready and not process.frozen:
            self._runnable.append(process)
        process.ready.append(handle)

    def outside(self, delay: float, callback: Callable[..., object], *args: Any) -> None:
        """Call something later that belongs to no process; delay in seconds."""
        self._call_at(_Handle(callback, args, self.world.context, self.world, self._now + delay))

    def kill(self, process: Process) -> None:
        """End a process where it is."""
        if not process.alive:
            return
        process.alive = False
        process.ready.clear()
        if process in self._runnable:
            self._runnable.remove(process)
        self.outside(0.0, process.ended)

    def freeze(self, process: Process) -> None:
        """Let nothing of a process run, until `thaw`."""
        process.frozen = True
        if process in self._runnable:
            self._runnable.remove(process)

    def thaw(self, process: Process) -> None:
        """Let it go on."""
        process.frozen = False
        if process.alive and process.ready and process not in self._runnable:
            self._runnable.append(process)

    def run_until_complete(self, future: Any) -> Any:
        """Run until it is done; what it gives.

        Raises:
            Livelock: time stood still for too long, or nothing was left to do.
        """
        asyncio._set_running_loop(self)
        try:
            main = self.world.context.run(self._begin, future)
            while not main.done():
                self._step()
            return main.result()
        finally:
            asyncio._set_running_loop(None)

    def _begin(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        return self.create_task(work)

    def _step(self) -> None:
        runnable = self._runnable
        if not runnable:
            self._advance()
            return
        self.steps += 1
        if self.steps > MAX_STEPS:
            raise Livelock(f"{MAX_STEPS} steps")
        at = int(self._random() * len(runnable)) if len(runnable) > 1 else 0
        process = runnable[at]
        handle = process.ready.popleft()
        process.steps += 1
        if process.steps == process.ends_at:
            self.kill(process)
            return
        if not process.ready:
            runnable[at] = runnable[-1]
            runnable.pop()
        try:
            handle.context.run(handle.callback, *handle.args)
        except Exception as error:
            self.troubles.append(f"in a callback: {error!r}")

    def _advance(self) -> None:
        """Let time pass until something is to be done."""
        timers = self._timers
        while timers and timers[0][2].is_cancelled:
            heapq.heappop(timers)
        if not timers:
            raise Livelock("nothing is left to do")
        self._now = max(self._now, timers[0][0])
        while timers and timers[0][0] <= self._now:
            handle = heapq.heappop(timers)[2]
            if not handle.is_cancelled:
                self._make_ready(handle)

    def close(self) -> None:
        """Let go of what processes left behind where they ended."""
        for process, _ in self.tasks:
            process.alive = False
        for _, task in self.tasks:
            if not task.done():
                _close(task)
        self._timers.clear()


def _process_in(context: Context) -> Process | None:
    found: Process | None = context.get(CURRENT, None)
    return found


def _close(task: asyncio.Task[Any]) -> None:
    coroutine: Any = task.get_coro()
    with suppress(RuntimeError):  # it awaits in a `finally`, and nobody is there any more who could
        coroutine.close()
