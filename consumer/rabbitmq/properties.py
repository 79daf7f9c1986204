"""AMQP properties and plain Python: reading what a caller sent, writing what we publish.

Reading is tolerant: the AMQP library drops the whole connection on one short string that is not UTF-8 or on
an impossible timestamp, redelivery repeats it, and every neighbour's delivery count burns. So such bytes are
read around, and the message is marked.
"""

from __future__ import annotations

import struct
import time
import uuid
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from typing import Any

from aiormq.abc import DeliveredMessage
from pamqp import decode
from pamqp.commands import Basic
from pamqp.header import ContentHeader

from consumer.core.message import Message, Reply
from consumer.dead_letters.letter import of_broker, validated
from zeebe_amqp import __version__, wire
from zeebe_amqp.amqp.headers import Properties, table

APP_ID = f"zeebe-amqp-consumer/{__version__}"

_FLAWS = "malformed_properties"
"""Attribute of a content header that names the properties whose bytes made no sense, and why."""

_strict = ContentHeader.unmarshal

# The properties in the order of their flag bits, from the highest (AMQP 0-9-1, class basic).
_LAYOUT = (
    ("content_type", "shortstr"),
    ("content_encoding", "shortstr"),
    ("headers", "table"),
    ("delivery_mode", "octet"),
    ("priority", "octet"),
    ("correlation_id", "shortstr"),
    ("reply_to", "shortstr"),
    ("expiration", "shortstr"),
    ("message_id", "shortstr"),
    ("timestamp", "timestamp"),
    ("message_type", "shortstr"),
    ("user_id", "shortstr"),
    ("app_id", "shortstr"),
    ("cluster_id", "shortstr"),
)

_SPOKEN = {"message_type": "type"}
"""Properties that the library names otherwise than the protocol does."""

_FLAW = {
    "shortstr": "is not UTF-8 text",
    "table": "are not a table",
    "octet": "is missing",
}
"""What is wrong with a property of that kind; nobody needs a timestamp, so one that is no time is as if absent."""

# Bytes of a header value after its type tag; None: a length of four bytes comes first.
_VALUE_SIZES: dict[bytes, int | None] = {
    **dict.fromkeys((b"t", b"b", b"B"), 1),
    **dict.fromkeys((b"s", b"u", b"U"), 2),
    **dict.fromkeys((b"i", b"I", b"f"), 4),
    **dict.fromkeys((b"l", b"L", b"d", b"T"), 8),
    **dict.fromkeys((b"S", b"x", b"A", b"F"), None),
    b"D": 5,
    **dict.fromkeys((b"V", b"\x00"), 0),
}

_DELIVERY_MODES = (1, 2)
"""Transient and persistent; some brokers deliver others too, and none can be written."""

_MAX_ERROR_TEXT = 1024
"""Bytes of one error header of a dead letter."""

_LONGEST_NAME = 128
"""Bytes of a header's name that AMQP allows; brokers deliver longer ones too."""

_MAX_HEADERS = 64 * 1024
"""Bytes of all headers of a dead letter: they must fit into one frame of at least 128 KiB."""


def tolerate() -> None:
    """Make the AMQP library read content headers tolerantly, in the whole process; more than once is harmless."""
    ContentHeader.unmarshal = _unmarshal  # type: ignore[assignment,method-assign]


def _unmarshal(header: ContentHeader, data: bytes) -> None:
    try:
        _strict(header, data)
    except Exception:  # whatever the decoder trips over must not reach the connection
        header.class_id, header.weight, header.body_size = struct.unpack(">HHQ", data[0:12])
        header.properties = Basic.Properties()
        setattr(header, _FLAWS, _read_around(header.properties, data))


def _read_around(properties: Basic.Properties, data: bytes) -> tuple[str, ...]:
    """Read every property on its own; returns what is wrong with those that cannot be read."""
    flags, offset, malformed_properties = int.from_bytes(data[12:14], "big"), 14, []
    for bit, (name, kind) in enumerate(_LAYOUT):
        if not flags & (1 << (15 - bit)):
            continue
        end = offset + _size(data, offset, kind)
        try:
            setattr(properties, name, _read(data[offset:end], kind))
        except Exception:  # any failure to decode is the same flaw
            if kind in _FLAW:
                malformed_properties.append(f"{_SPOKEN.get(name, name)} {_FLAW[kind]}")
        offset = end
    return tuple(malformed_properties)


def _size(data: bytes, offset: int, kind: str) -> int:
    if kind == "shortstr":
        return 1 + int.from_bytes(data[offset : offset + 1], "big")
    if kind == "table":
        return 4 + int.from_bytes(data[offset : offset + 4], "big")
    return 8 if kind == "timestamp" else 1


def _read(data: bytes, kind: str) -> Any:
    return _read_table(data) if kind == "table" else decode.METHODS[kind](data)[1]


def _read_table(data: bytes) -> dict[str, Any]:
    """Read a header table without the entries that cannot be read, as long as it is clear where they end."""
    table: dict[str, Any] = {}
    offset = 4
    while offset < len(data):
        start = offset + 1 + data[offset]
        size = _VALUE_SIZES[data[start : start + 1]]
        end = start + 1 + (4 + int.from_bytes(data[start + 1 : start + 5], "big") if size is None else size)
        try:
            name = data[offset + 1 : start].decode()
            table[name] = decode.embedded_value(data[start:end])[1]
        except Exception:  # as if absent
            pass
        offset = end
    return table


