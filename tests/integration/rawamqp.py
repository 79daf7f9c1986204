"""AMQP over a bare socket: a publisher whose property bytes may be anything.

The AMQP libraries cannot write what breaks their own readers. Here methods are written by pamqp and the content
header by hand.
"""

from __future__ import annotations

import asyncio
import struct
from typing import Self

from pamqp import commands, frame
from pamqp.body import ContentBody
from pamqp.header import ProtocolHeader
from yarl import URL

ORDER = (
    "content_type", "content_encoding", "headers", "delivery_mode", "priority", "correlation_id", "reply_to",
    "expiration", "message_id", "timestamp", "type", "user_id", "app_id", "cluster_id",
)  # fmt: skip
"""The properties in the order of their flag bits, from the highest."""

SHORT = tuple(name for name in ORDER if name not in {"headers", "delivery_mode", "priority", "timestamp"})
"""The properties that are short strings."""

_PIECE = 100_000
_HEADER, _END = 2, b"\xce"


class Refused(Exception):
    """The broker did not take the message; with what it said."""


def short(text: bytes) -> bytes:
    """A short string, whatever its bytes mean."""
    return bytes([len(text)]) + text


def entry(name: bytes, tag: bytes, value: bytes) -> bytes:
    """An entry of a header table: `tag` is the one-letter type of `value`."""
    return short(name) + tag + value


def text(value: bytes) -> bytes:
    """A long string, the value of an entry with the tag S."""
    return struct.pack(">I", len(value)) + value


def table(*entries: bytes) -> bytes:
    """A header table."""
    return text(b"".join(entries))


def content(**properties: bytes) -> bytes:
    """The property flags and the properties, each given as it stands on the wire."""
    flags = sum(1 << (15 - ORDER.index(name)) for name in properties)
    return struct.pack(">H", flags) + b"".join(properties[name] for name in ORDER if name in properties)


class RawPublisher:
    """One connection with one channel in confirm mode; use as an async context manager."""

    def __init__(self, url: str) -> None:
        self._url = URL(url)

    async def __aenter__(self) -> Self:
        self._reader, self._writer = await asyncio.open_connection(self._url.host, self._url.port)
        self._writer.write(ProtocolHeader().marshal())
        await self._next(commands.Connection.Start)
        login = f"\0{self._url.user}\0{self._url.password}"
        self._send(commands.Connection.StartOk({}, "PLAIN", login, "en_US"), 0)
        await self._next(commands.Connection.Tune)
        self._send(commands.Connection.TuneOk(channel_max=2047, frame_max=131072, heartbeat=0), 0)
        self._send(commands.Connection.Open(virtual_host="/"), 0)
        await self._next(commands.Connection.OpenOk)
        self._send(commands.Channel.Open(), 1)
        await self._next(commands.Channel.OpenOk)
        self._send(commands.Confirm.Select(), 1)
        await self._next(commands.Confirm.SelectOk)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._writer.close()
        await self._writer.wait_closed()

    async def publish(self, queue: str, body: bytes, header: bytes) -> None:
        """Send a message and wait for its confirm; `header` is what `content` gives.

        Raises:
            Refused: the broker closed the channel or the connection.
        """
        self._send(commands.Basic.Publish(routing_key=queue), 1)
        payload = struct.pack(">HHQ", 60, 0, len(body)) + header
        self._writer.write(struct.pack(">BHI", _HEADER, 1, len(payload)) + payload + _END)
        for start in range(0, len(body), _PIECE):
            self._writer.write(frame.marshal(ContentBody(body[start : start + _PIECE]), 1))
        await self._next(commands.Basic.Ack)

    def _send(self, method: frame.FrameTypes, channel: int) -> None:
        self._writer.write(frame.marshal(method, channel))

    async def _next(self, expected: type) -> object:
        head = await self._reader.readexactly(7)
        size = struct.unpack(">I", head[3:])[0]
        _, _, found = frame.unmarshal(head + await self._reader.readexactly(size + 1))
        if not isinstance(found, expected):
            raise Refused(str(getattr(found, "reply_text", found)))
        return found
