"""The client for code without an event loop: scripts, Django, Flask."""

from __future__ import annotations

import asyncio
import os
import threading
import weakref
from collections.abc import Callable, Coroutine, Mapping, Sequence
from concurrent.futures import Future
from datetime import timedelta
from types import TracebackType
from typing import Any, Self, TypeVar, Unpack

from zeebe_amqp import wire
from zeebe_amqp.client.client import Client, Options
from zeebe_amqp.client.transport import Transport
from zeebe_amqp.commands import Command

__all__ = ["SyncClient"]

T = TypeVar("T")
ResultT = TypeVar("ResultT")


class SyncClient:
    """A `Client` for code without an event loop. It takes the same arguments, and its methods block.

    It connects at the first call, in its own thread, and any number of threads may use it. After a fork (gunicorn,
    celery) the child opens its own connection, so one module-level client serves all processes. Use it as a context
    manager, or call `close` at the end.
    """

    def __init__(self, broker: str | Sequence[str] | Transport, **options: Unpack[Options]) -> None:
        self._make: Callable[[], Client] = lambda: Client(broker, **options)
        self._make()  # so that wrong arguments are told here
        self._inherited: list[object] = []
        self._running: _Running | None = None
        self._lock = threading.Lock()
        # A child has no such thread, and its lock may be one that nobody will open.
        me = weakref.ref(self)
        os.register_at_fork(after_in_child=lambda: _forget(me()))

    def _forget(self) -> None:
        # Kept, since collecting it would close what the parent uses.
        self._inherited.append(self._running)
        self._running = None
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        """Connect.

        Raises:
            CommandError: no broker could be reached, or it does not let us in; see `Client`.
        """
        self._connect()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self.close()

    def call(
        self,
        command: Command[ResultT],
        *,
        timeout: float | timedelta | None = None,
        request_id: str | None = None,
        trace_variable: str | None = None,
        priority: int | None = None,
    ) -> ResultT:
        """Execute a command and return its result; see `Client.call`."""
        return self._run(
            lambda client: client.call(
                command,
                timeout=timeout,
                request_id=request_id,
                trace_variable=trace_variable,
                priority=priority,
            )
        )

    def call_raw(
        self,
        body: bytes,
        *,
        timeout: float | timedelta | None = None,
        request_id: str | None = None,
        type: str | None = None,
        content_type: str = wire.CONTENT_TYPE,
        headers: Mapping[str, Any] | None = None,
        long_poll: bool = False,
        priority: int | None = None,
    ) -> bytes:
        """Send a body unchanged and return the body of the reply; see `Client.call_raw`."""
        return self._run(
            lambda client: client.call_raw(
                body,
                timeout=timeout,
                request_id=request_id,
                type=type,
                content_type=content_type,
                headers=headers,
                long_poll=long_poll,
                priority=priority,
            )
        )

    def send(
        self,
        command: Command[Any],
        *,
        timeout: float | timedelta | None = None,
        request_id: str | None = None,
        trace_variable: str | None = None,
        priority: int | None = None,
    ) -> str:
        """Publish a command without waiting for its result; see `Client.send`."""
        return self._run(
            lambda client: client.send(
                command,
                timeout=timeout,
                request_id=request_id,
                trace_variable=trace_variable,
                priority=priority,
            )
        )

    def close(self, grace: float | None = None) -> None:
        """Wait for pending calls and disconnect; see `Client.close`. The next call reconnects."""
        with self._lock:
            running, self._running = self._running, None
        if running is not None:
            try:
                running.wait(running.client.close(grace))
            finally:
                running.end()

    def _run(self, ask: Callable[[Client], Coroutine[Any, Any, T]]) -> T:
        running = self._connect()
        return running.wait(ask(running.client))

    def _connect(self) -> _Running:
        with self._lock:
            if self._running is None:
                running = _Running(self._make)
                try:
                    running.wait(running.client.__aenter__())
                except BaseException:
                    running.end()
                    raise
                self._running = running
            return self._running


def _forget(client: SyncClient | None) -> None:
    if client is not None:
        client._forget()


class _Running:
    """A client and the event loop it lives in, in a thread of its own."""

    def __init__(self, make: Callable[[], Client]) -> None:
        started: Future[asyncio.AbstractEventLoop] = Future()

        async def serve() -> None:
            self.client, self._ended = make(), asyncio.Event()
            started.set_result(asyncio.get_running_loop())
            await self._ended.wait()

        self._thread = threading.Thread(target=lambda: asyncio.run(serve()), name="zeebe-amqp", daemon=True)
        self._thread.start()
        self._loop = started.result()

    def wait(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """The coroutine's result; an interruption here ends it there."""
        future = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def end(self) -> None:
        """End the thread."""
        self._loop.call_soon_threadsafe(self._ended.set)
        self._thread.join()
