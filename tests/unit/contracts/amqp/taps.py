"""A tap between a library and a transport that are none, and what a broker sends to it."""

from __future__ import annotations

import asyncio
from functools import cached_property
from typing import Any, Self

from pamqp import commands, frame
from pamqp.body import ContentBody
from pamqp.heartbeat import Heartbeat

from tests.unit.contracts.amqp.frames import ack, closing, content, delivery, returned
from zeebe_amqp.amqp import tap
from zeebe_amqp.amqp.frames import HEARTBEAT
from zeebe_amqp.amqp.hot import HotChannel, Incoming
from zeebe_amqp.amqp.properties import Properties

BLOCKED = frame.marshal(commands.Connection.Blocked("low on memory"), 0)
UNBLOCKED = frame.marshal(commands.Connection.Unblocked(), 0)
CLOSED = frame.marshal(commands.Channel.CloseOk(), 1)
REFUSED = b"AMQP\x00\x00\x09\x01"
PAGE = b"HTTP/1.1 400 Bad Request\r\n\r\n"

LOOKALIKE = BLOCKED + delivery(9, b"hot", channel=1) + ack(1, channel=2) + closing(channel=1) + UNBLOCKED
"""What a caller may put into a body."""

STREAM: list[tuple[bytes, bool]] = [
    (frame.marshal(commands.Connection.OpenOk(), 0), False),
    (HEARTBEAT, False),
    (delivery(1, b"first", channel=1, message_id="m"), True),
    (frame.marshal(commands.Basic.Deliver("c", 1, False, "", "q"), 3) + content(LOOKALIKE, channel=3), False),
    (delivery(2, LOOKALIKE, 50, channel=1), True),
    (ack(1, channel=2) + returned("b", LOOKALIKE, channel=2), True),
    (BLOCKED, False),
    (frame.marshal(commands.Basic.ConsumeOk("c"), 1), False),
    (ack(3, multiple=True, channel=2), True),
    (frame.marshal(ContentBody(b""), 3) + ack(7, channel=3) + frame.marshal(Heartbeat(), 0), False),
    (delivery(3, b"", channel=1), True),
    (frame.marshal(commands.Channel.OpenOk(), 4), False),
]
"""What a broker sends, and whether it is ours."""
ALL = b"".join(data for data, _ in STREAM)
THEIRS = b"".join(data for data, is_ours in STREAM if not is_ours)


class Clock:
    """The loop, with a time of its own."""

    def __init__(self) -> None:
        self.now = 0.0

    def time(self) -> float:
        return self.now

    def __getattr__(self, name: str) -> Any:
        return getattr(asyncio.get_running_loop(), name)


class Library(asyncio.StreamReader):
    """What the library reads."""

    def __init__(self) -> None:
        super().__init__(limit=2**30)
        self.heard = b""
        self.ended = False

    def feed_data(self, data: Any) -> None:
        self.heard += data
        super().feed_data(data)

    def feed_eof(self) -> None:
        self.ended = True
        super().feed_eof()


class FakeTransport(asyncio.Transport):
    """Keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []
        self.closing = False

    def write(self, data: Any) -> None:
        self.written.append(bytes(data))

    def is_closing(self) -> bool:
        return self.closing

    def close(self) -> None:
        self.closing = True


class TapScene:
    """A tap with two channels of ours: 1 is consumed, on 2 three messages are published; 3 is the library's."""

    def __init__(self) -> None:
        self.clock: Any = Clock()
        self.library, self.transport = Library(), FakeTransport()
        self.tap = tap.Tap(self.library, self.clock)
        self.tap.connection_made(self.transport)
        self.delivered: list[Incoming] = []
        self.consuming = self.channel(1, self.delivered)
        self.publishing = self.channel(2)
        self.confirms = [
            self.publishing.publish("", "q", Properties(message_id=name), b"", mandatory=True) for name in "abc"
        ]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.transport.close()

    @cached_property
    def writer(self) -> asyncio.StreamWriter:
        """What the library writes with."""
        return tap._Writer(self.transport, self.tap, self.library)

    def channel(self, number: int, delivered: list[Incoming] | None = None) -> HotChannel:
        deliver = (lambda _: None) if delivered is None else delivered.append
        channel = HotChannel(self.tap, number, 4096, deliver=deliver)
        self.tap.register(number, channel)
        return channel

    def receive(self, *pieces: bytes) -> None:
        for piece in pieces:
            self.tap.data_received(piece)

    @property
    def seen(self) -> list[tuple[int, int, bytes]]:
        return [(each.tag, each.size, each.body) for each in self.delivered]

    @property
    def answers(self) -> list[str]:
        return [type(each.exception()).__name__ if each.done() else "waits" for each in self.confirms]
