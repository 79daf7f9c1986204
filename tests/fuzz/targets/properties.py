"""A delivery: whatever its header frame has, its reply, its dead letter and its records can be written."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from pamqp.header import ContentHeader

from consumer.config.values import globs
from consumer.core.message import Message, Reply
from consumer.core.seal import Seal, digest_of
from consumer.pipeline.ending import Ending
from consumer.rabbitmq import properties
from consumer.rabbitmq.reply_policy import refusal
from consumer.security.audit_record import MAX_ALL, Recorder
from consumer.telemetry import headers as trace_headers
from tests.fuzz.inputs import joined, parts
from tests.fuzz.target import Target
from tests.fuzz.targets.headers import VALUES, check_trace
from tests.integration.rawamqp import ORDER, SHORT, content, entry, short, table
from tests.unit.consumer.deliveries import FakeDelivery
from tests.unit.consumer.errors import failed
from zeebe_amqp import wire
from zeebe_amqp.amqp import frames
from zeebe_amqp.amqp.hot import Incoming
from zeebe_amqp.amqp.properties import NAMES, Properties

__all__ = ["PROPERTIES", "incoming"]

SEAL = Seal((b"k" * 32,))
FRAME = 128 * 1024 - frames.OVERHEAD - frames.PROPERTIES
"""Bytes of the properties that fit into one frame of the usual size."""
RECORDER = Recorder()
QUEUE = "zeebe.commands"


def incoming(header: bytes, body: bytes) -> Incoming:
    """The message with these properties, as they stand in its header frame."""
    message = Incoming(b"", 1, False)
    message.header, message.body, message.size = struct.pack(">HHQ", 60, 0, len(body)) + header, body, len(body)
    return message


def read(data: bytes) -> None:
    """The flags and properties of a header frame, and a body."""
    header, body = parts(data, 2)
    found = Properties.read(header)
    assert repr(Properties._read_around(header, 0)) == repr(found)
    agrees_with_library(header, found)
    if not found.malformed:
        again = Properties.read(kept(found).write())
        assert not again.malformed
        assert all(getattr(again, name) == getattr(found, name) for name in NAMES if name != "headers")
    request = properties.message(incoming(header, body), QUEUE, ["service"], SEAL)
    assert refusal(request.reply_to, own_queues={QUEUE}, allow=globs("*")) is None or request.reply_to
    check_written(request)


def kept(found: Properties) -> Properties:
    """The same with those headers that can be written."""
    return Properties(**{name: getattr(found, name) for name in NAMES if name != "headers"})


def check_written(request: Message) -> None:
    """The answers to it, good and bad, its dead letter, and the record in the audit."""
    delivery = FakeDelivery(request)
    trace = trace_headers.read(delivery)
    check_trace(trace)
    for reply in (Reply("topology", {}), Reply(None, error=failed(message=text_of(request)))):
        written = properties.reply_properties(request, reply, trace)
        assert len(written.write()) < FRAME
        letter = properties.dead_letter_properties(request, reply, SEAL, digest_of(request.kept_body))
        assert len(letter.write()) < FRAME
        again = Properties.read(letter.write())
        assert not again.malformed
        assert SEAL.verify((again.headers or {})[wire.SIGNATURE], "letter", again, again.headers or {}, QUEUE)  # type: ignore[arg-type]
        record = RECORDER.command(delivery, reply, Ending.DEAD_LETTERED)
        assert record.line.decode().isprintable()
        assert len(record.line) < 12 * MAX_ALL


def text_of(request: Message) -> str:
    """What its sender wrote that errors repeat."""
    return f"{request.type} {request.reply_to} {request.correlation_id}"


def agrees_with_library(header: bytes, found: Properties) -> None:
    """What the library can read, it reads as we do. The last two flags, which it looks at, mean nothing to a broker."""
    if len(header) > 4096 or (header[1:2] and header[1] & 3):
        return
    theirs = ContentHeader()
    try:
        theirs.unmarshal(struct.pack(">HHQ", 60, 0, 0) + header)
    except Exception:  # it raises whatever it trips over
        return
    for name in SHORT:
        value = getattr(theirs.properties, "message_type" if name == "type" else name)
        assert (getattr(found, name) or None) == (value or None), (name, getattr(found, name), value)
    time: Any = theirs.properties.timestamp
    if isinstance(time, datetime) and found.timestamp is not None:
        assert datetime.fromtimestamp(found.timestamp, UTC) == time.replace(microsecond=0), (found.timestamp, time)


def seeds() -> Iterator[bytes]:
    """Each property alone, all of them, and every type of header."""
    whole = {name: short(name.encode()) for name in SHORT} | {"delivery_mode": b"\2", "priority": b"\5"}
    whole |= {"timestamp": struct.pack(">Q", 1_700_000_000), "headers": table(entry(b"request-id", b"V", b""))}
    for name in ORDER:
        yield joined(content(**{name: whole[name]}), b"{}")
    yield joined(content(**whole), b'{"operation":"topology"}')
    for tag, value in VALUES.items():
        yield joined(content(headers=table(entry(b"deadline", tag, value), entry(b"x", tag, value))), b"")
    letter = properties.dead_letter_properties(
        Message(b"{}", queue=QUEUE, user_id="alice", headers={"a": 1}),
        Reply("topology", error=failed()),
        SEAL,
        bytes(32),
    )
    yield joined(letter.write(), b"{}")


WORDS = (
    *map(short, (b"amq.rabbitmq.reply-to", b"amq.gen-1", b"/queues/a%ff", b"/exchanges/a", b"\xff", b"service")),
    b"\xff\xff", b"\x80\0", b"\0\1", b"\0\0\0\0", b"\xff\xff\xff\xff", short(b"signature") + b"S", b"CC", b"BCC",
    b"x-death",
    *(entry(b"x", tag, value) for tag, value in VALUES.items()), short(b"traceparent") + b"S",
    short(b"deadline") + b"l",
)  # fmt: skip

PROPERTIES = Target("properties", read, seeds, WORDS, share=1)
