"""Replies as bytes: what is published again is what was published first, byte for byte."""

from __future__ import annotations

import asyncio
import logging
import zlib
from dataclasses import dataclass
from typing import Final

from consumer.core.message import Reply

__all__ = [
    "COMPRESSED",
    "MAX_PLAIN",
    "OFF_THE_LOOP",
    "PLAIN",
    "Stored",
    "pack",
    "pack_body",
    "queue_of",
    "to_stored",
    "unpack",
]

log = logging.getLogger(__name__)

COMPRESSED_FROM: Final = 2 * 1024
"""Bytes of a body that is worth compressing."""

MAX_COMPRESSED: Final = 256 * 1024
"""Bytes of a compressed body that is still kept."""

MAX_PLAIN: Final = 16 * 1024 * 1024
"""Bytes of a body that is worth the attempt."""

OFF_THE_LOOP: Final = 64 * 1024
"""Bytes of a body from which compressing it would hold up the event loop."""

PLAIN: Final = b"\0"
"""The first byte of a record, when its body follows as it is. The second is the length of the queue's name that comes
before it."""
COMPRESSED: Final = b"\1"
"""The first byte of a record, when its body follows compressed."""
NOT_KEPT: Final = b"\2"
"""The first byte of a record, when no body follows."""

MAX_NAME: Final = 255
"""Bytes of a queue's name, at most; AMQP has no longer ones."""


@dataclass(slots=True)
class Stored(Reply):
    """A reply with its encoded body, which is published as it is."""

    body: bytes = b""

    def encode(self) -> bytes:
        """The body, encoded once and for all."""
        return self.body


def to_stored(reply: Reply) -> Stored:
    """The reply together with its body."""
    if isinstance(reply, Stored):
        return reply
    return Stored(reply.operation, reply.data, reply.error, reply.replayed, reply.encode())


async def pack(body: bytes, queue: str = "") -> bytes:
    """The same as `pack_body`, beside the event loop."""
    return await asyncio.to_thread(pack_body, body, queue)


def pack_body(body: bytes, queue: str = "") -> bytes:
    """The bytes of a record for a reply's body; one that is too large leaves only a mark that it was there.

    Args:
        body: the reply's.
        queue: where the reply went, for whoever asks later.
    """
    name = queue.encode(errors="replace")[:MAX_NAME]
    to = bytes((len(name),)) + name
    if len(body) < COMPRESSED_FROM:
        return PLAIN + to + body
    if len(body) > MAX_PLAIN:
        return NOT_KEPT + to
    # Level 1: three times faster than the default, and nearly as small for JSON.
    compressed = zlib.compress(body, 1)
    return COMPRESSED + to + compressed if len(compressed) <= MAX_COMPRESSED else NOT_KEPT + to


def queue_of(record: bytes) -> str:
    """Where the reply of a record went; empty when nobody waited for one."""
    return record[2 : 2 + record[1]].decode(errors="replace") if len(record) > 1 else ""


async def unpack(record: bytes) -> Stored | None:
    """The reply of a record; None when it was too large to be kept, or can no longer be read."""
    if len(record) < COMPRESSED_FROM:
        return _unpack(record)
    return await asyncio.to_thread(_unpack, record)


def _unpack(record: bytes) -> Stored | None:
    kind = record[:1]
    if kind == NOT_KEPT:
        return None
    rest = record[2 + record[1] :] if len(record) > 1 else b""
    try:
        body = zlib.decompress(rest) if kind == COMPRESSED else rest
        reply = Reply.decode(body)
    except (ValueError, zlib.error) as error:
        fields = {"event": "ledger.unreadable", "error": str(error)}
        log.error("the ledger holds a reply that cannot be read: %s", error, extra=fields)
        return None
    return Stored(reply.operation, reply.data, reply.error, body=body)