def message(delivered: DeliveredMessage, queue: str, own: Collection[str] = ()) -> Message:
    """A delivered message as plain Python; `own` are the names under which we log in ourselves."""
    header = delivered.header
    properties = header.properties
    return Message(
        body=delivered.body,
        queue=queue,
        type=properties.message_type,
        content_type=properties.content_type,
        content_encoding=properties.content_encoding,
        reply_to=properties.reply_to or None,
        correlation_id=properties.correlation_id,
        message_id=properties.message_id,
        user_id=validated(properties.user_id, properties.headers or {}, own),
        app_id=properties.app_id,
        timestamp=properties.timestamp,
        priority=properties.priority,
        delivery_mode=properties.delivery_mode,
        headers=properties.headers or {},
        redelivered=delivered.redelivered is True,
        malformed_properties=getattr(header, _FLAWS, ()),
    )


def reply_properties(request: Message, reply: Reply, trace: Mapping[str, str]) -> Basic.Properties:
    """The properties of a reply, as the contract's section 3 lists them; `trace` are the trace context's headers."""
    return Properties(
        content_type=wire.CONTENT_TYPE,
        correlation_id=request.correlation_id or request.message_id,
        # The broker's returns are matched by message id, so no two attempts may share one.
        message_id=str(uuid.uuid4()),
        message_type=reply.type,
        timestamp=datetime.now(UTC),
        app_id=APP_ID,
        delivery_mode=request.delivery_mode if request.delivery_mode in _DELIVERY_MODES else None,
        priority=request.priority,
        expiration=_remaining(request),
        headers={**trace, **_status_headers(request, reply)},
    )


def _status_headers(request: Message, reply: Reply) -> dict[str, Any]:
    headers: dict[str, Any] = {
        wire.STATUS: "ok" if reply.error is None else "error",
        wire.DURATION_MS: max(0, round((time.time() - request.received) * 1000)),
    }
    if reply.error is not None:
        headers[wire.ERROR_CODE] = str(reply.error.code)
    if reply.replayed:
        headers[wire.REPLAYED] = True
    if (request_id := _known_request_id(request)) is not None:
        headers[wire.REQUEST_ID] = request_id
    return headers


def _known_request_id(request: Message) -> str | None:
    try:
        return request.request_id
    except Exception:  # whatever is wrong with it: the reply says so
        return None


_DAY_MS = 24 * 60 * 60 * 1000


def _remaining(request: Message) -> str | None:
    """Milliseconds until the caller's deadline as the wire wants them, between a second and a day; None without one."""
    try:
        deadline = request.deadline
    except Exception:  # whatever is wrong with it: the reply says so
        return None
    if deadline is None:
        return None
    return str(int(min(max((deadline - time.time()) * 1000, 1000), _DAY_MS)))


def dead_letter_properties(request: Message, reply: Reply) -> Basic.Properties:
    """The request's own properties, so that it can be sent again, and in headers why it is dead.

    Without `expiration`, which would delete it there; `user_id`, which only its owner may send, as a header.
    """
    return Properties(
        content_type=request.content_type,
        content_encoding=request.content_encoding,
        correlation_id=request.correlation_id,
        reply_to=request.reply_to,
        # A fresh id per publish matches the broker's returns; the request's own identity is kept as a header.
        message_id=str(uuid.uuid4()),
        message_type=request.type,
        timestamp=request.timestamp,
        app_id=request.app_id,
        delivery_mode=2,
        priority=request.priority,
        headers={**_encodable(_own(request.headers)), **_identity_headers(request), **_reason_headers(reply)},
    )


def _own(headers: Mapping[str, Any]) -> dict[str, Any]:
    """A request's headers without what only the broker or we may say about it; else a caller could claim anything."""
    return {name: value for name, value in headers.items() if name != wire.ORIGINAL_USER_ID and not of_broker(name)}


def _identity_headers(request: Message) -> dict[str, Any]:
    headers: dict[str, Any] = {}
    if (request_id := _known_request_id(request)) is not None:
        headers[wire.REQUEST_ID] = request_id
    if request.user_id:
        headers[wire.ORIGINAL_USER_ID] = request.user_id
    return headers


def _reason_headers(reply: Reply) -> dict[str, Any]:
    headers: dict[str, Any] = {wire.FAILED_AT: datetime.now(UTC).isoformat(timespec="milliseconds")}
    if reply.operation is not None:
        headers[wire.OPERATION] = reply.operation
    if reply.error is not None:
        headers[wire.ERROR_CODE] = str(reply.error.code)
        headers[wire.ERROR_MESSAGE] = reply.error.message
        headers[wire.ERROR_SOURCE] = str(reply.error.source)
        headers[wire.ERROR_OUTCOME] = str(reply.error.outcome)
    return {name: _cut(value) for name, value in headers.items()}


def _cut(text: str) -> str:
    return text.encode()[:_MAX_ERROR_TEXT].decode(errors="ignore")


def _encodable(headers: Mapping[str, Any]) -> dict[str, Any]:
    """Those headers that the library can write, as many as fit."""
    kept: dict[str, Any] = {}
    room = _MAX_HEADERS
    for name, value in headers.items():
        if len(name.encode()) > _LONGEST_NAME:  # the library would cut it, and another name is another header
            continue
        try:
            size = len(table({name: value}))
        except Exception:  # what cannot be written cannot be kept
            continue
        if size <= room:
            kept[name] = value
            room -= size
    return kept
