"""What comes back from a shared ledger: a reply, or nothing that can be read; and never more than was put in."""

from __future__ import annotations

import asyncio
import struct
import zlib
from collections.abc import Iterator
from unittest.mock import AsyncMock

from consumer.core.message import Message, Reply
from consumer.ledger import codec
from consumer.ledger.redis import RedisStore
from consumer.ledger.store import Found, LedgerRow
from consumer.rabbitmq.properties import reply_properties
from tests.fuzz.inputs import joined, number, parts
from tests.fuzz.target import Target
from tests.unit.consumer.errors import failed
from zeebe_amqp.commands import COMMANDS
from zeebe_amqp.errors import Outcome

__all__ = ["RECORD", "ROW"]

REQUEST = Message(b"{}", reply_to="replies", correlation_id="c")
ROW_OF_OURS = LedgerRow(bytes(16), bytes(32), bytes(16), 100.0)


def read_record(data: bytes) -> None:
    """A record, as any process or program left it there."""
    codec.log.disabled = True  # each one that cannot be read is told
    try:
        check_record(data)
        # What was kept compressed can be more than it was; a mutation seldom leaves it sound.
        if data[:1] == b"\x01":
            check_record(bytes((data[0], 0)) + zlib.compress(data[2:], 1))
    finally:
        codec.log.disabled = False


def check_record(record: bytes) -> None:
    """It is read, or it counts as gone; without its body it says the same of the command."""
    reply = codec._unpack(record)
    outcome = codec.outcome_of(record)
    assert outcome in (None, *Outcome)
    assert len(codec.queue_of(record)) <= codec.MAX_NAME
    assert 0 <= codec.size_of(record) <= len(record)
    mark = codec.to_mark(record[: codec.MAX_MARK])
    assert len(mark) <= codec.MAX_MARK
    assert (codec.outcome_of(mark), codec.queue_of(mark), codec.size_of(mark)) == (outcome, codec.queue_of(record), 0)
    assert codec._unpack(mark) is None
    if reply is not None:
        assert len(reply.encode()) <= codec.MAX_PLAIN
        assert codec.to_stored(reply) is reply
        again = codec._unpack(codec.pack_body(reply.encode(), "q", codec.ending_of(reply)))
        assert again == reply
        written = reply_properties(REQUEST, reply, {})
        assert len(written.write()) < 64 * 1024


def read_row(data: bytes) -> None:
    """What the scripts in Redis return: a digest, an owner, a record, whether he lives, how long it stays."""
    digest, owner, record, left = parts(data, 4)
    store = RedisStore("redis://localhost:1/0")
    store._claim = AsyncMock(return_value=[digest, owner, record or None, 1])
    store._find = AsyncMock(return_value=[digest, owner, record or None, 0, number(left)])
    for found in asyncio.run(both(store)):
        assert found is not None
        assert isinstance(found.owner, bytes)
        assert found.record == (record or None)


async def both(store: RedisStore) -> list[Found | None]:
    """What a claim finds, and who asks."""
    return [await store.claim(ROW_OF_OURS, 0.0, False), await store.find(bytes(16), 0.0)]


def record_seeds() -> Iterator[bytes]:
    """Records of every kind, and one of a version to come."""
    replies = [Reply(name, {"key": 2**60}) for name in COMMANDS] + [Reply(None, error=failed()), Reply("topology")]
    for reply in replies:
        for queue in ("", "replies", "ä" * 100):
            yield codec.pack_body(reply.encode(), queue, codec.ending_of(reply))
    long = Reply("topology", {"a": "x" * 5000}).encode()
    yield codec.pack_body(long, "replies")
    yield b"\x01\x00" + long
    yield codec.pack_body(bytes(codec.MAX_PLAIN + 1))
    yield b"\x13\x00" + b'{"operation":"topology","data":{},"more":1}'


def row_seeds() -> Iterator[bytes]:
    """Rows as the scripts write them."""
    for record in (b"", next(record_seeds())):
        yield joined(bytes(32), b"0f" * 16, record, struct.pack(">Q", 5000))


WORDS = (
    b"\x10\x00",
    b"\x21\x00",
    b"\x02\x00",
    b"\x00\xff",
    b'{"operation":',
    b'"error":{"code":"NOT_FOUND"}',
    b'"data":null',
    b"\x78\x01",
    b"null",
    b'"x"',
    b"[" * 600,
)

RECORD = Target("ledger-record", read_record, record_seeds, WORDS)
ROW = Target("ledger-row", read_row, row_seeds, (b"0f", b"\xff", b"OK"), share=0.1)
