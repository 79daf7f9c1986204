"""A TCP proxy that breaks: it holds, delays, cuts, stalls and resets what passes between two programs."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from enum import Enum
from typing import Any, Self, TypeAlias

from scripts.process import free_port
from tests.faults.streams import Cutting, Filter, pieces
from tests.integration.service import eventually

CHUNK = 1 << 20
PUBLISH = b"\x00\x3c\x00\x28"
"""What every basic.publish begins with in AMQP: class 60, method 40."""
ACK = b"\x00\x3c\x00\x50"
"""The same of basic.ack."""
PAUSE = 0.001
"""Seconds between two pieces, so that the receiver reads each by itself."""
WINDOW = 65_536
"""Bytes that the kernel takes from a client for the proxy; unlimited, a stall would take megabytes to be felt."""
INTRODUCTION = 4_096
"""Bytes at the beginning of what a client says, by which its connection is known."""
_RESET = struct.pack("ii", 1, 0)
_Stream: TypeAlias = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Way(Enum):
    """The two directions of a connection."""

    UP = "from the client to the server"
    DOWN = "from the server to the client"


class _Connection:
    """One client and its connection to the server."""

    def __init__(self, proxy: Proxy, client: _Stream, server: _Stream) -> None:
        self._proxy, self._number = proxy, proxy.made
        self._ends = {Way.UP: (client, server), Way.DOWN: (server, client)}
        self._left = proxy.limits.popleft() if proxy.limits else None
        self._filter = proxy.filtering and proxy.filtering()
        self._held: dict[Way, bytearray] = {}
        self._sizes: dict[Way, Iterator[int]] = {}
        self.introduction = b""
        self.frozen = False

    async def run(self) -> None:
        """Forward until an end closes, then close the other one."""
        pumps = [asyncio.create_task(self._pump(way)) for way in Way]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
            # What was held is lost with the connection, as in a network.
            self.reset()

    def reset(self) -> None:
        """End it with RST on both sides."""
        for _, writer in self._ends[Way.UP]:
            _abort(writer)

    def release(self) -> None:
        """Send on what was held."""
        for way, data in self._held.items():
            self._ends[way][1][1].write(bytes(data))
        self._held.clear()

    async def _pump(self, way: Way) -> None:
        (reader, _), (_, writer) = self._ends[way]
        with suppress(OSError):
            while data := await reader.read(CHUNK):
                await self._proxy.taking[way].wait()
                if self.frozen:
                    await asyncio.Event().wait()
                if self._proxy.delay:
                    await asyncio.sleep(self._proxy.delay)
                data = self._noted(way, data)
                if self._is_held(way, data):
                    self._held[way] += data
                    continue
                if self._left is not None:
                    self._left, data = self._left - len(data), data[: self._left]
                    if self._left <= 0:
                        writer.write(data)  # as much as the kernel takes: the end is not polite
                        return
                await self._send(way, data, writer)

    def _noted(self, way: Way, data: bytes) -> bytes:
        """What there is of the data for the proxy's purposes."""
        if way is Way.DOWN:
            return self._filter(data) if self._filter else data
        if self._proxy.watching:
            self._proxy.watching(data)
        self.introduction += data[: INTRODUCTION - len(self.introduction)]
        return data

    def _is_held(self, way: Way, data: bytes) -> bool:
        held, pattern = self._proxy.holding or (None, b"")
        if held is not way:
            return False
        if number := data.count(pattern) if pattern else 1:
            self._held.setdefault(way, bytearray())
            self._proxy.seen += number
        return way in self._held

    async def _send(self, way: Way, data: bytes, writer: asyncio.StreamWriter) -> None:
        if self._proxy.cutting is None:
            writer.write(data)
            await writer.drain()
            return
        if way not in self._sizes:
            self._sizes[way] = self._proxy.cutting(self._number)
        for piece in pieces(data, self._sizes[way]):
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(PAUSE)


