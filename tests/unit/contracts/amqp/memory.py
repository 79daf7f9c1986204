"""A channel and a tap that no socket is behind: they keep what is written, and what they delivered."""

from __future__ import annotations

import asyncio
from functools import cached_property
from types import SimpleNamespace
from typing import Any
from unittest.mock import AsyncMock

from tests.unit.contracts.amqp.frames import split
from zeebe_amqp.amqp import tap
from zeebe_amqp.amqp.hot import HotChannel, Incoming
from zeebe_amqp.amqp.properties import Properties


class MemoryChannel(HotChannel):
    """A channel with number 1."""

    def __init__(self, **options: Any) -> None:
        self.written: list[bytes] = []
        self.delivered: list[Incoming] = []
        self.writer = SimpleNamespace(write=self.written.append, is_writable=True, writable=AsyncMock())
        super().__init__(self.writer, 1, 4096, **{"deliver": self.delivered.append, **options})

    def receive(self, data: bytes, which: slice = slice(None)) -> list[bytes]:
        """Take those of the frames; says which were for the library."""
        passed = []
        for kind, _, payload in split(data)[which]:
            if not self.take(kind, b"before" + payload + b"after", 6, 6 + len(payload)):
                passed.append(payload)
        return passed

    def send(self, message_id: str | None = None) -> asyncio.Future[None]:
        """Publish a message, mandatory where it has an id."""
        return self.publish("", "q", Properties(message_id=message_id), b"x", mandatory=message_id is not None)

    @property
    def bodies(self) -> list[bytes]:
        """Of what was delivered."""
        return [each.body for each in self.delivered]


def states(*confirms: asyncio.Future[None]) -> list[str]:
    """What came of publishes, in words."""
    found = []
    for confirm in confirms:
        error = confirm.exception() if confirm.done() else None
        found.append(type(error).__name__ if error else "taken" if confirm.done() else "waits")
    return found


class Library(asyncio.StreamReader):
    """What the library reads."""

    heard, ended = b"", False

    def feed_data(self, data: bytes) -> None:
        self.heard += data

    def feed_eof(self) -> None:
        self.ended = True


class MemoryTap(tap.Tap):
    """A tap with two channels of ours: 1 is consumed, on 2 three messages are published; 3 is the library's."""

    def __init__(self) -> None:
        self.now, self.is_closing, self.library = 0.0, False, Library()
        self.written: list[bytes] = []
        self.transport: Any = SimpleNamespace(
            write=self.written.append, is_closing=lambda: self.is_closing, get_extra_info=lambda _: None
        )
        loop = asyncio.get_running_loop()
        timed: Any = SimpleNamespace(
            time=lambda: self.now,
            call_soon=loop.call_soon,
            create_future=loop.create_future,
            get_debug=loop.get_debug,
        )
        super().__init__(self.library, timed)
        self.connection_made(self.transport)
        self.delivered: list[Incoming] = []
        self.consuming, self.publishing = self.channel(1, self.delivered), self.channel(2, [])
        self.confirms = [
            self.publishing.publish("", "q", Properties(message_id=name), b"", mandatory=True) for name in "abc"
        ]

    def close(self) -> None:
        """Say so to who writes: a writer that is collected must be closed."""
        self.is_closing = True

    @cached_property
    def writer(self) -> asyncio.StreamWriter:
        """What the library writes with."""
        return tap._Writer(self.transport, self, self.library)

    def channel(self, number: int, delivered: list[Incoming]) -> HotChannel:
        """Another channel of ours."""
        channel = HotChannel(self, number, 4096, deliver=delivered.append)
        self.register(number, channel)
        return channel

    def receive(self, *pieces: bytes) -> None:
        """Take the bytes as they come."""
        for piece in pieces:
            self.data_received(piece)

    @property
    def seen(self) -> list[tuple[int, int, bytes]]:
        """Tag, size and body of what was delivered."""
        return [(each.tag, each.size, each.body) for each in self.delivered]
