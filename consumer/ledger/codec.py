"""Replies as bytes: what is published again is what was published first, byte for byte."""

from __future__ import annotations

import asyncio
import logging
import zlib
from dataclasses import dataclass
from typing import Final

from consumer.core.message import Reply
from zeebe_amqp import wire
from zeebe_amqp.errors import Outcome

__all__ = [
    "COMPRESSED",
    "MAX_MARK",
    "MAX_PLAIN",
    "OFF_THE_LOOP",
    "PLAIN",
    "Stored",
    "ending_of",
    "outcome_of",
    "pack",
    "pack_body",
    "queue_of",
    "size_of",
    "to_mark",
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

FORM: Final = 0x0F
"""The bits of a record's first byte that say how its body follows; the others tell how the command ended. The second
byte is the length of the queue's name, which comes before the body."""
PLAIN: Final = 0
"""The form of a record whose body follows as it is."""
COMPRESSED: Final = 1
"""The form of a record whose body follows compressed."""
NOT_KEPT: Final = 2
"""The form of a record without a body."""

EXECUTED: Final = 0x10
REJECTED: Final = 0x20
"""Neither of the two: it may have been executed."""

MAX_NAME: Final = 255
"""Bytes of a queue's name, at most; AMQP has no longer ones."""

MAX_MARK: Final = 2 + MAX_NAME
"""Bytes of a record without its body, at most."""


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


def ending_of(reply: Reply) -> int:
    """What a record's first byte tells of the command, also when the body has gone."""
    if reply.error is None:
        return EXECUTED
    return REJECTED if reply.error.outcome is Outcome.NOT_EXECUTED else 0


async def pack(body: bytes, queue: str = "", ending: int = EXECUTED) -> bytes:
    """The same as `pack_body`, beside the event loop."""
    return await asyncio.to_thread(pack_body, body, queue, ending)


def pack_body(body: bytes, queue: str = "", ending: int = EXECUTED) -> bytes:
    """The bytes of a record for a reply's body; one that is too large leaves only a mark that it was there.

    Args:
        body: the reply's.
        queue: where the reply went, for whoever asks later.
        ending: of the reply, as `ending_of` tells it.
    """
    name = queue.encode(errors="replace")[:MAX_NAME]
    to = bytes((len(name),)) + name
    if len(body) < COMPRESSED_FROM:
        return bytes((PLAIN | ending,)) + to + body
    if len(body) <= MAX_PLAIN:
        # Level 1: three times faster than the default, and nearly as small for JSON.
        compressed = zlib.compress(body, 1)
        if len(compressed) <= MAX_COMPRESSED:
            return bytes((COMPRESSED | ending,)) + to + compressed
    return bytes((NOT_KEPT | ending,)) + to


def to_mark(record: bytes) -> bytes:
    """A record without its body; of the record its first `MAX_MARK` bytes are enough."""
    return bytes((NOT_KEPT | _first(record) & ~FORM,)) + record[1 : 2 + _length(record)]


def size_of(record: bytes) -> int:
    """What can be saved by giving up the body: the bytes of the record, 0 when it has none."""
    return len(record) if record and record[0] & FORM != NOT_KEPT else 0


def outcome_of(record: bytes) -> Outcome | None:
    """The outcome of a command whose reply is not kept; None when it was executed."""
    ending = _first(record) & ~FORM
    if ending == EXECUTED:
        return None
    return Outcome.NOT_EXECUTED if ending == REJECTED else Outcome.UNKNOWN


def _first(record: bytes) -> int:
    return record[0] if record else 0


def _length(record: bytes) -> int:
    """Bytes of the queue's name."""
    return record[1] if len(record) > 1 else 0


def queue_of(record: bytes) -> str:
    """Where the reply of a record went; empty when nobody waited for one."""
    return record[2 : 2 + _length(record)].decode(errors="replace")


async def unpack(record: bytes) -> Stored | None:
    """The reply of a record; None when it was not kept, or can no longer be read."""
    if len(record) < COMPRESSED_FROM:
        return _unpack(record)
    return await asyncio.to_thread(_unpack, record)


def _unpack(record: bytes) -> Stored | None:
    form = _first(record) & FORM
    if form == NOT_KEPT:
        return None
    rest = record[2 + _length(record) :]
    try:
        body = _decompress(rest) if form == COMPRESSED else rest
        reply = Reply.decode(body)
        _check(reply)
    except (ValueError, zlib.error) as error:
        fields = {"event": "ledger.unreadable", "error": str(error)}
        log.error("the ledger holds a reply that cannot be read: %s", error, extra=fields)
        return None
    return Stored(reply.operation, reply.data, reply.error, body=body)


def _decompress(data: bytes) -> bytes:
    """Of what several programs may write, no more is unpacked than was ever packed: some bytes can hold gigabytes."""
    reader = zlib.decompressobj()
    body = reader.decompress(data, MAX_PLAIN + 1)
    if len(body) > MAX_PLAIN or not reader.eof:
        raise ValueError(f"it is cut off, or has more than {MAX_PLAIN} bytes")
    return body


def _check(reply: Reply) -> None:
    """Refuse what no service wrote: it would be told as a success, or could not be told at all."""
    if reply.operation is None and reply.error is None:
        raise ValueError("it names no operation")
    if len(reply.type.encode()) > wire.MAX_TEXT:
        raise ValueError("the name of its operation is too long")
