"""The bytes of a broker: the same messages however they are cut, those that the library reads, and it gets the rest."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Iterator

from pamqp import commands, frame

from tests.fuzz.inputs import joined, parts
from tests.fuzz.target import Target
from tests.unit.contracts.amqp.broker import (
    ALL,
    BLOCKED,
    LOOKALIKE,
    MemoryTap,
    ack,
    closing,
    delivery,
    returned,
    states,
)
from zeebe_amqp.amqp.frames import HEARTBEAT

__all__ = ["FRAMES"]


def read(data: bytes) -> None:
    """How it is cut, then what a broker sends."""
    cuts, stream = parts(data, 2)
    asyncio.run(is_the_same(stream, cuts, bytes((1,)) * min(len(stream), 200)))


async def is_the_same(stream: bytes, *cuts: bytes) -> None:
    """However it is cut, the same comes of a stream."""
    whole = await received(stream, b"")
    for each in cuts:
        assert await received(stream, each) == whole


async def received(stream: bytes, cuts: bytes) -> object:
    """What came of a stream: deliveries, confirms, what the library heard, or why it was given up."""
    tap = MemoryTap()
    pieces, at = [], 0
    for size in cuts:
        pieces.append(stream[at : at + size])
        at += size
    try:
        tap.receive(*pieces, stream[at:])
    except (LookupError, struct.error):  # a method that is cut off: the loop ends the connection
        return "no AMQP"
    finally:
        tap.connection_lost(None)
    seen = [(each.tag, each.redelivered, each.size, each.body, each.header) for each in tap.consuming.delivered]
    ends = [str(each.ended) for each in (tap.consuming, tap.publishing)]
    heard = tap.library.heard.replace(HEARTBEAT, b"")
    found = (seen, states(*tap.confirms), ends, heard, tap.closing, tap.alarm.is_on)
    await asyncio.sleep(0)
    return found


def seeds() -> Iterator[bytes]:
    """What a broker sends."""
    for stream in (
        ALL,
        BLOCKED,
        delivery(1, b"x" * 100, 7),
        ack(1, channel=2),
        returned("a", b"x", channel=2),
        closing(),
        LOOKALIKE,
    ):
        yield joined(b"\x03\x10\x07", stream)
    yield joined(b"", frame.marshal(commands.Connection.Close(320, "CONNECTION_FORCED", 0, 0), 0))


WORDS = (
    HEARTBEAT, b"\xce\x01\0\1\0\0\0\x0c", b"\xce\x02\0\1\0\0\0\x0e", b"\xce\x03\0\1\0\0\0\1", b"\0\x3c\0\x3c",
    b"\0\x3c\0\x32",
    b"\0\x3c\0\x50", b"\0\x14\0\x28", b"\0\x14\0\x29", b"\0\x0a\0\x32", b"\0\x0a\0\x3c", b"\xff\xff\xff\xff",
    b"\0" * 8,
)  # fmt: skip

FRAMES = Target("frames", read, seeds, WORDS, share=0.3)
