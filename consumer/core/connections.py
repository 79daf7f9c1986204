"""Connections of a server: only so many at a time, and none is kept that says nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, cast

__all__ = ["MAX_CONNECTIONS", "SILENCE", "Connections"]

MAX_CONNECTIONS: Final = 64
"""Connections at a time."""
SILENCE: Final = 10.0
"""Seconds for the head of a request, from the connection's begin or the end of the request before; and for a peer that
takes nothing of an answer."""


class Connections:
    """A factory of protocols for `loop.create_server`: each is a bounded connection around one of `make`.

    When there are too many, the one that has waited longest for a request makes room. Where all are at work, the new
    one is closed.

    Args:
        make: makes the protocol inside.
        maximum: how many there are at a time.
        silence: seconds for which one may wait for a request.
    """

    def __init__(
        self, make: Callable[[], asyncio.Protocol], *, maximum: int = MAX_CONNECTIONS, silence: float = SILENCE
    ) -> None:
        self._make = make
        self._maximum = maximum
        self._silence = silence
        self._open: dict[asyncio.BaseTransport | None, _Connection] = {}
        self._waiting: dict[_Connection, None] = {}
        """Those that wait for a request or the rest of one, in the order in which they began to."""

    def __call__(self) -> asyncio.Protocol:
        """The protocol of a new connection."""
        return _Connection(self, self._make())

    def __len__(self) -> int:
        """How many are open."""
        return len(self._open)

    @contextmanager
    def serving(self, transport: asyncio.BaseTransport | None) -> Iterator[None]:
        """A request of that connection is answered in the block: its time begins when that ends."""
        connection = self._open.get(transport)
        if connection is None:  # it is gone already
            yield
            return
        connection.pause()
        self._waiting.pop(connection, None)
        try:
            yield
        finally:
            if transport in self._open:
                self._wait(connection)

    @contextmanager
    def reading(self, transport: asyncio.BaseTransport | None) -> Iterator[None]:
        """The body of a request is waited for in the block: its connection may have to make room meanwhile."""
        connection = self._open.get(transport)
        if connection is not None:
            self._waiting[connection] = None
        try:
            yield
        finally:
            if connection is not None:
                self._waiting.pop(connection, None)

    def add(self, connection: _Connection, transport: asyncio.Transport) -> bool:
        """Take over a new connection; false when there is no room."""
        if len(self._open) >= self._maximum:
            silent = next(iter(self._waiting), None)
            if silent is None:
                return False
            silent.end()
        self._open[transport] = connection
        self._wait(connection)
        return True

    def _wait(self, connection: _Connection) -> None:
        self._waiting[connection] = None
        connection.wait(self._silence)

    def remove(self, connection: _Connection, transport: asyncio.BaseTransport | None) -> None:
        """It is closed, or as good as closed."""
        self._open.pop(transport, None)
        self._waiting.pop(connection, None)


class _Connection(asyncio.Protocol):
    """Passes everything on to the protocol inside, and ends when it waits for too long."""

    def __init__(self, connections: Connections, inside: asyncio.Protocol) -> None:
        self._connections = connections
        self._inside = inside
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._unread = 0
        """Bytes that the peer had not taken when it was looked at last."""

    def wait(self, seconds: float) -> None:
        """End in so many seconds, unless a request comes."""
        self._timer = asyncio.get_running_loop().call_later(seconds, self._look, seconds)

    def pause(self) -> None:
        """A request has come."""
        if self._timer is not None:
            self._timer.cancel()

    def _look(self, seconds: float) -> None:
        assert self._transport is not None
        unread, before = self._transport.get_write_buffer_size(), self._unread
        self._unread = unread
        if unread and unread != before:  # the peer takes an answer, or has just begun to
            self.wait(seconds)
        else:
            self.end()

    def end(self) -> None:
        """Close it now, whatever was to be sent."""
        self.pause()
        self._connections.remove(self, self._transport)
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin, if there is room."""
        self._transport = made = cast("asyncio.Transport", transport)
        self._inside.connection_made(made)
        if not self._connections.add(self, made):
            made.abort()

    def data_received(self, data: bytes) -> None:
        """Pass on."""
        self._inside.data_received(data)

    def eof_received(self) -> bool | None:
        """Pass on."""
        return self._inside.eof_received()

    def pause_writing(self) -> None:
        """Pass on."""
        self._inside.pause_writing()

    def resume_writing(self) -> None:
        """Pass on."""
        self._inside.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it, and pass on."""
        self.pause()
        self._connections.remove(self, self._transport)
        self._inside.connection_lost(exc)
