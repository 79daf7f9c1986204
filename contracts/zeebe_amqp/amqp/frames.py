"""The frames of messages and of what acknowledges them, as bytes and as values: pure, nothing waits or sends.

A frame is its kind, its channel and the size of its payload, the payload, and one byte that ends it. A message is three
or more of them: a method that says where it goes, a header with its size and properties, and its body in pieces.
"""

from __future__ import annotations

import struct
from typing import Final

from zeebe_amqp.amqp.short_text import write_short

__all__ = [
    "ACK",
    "BLOCKED",
    "BODY",
    "CLOSE",
    "CLOSE_OK",
    "CONNECTION_CLOSE",
    "DELIVER",
    "END",
    "GET_EMPTY",
    "GET_OK",
    "HEAD",
    "HEADER",
    "HEARTBEAT",
    "KINDS",
    "METHOD",
    "NACK",
    "OVERHEAD",
    "PROPERTIES",
    "RETURN",
    "UNBLOCKED",
    "read_address",
    "read_closing",
    "read_confirm",
    "read_delivery",
    "read_method",
    "read_reason",
    "read_size",
    "write_ack",
    "write_get",
    "write_message",
    "write_nack",
    "write_reject",
]

METHOD: Final = 1
"""The kind of a frame with a method."""
HEADER: Final = 2
"""The kind of a frame with a message's properties."""
BODY: Final = 3
"""The kind of a frame with a piece of a message's body."""
_HEARTBEAT: Final = 8
KINDS: Final = frozenset({METHOD, HEADER, BODY, _HEARTBEAT})
"""Every kind of frame; what begins otherwise is not AMQP, or its refusal."""
END: Final = 0xCE
"""The last byte of every frame."""
HEAD: Final = struct.Struct(">BHI")
"""Kind, channel, bytes of the payload."""
OVERHEAD: Final = HEAD.size + 1
"""Bytes of a frame beside its payload."""
HEARTBEAT: Final = HEAD.pack(_HEARTBEAT, 0, 0) + bytes((END,))
"""The frame that says only that its sender lives."""

_BASIC: Final = 60
_METHOD: Final = struct.Struct(">I")
"""How the payload of a method frame begins: class and method, here as one number."""
BLOCKED: Final = 10 << 16 | 60
"""connection.blocked: an alarm of the broker."""
UNBLOCKED: Final = 10 << 16 | 61
"""connection.unblocked: its end."""
CLOSE: Final = 20 << 16 | 40
"""channel.close."""
CLOSE_OK: Final = 20 << 16 | 41
"""channel.close-ok."""
CONNECTION_CLOSE: Final = 10 << 16 | 50
"""connection.close."""
RETURN: Final = _BASIC << 16 | 50
"""basic.return."""
DELIVER: Final = _BASIC << 16 | 60
"""basic.deliver."""
GET_OK: Final = _BASIC << 16 | 71
"""basic.get-ok."""
GET_EMPTY: Final = _BASIC << 16 | 72
"""basic.get-empty."""
ACK: Final = _BASIC << 16 | 80
"""basic.ack."""
REJECT: Final = _BASIC << 16 | 90
"""basic.reject."""
NACK: Final = _BASIC << 16 | 120
"""basic.nack."""

_TAG: Final = struct.Struct(">QB")
"""A delivery tag, and a byte of flags."""
_CONTENT: Final = struct.Struct(">HHQ")
"""How the payload of a header frame begins: class, weight, bytes of the body."""
_SETTLE: Final = struct.Struct(">BHIIQBB")
_SETTLE_SIZE: Final = 13
_PUBLISH: Final = (_BASIC << 16 | 40).to_bytes(4, "big") + b"\0\0"
_GET: Final = (_BASIC << 16 | 70).to_bytes(4, "big") + b"\0\0"
_REQUEUE: Final = 2
_REQUEUE_REJECTED: Final = 1


def read_method(data: bytes, at: int) -> int:
    """Which method the payload at `at` is, as one of the constants here; 0 for one that is cut off."""
    return int(_METHOD.unpack_from(data, at)[0]) if len(data) - at >= _METHOD.size else 0


def read_delivery(method: bytes) -> tuple[int, bool]:
    """The delivery tag of a deliver or get-ok method, and whether it was delivered before."""
    at = 5 + method[4] if _METHOD.unpack_from(method)[0] == DELIVER else 4
    tag, redelivered = _TAG.unpack_from(method, at)
    return tag, bool(redelivered & 1)