class Proxy:
    """Listens on 127.0.0.1 and forwards to a port of it; use as an async context manager."""

    def __init__(self, target: int) -> None:
        self._target = target
        self.port = free_port()
        self.address = f"127.0.0.1:{self.port}"
        self.delay = 0.0
        """Seconds that each chunk waits, both ways."""
        self.cutting: Cutting | None = None
        """How what passes is cut into pieces; None = not at all. Sizes go on where they were on a connection."""
        self.filtering: Callable[[], Filter] | None = None
        """Makes what changes what the server says on connections made from now on, which are AMQP then."""
        self.watching: Callable[[bytes], object] | None = None
        """Is shown what clients say, as it comes."""
        self.holding: tuple[Way, bytes] | None = None
        self.seen = 0
        """Patterns (chunks, without a pattern) that are held."""
        self.taking = {way: asyncio.Event() for way in Way}
        """Which ways are open; a closed one stalls."""
        for way in Way:
            self.go_on(way)
        self.made = 0
        """Connections so far."""
        self.limits: deque[int] = deque()
        """The bytes after which each of the next connections ends."""
        self._connections: dict[Any, _Connection] = {}
        self._tasks: set[Any] = set()

    async def __aenter__(self) -> Self:
        listening = socket.create_server(("127.0.0.1", self.port))
        # Its connections inherit both; asyncio sets the second one only on sockets of its own making.
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, WINDOW)
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._server = await asyncio.start_server(self._accept, sock=listening)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._server.wait_closed()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        self._tasks.add(task)
        writers = [writer]
        # Nothing listens there, or it is cancelled, which the server's own callback would log as an error.
        with suppress(OSError, asyncio.CancelledError):
            try:
                server = await asyncio.open_connection("127.0.0.1", self._target, limit=CHUNK)
                writers.append(server[1])
                connection = self._connections[task] = _Connection(self, (reader, writer), server)
                self.made += 1
                await connection.run()
            finally:
                self._connections.pop(task, None)
                self._tasks.discard(task)
                for each in writers:
                    _abort(each)  # also where it was cut short: one that is left complains when its loop is gone

    def reset(self) -> None:
        """End every connection with RST; new ones work."""
        for connection in list(self._connections.values()):
            connection.reset()

    def freeze(self, introduction: bytes = b"") -> None:
        """Connections whose client began with this go silent for good without being closed (half-open); no new ones."""
        for connection in self._connections.values():
            connection.frozen = connection.frozen or introduction in connection.introduction

    def stall(self, way: Way) -> None:
        """Take nothing that comes that way, on all connections, until `go_on`: soon the sender cannot send any more."""
        self.taking[way].clear()

    def go_on(self, way: Way) -> None:
        """Take what comes that way again; nothing of it is lost."""
        self.taking[way].set()

    async def cut_after(self, *limits: int) -> None:
        """Reset all connections, then one new one after each of `limits` bytes, both ways together."""
        self.limits = deque(limits)
        self.reset()
        await eventually(lambda: not self.limits, f"new connections that end after {limits} bytes", pause=0.02)

    def hold(self, way: Way, pattern: bytes = b"") -> None:
        """From now on keep what goes that way, on each connection from the first chunk with `pattern` on."""
        self.holding, self.seen = (way, pattern), 0

    async def held(self, number: int) -> None:
        """Wait until `number` patterns (chunks, without a pattern) are held."""
        await eventually(lambda: self.seen >= number, f"{number} of {self.holding} held", pause=0.01)

    def release(self) -> None:
        """Hold nothing any more; what was held goes on where its connection still lives."""
        self.holding = None
        for connection in self._connections.values():
            connection.release()


def _abort(writer: asyncio.StreamWriter) -> None:
    sock = writer.get_extra_info("socket")
    if sock is not None and sock.fileno() >= 0:
        with suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    writer.transport.abort()
