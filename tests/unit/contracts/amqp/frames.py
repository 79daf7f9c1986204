"""What a broker sends, as the library writes it."""

from __future__ import annotations

import struct

from pamqp import commands, frame
from pamqp.body import ContentBody
from pamqp.header import ContentHeader

from zeebe_amqp.amqp.frames import HEARTBEAT

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
