"""What a broker sends, as the library writes it, and a writer that keeps what is written."""

from __future__ import annotations

import struct

from pamqp import commands, frame
from pamqp.body import ContentBody
from pamqp.header import ContentHeader

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


def nack(tag: int, *, multiple: bool = False, channel: int = 1) -> bytes:
    """The broker has not taken what was published."""
    return frame.marshal(commands.Basic.Nack(tag, multiple), channel)


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


def frame_of(found: tuple[int, int, bytes]) -> bytes:
    """The frame that `split` found."""
    kind, channel, payload = found
    return struct.pack(">BHI", kind, channel, len(payload)) + payload + b"\xce"


class FakeWriter:
    """Keeps what is written; takes no more while a test says so."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.is_writable = True

    def write(self, data: bytes) -> None:
        self.written.append(data)

    async def writable(self) -> None:
        """Nothing ever has to wait."""