def read_address(method: bytes) -> tuple[str, str, int]:
    """Exchange and routing key of a deliver or get-ok method; how many messages are behind it, 0 for a deliver."""
    is_delivery = _METHOD.unpack_from(method)[0] == DELIVER
    at = (5 + method[4] if is_delivery else 4) + _TAG.size
    start = at + 1 + method[at]
    end = start + 1 + method[start]
    behind = 0 if is_delivery else int.from_bytes(method[end : end + 4], "big")
    return _decode(method[at + 1 : start]), _decode(method[start + 1 : end]), behind


def _decode(name: bytes) -> str:
    return name.decode(errors="replace")


def read_reason(method: bytes) -> str:
    """Why a return method came, in the broker's words."""
    start = _METHOD.size + 3
    return _decode(method[start : start + method[start - 1]])


def read_closing(method: bytes) -> tuple[int, str]:
    """Why the broker closed a channel or the connection: its code, and its words."""
    start = _METHOD.size + 3
    return int.from_bytes(method[4:6], "big"), _decode(method[start : start + method[start - 1]])


def read_confirm(data: bytes, at: int) -> tuple[int, bool]:
    """The delivery tag of the ack or nack whose payload is at `at`, and whether it is for all before, too."""
    tag, flags = _TAG.unpack_from(data, at + _METHOD.size)
    return tag, bool(flags & 1)


def read_size(header: bytes) -> int:
    """Bytes of the body that the payload of a header frame announces; the properties follow at `PROPERTIES`."""
    return int(_CONTENT.unpack_from(header)[2])


PROPERTIES: Final = _CONTENT.size
"""Where in the payload of a header frame the properties begin."""


def write_ack(channel: int, tag: int) -> bytes:
    """Acknowledge one delivery."""
    return _SETTLE.pack(METHOD, channel, _SETTLE_SIZE, ACK, tag, 0, END)


def write_nack(channel: int, tag: int, *, multiple: bool = False, requeue: bool = True) -> bytes:
    """Give a delivery back to its queue, or reject it; with `multiple` all up to it, and with tag 0 all there are."""
    return _SETTLE.pack(METHOD, channel, _SETTLE_SIZE, NACK, tag, _REQUEUE * requeue | multiple, END)


def write_reject(channel: int, tag: int) -> bytes:
    """Give a delivery back to its queue as one that failed."""
    return _SETTLE.pack(METHOD, channel, _SETTLE_SIZE, REJECT, tag, _REQUEUE_REJECTED, END)


def write_get(channel: int, queue: str) -> bytes:
    """Ask for one message of a queue; it must be acknowledged."""
    return _frame(METHOD, channel, _GET + write_short(queue, "the name of a queue") + b"\0")


def write_message(
    channel: int, exchange: str, routing_key: str, properties: bytes, body: bytes, *, mandatory: bool, frame_max: int
) -> bytes:
    """Publish a message.

    Args:
        channel: its number.
        exchange: where it goes.
        routing_key: where it goes from there.
        properties: as `Properties.write` gives them.
        body: of any size; it is cut into frames.
        mandatory: whether it comes back when no queue takes it.
        frame_max: bytes of a frame that the broker takes, at most.

    Raises:
        ValueError: the properties do not fit into one frame, or a name is longer than 255 bytes.
    """
    if len(properties) + _CONTENT.size + OVERHEAD > frame_max:
        raise ValueError(f"properties and headers: {len(properties)} bytes do not fit into one frame of {frame_max}")
    method = b"".join(
        (
            _PUBLISH,
            write_short(exchange, "the name of an exchange"),
            write_short(routing_key, "a routing key"),
            b"\1" if mandatory else b"\0",
        )
    )
    header = _CONTENT.pack(_BASIC, 0, len(body)) + properties
    piece = frame_max - OVERHEAD
    parts = [HEAD.pack(METHOD, channel, len(method)), method, _END, HEAD.pack(HEADER, channel, len(header)), header]
    for start in range(0, len(body), piece):
        chunk = body[start : start + piece] if len(body) > piece else body
        parts += (_END, HEAD.pack(BODY, channel, len(chunk)), chunk)
    parts.append(_END)
    return b"".join(parts)


_END: Final = bytes((END,))


def _frame(kind: int, channel: int, payload: bytes) -> bytes:
    return HEAD.pack(kind, channel, len(payload)) + payload + _END
