"""What a broker sends, as the library writes it, and a channel and a tap that take it and keep what is written."""

from __future__ import annotations

import asyncio
import struct
from functools import cached_property
from types import SimpleNamespace
from typing import Any
from unittest.mock import AsyncMock

from pamqp import commands, frame
from pamqp.body import ContentBody
from pamqp.header import ContentHeader

from zeebe_amqp.amqp import tap
from zeebe_amqp.amqp.frames import HEARTBEAT
from zeebe_amqp.amqp.hot import HotChannel, Incoming
from zeebe_amqp.amqp.properties import Properties

PIECE = 4096 - 8
"""Bytes of a body that fit into the smallest frame."""


def content(body: bytes, piece: int = PIECE, channel: int = 1, **properties: object) -> bytes:
    """Header and body of a message, the body in pieces."""
    header = ContentHeader(0, len(body), commands.Basic.Properties(**properties))
    pieces = [ContentBody(body[at : at + piece]) for at in range(0, len(body), piece)]
    return b"".join(frame.marshal(each, channel) for each in (header, *pieces))


def delivery(tag: int, body: bytes = b"", piece: int = PIECE, *, channel: int = 1, **properties: object) -> bytes:
    """A delivery, redelivered where its tag is even."""
    method = commands.Basic.Deliver("consumer", tag, tag % 2 == 0, "exchange", "key")
    return frame.marshal(method, channel) + content(body, piece, channel, **properties)


def returned(message_id: str | None, body: bytes = b"", *, channel: int = 1) -> bytes:
    """A mandatory message that comes back."""
    method = commands.Basic.Return(312, "NO_ROUTE", "", "q")
    return frame.marshal(method, channel) + content(body, channel=channel, message_id=message_id)


def ack(tag: int, *, multiple: bool = False, channel: int = 1) -> bytes:
    """The broker has taken what was published."""
    return frame.marshal(commands.Basic.Ack(tag, multiple), channel)


def nack(tag: int, *, multiple: bool = False) -> bytes:
    """The broker has not taken what was published."""
    return frame.marshal(commands.Basic.Nack(tag, multiple), 1)


def closing(code: int = 404, text: str = "NOT_FOUND", *, channel: int = 1) -> bytes:
    """The broker closes a channel."""
    return frame.marshal(commands.Channel.Close(code, text, 60, 70), channel)


def split(data: bytes) -> list[tuple[int, int, bytes]]:
    """Kind, channel and payload of whole frames; each must end as a frame does."""
    found, at = [], 0
    while at < len(data):
        kind, channel, size = struct.unpack_from(">BHI", data, at)
        assert data[at + 7 + size] == 0xCE, f"frame at {at}"
        found.append((kind, channel, data[at + 7 : at + 7 + size]))
        at += 8 + size
    return found


BLOCKED = frame.marshal(commands.Connection.Blocked("low on memory"), 0)
UNBLOCKED = frame.marshal(commands.Connection.Unblocked(), 0)
CLOSED = frame.marshal(commands.Channel.CloseOk(), 1)

LOOKALIKE = BLOCKED + delivery(9, b"hot") + ack(1, channel=2) + closing() + UNBLOCKED
"""What a caller may put into a body."""

STREAM: list[tuple[bytes, bool]] = [
    (frame.marshal(commands.Connection.OpenOk(), 0), False),
    (HEARTBEAT, False),
    (delivery(1, b"first", message_id="m"), True),
    (frame.marshal(commands.Basic.Deliver("c", 1, False, "", "q"), 3) + content(LOOKALIKE, channel=3), False),
    (delivery(2, LOOKALIKE, 50), True),
    (ack(1, channel=2) + returned("b", LOOKALIKE, channel=2), True),
    (BLOCKED, False),
    (frame.marshal(commands.Basic.ConsumeOk("c"), 1), False),
    (ack(3, multiple=True, channel=2), True),
    (frame.marshal(ContentBody(b""), 3) + ack(7, channel=3) + HEARTBEAT, False),
    (delivery(3), True),
    (frame.marshal(commands.Channel.OpenOk(), 4), False),
]
"""What a broker sends, and whether it is of our channels, 1 and 2."""
ALL = b"".join(data for data, _ in STREAM)
THEIRS = b"".join(data for data, is_ours in STREAM if not is_ours)


class MemoryChannel(HotChannel):
    """Keeps what it delivers, and what it writes unless there is a tap."""

    def __init__(self, number: int = 1, tap: Any = None, **options: Any) -> None:
        self.written: list[bytes] = []
        self.delivered: list[Incoming] = []
        self.writer = tap or SimpleNamespace(write=self.written.append, is_writable=True, writable=AsyncMock())
        super().__init__(self.writer, number, 4096, **{"deliver": self.delivered.append, **options})

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
    def seen(self) -> list[tuple[int, int, bytes]]:
        """Tag, size and body of what was delivered."""
        return [(each.tag, each.size, each.body) for each in self.delivered]


def states(*confirms: asyncio.Future[None]) -> list[str]:
    """What came of publishes, in words."""
    errors = [confirm.exception() if confirm.done() else "waits" for confirm in confirms]
    return ["taken" if each is None else each if isinstance(each, str) else type(each).__name__ for each in errors]


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
        self.wire: Any = SimpleNamespace(
            write=self.written.append, is_closing=lambda: self.is_closing, get_extra_info=lambda _: None
        )
        super().__init__(self.library, asyncio.get_running_loop())
        self._time, self._fed = lambda: self.now, 0.0
        self.connection_made(self.wire)
        self.consuming, self.publishing = self.channel(1), self.channel(2)
        self.confirms = [self.publishing.send(name) for name in "abc"]

    def close(self) -> None:
        """Say so to who writes: a writer that is collected must be closed."""
        self.is_closing = True

    @cached_property
    def writer(self) -> asyncio.StreamWriter:
        """What the library writes with."""
        return tap._Writer(self.wire, self, self.library)

    def channel(self, number: int) -> MemoryChannel:
        """Another channel of ours."""
        channel = MemoryChannel(number, self)
        self.register(number, channel)
        return channel

    def receive(self, *pieces: bytes) -> None:
        """Take the bytes as they come."""
        for piece in pieces:
            self.data_received(piece)
