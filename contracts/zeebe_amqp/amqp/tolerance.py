"""Reading AMQP properties tolerantly: a patch of the AMQP library, for the whole process, kept in this one place.

The library drops the whole connection on one short string that is not UTF-8 or on an impossible timestamp; redelivery
repeats it, and the delivery count of every message beside it goes up. It offers no way to decode headers otherwise, so
`tolerate` replaces its method: such bytes are read around, and the message is marked.
"""

from __future__ import annotations

import struct
from typing import Any, Final

from pamqp import decode
from pamqp.commands import Basic
from pamqp.header import ContentHeader

__all__ = ["PROTOCOL_NAMES", "malformed_properties", "tolerate"]

PROTOCOL_NAMES: Final = {"message_type": "type"}
"""Properties that the library names otherwise than the protocol does."""

_MALFORMED: Final = "malformed_properties"
"""Attribute of a content header that names the properties whose bytes made no sense, and why."""

_strict: Final = ContentHeader.unmarshal

# The properties in the order of their flag bits, from the highest (AMQP 0-9-1, class basic).
_LAYOUT: Final = (
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

_PROBLEMS: Final = {
    "shortstr": "is not UTF-8 text",
    "table": "are not a table",
    "octet": "is missing",
}
"""What is wrong with a property of that kind; nobody needs a timestamp, so one that is no time is as if absent."""

# Bytes of a header value after its type tag; None: a length of four bytes comes first.
_VALUE_SIZES: Final[dict[bytes, int | None]] = {
    **dict.fromkeys((b"t", b"b", b"B"), 1),
    **dict.fromkeys((b"s", b"u", b"U"), 2),
    **dict.fromkeys((b"i", b"I", b"f"), 4),
    **dict.fromkeys((b"l", b"L", b"d", b"T"), 8),
    **dict.fromkeys((b"S", b"x", b"A", b"F"), None),
    b"D": 5,
    **dict.fromkeys((b"V", b"\x00"), 0),
}


_MAX_STRICT: Final = 16 * 1024
"""Bytes of a content header that the library reads: it copies the rest of a list with each of its items."""

_MAX_NESTED: Final = 4 * 1024
"""Bytes of a list or table in a longer header that are read; a longer one is stepped over, for the same reason."""


def tolerate() -> None:
    """Make the AMQP library read content headers tolerantly, in the whole process; more than once is harmless."""
    ContentHeader.unmarshal = _unmarshal  # type: ignore[assignment,method-assign]


def malformed_properties(header: ContentHeader) -> tuple[str, ...]:
    """The properties of a message whose bytes could not be decoded, and why; none where reading was strict."""
    found: tuple[str, ...] = getattr(header, _MALFORMED, ())
    return found


def _unmarshal(header: ContentHeader, data: bytes) -> None:
    if len(data) <= _MAX_STRICT:
        try:
            _strict(header, data)
        except Exception:  # whatever the decoder trips over must not reach the connection
            pass
        else:
            return
    header.class_id, header.weight, header.body_size = struct.unpack(">HHQ", data[0:12])
    header.properties = Basic.Properties()
    setattr(header, _MALFORMED, _read_around(header.properties, data))


def _read_around(properties: Basic.Properties, data: bytes) -> tuple[str, ...]:
    """Read every property on its own; returns what is wrong with those that cannot be read."""
    flags, offset, malformed = int.from_bytes(data[12:14], "big"), 14, []
    for bit, (name, kind) in enumerate(_LAYOUT):
        if not flags & (1 << (15 - bit)):
            continue
        end = offset + _size(data, offset, kind)
        try:
            setattr(properties, name, _read(data[offset:end], kind))
        except Exception:  # any failure to decode is the same to us
            if kind in _PROBLEMS:
                malformed.append(f"{PROTOCOL_NAMES.get(name, name)} {_PROBLEMS[kind]}")
        offset = end
    return tuple(malformed)


def _size(data: bytes, offset: int, kind: str) -> int:
    if kind == "shortstr":
        return 1 + int.from_bytes(data[offset : offset + 1], "big")
    if kind == "table":
        return 4 + int.from_bytes(data[offset : offset + 4], "big")
    return 8 if kind == "timestamp" else 1


def _read(data: bytes, kind: str) -> Any:
    return _read_table(data) if kind == "table" else decode.METHODS[kind](data)[1]


def _read_table(data: bytes) -> dict[str, Any]:
    """Read a header table without the entries that cannot be read or are long lists, if it is clear where they end."""
    table: dict[str, Any] = {}
    offset, is_long = 4, len(data) > _MAX_STRICT
    while offset < len(data):
        start = offset + 1 + data[offset]
        size = _VALUE_SIZES[data[start : start + 1]]
        end = start + 1 + (4 + int.from_bytes(data[start + 1 : start + 5], "big") if size is None else size)
        try:
            if not (is_long and data[start : start + 1] in (b"A", b"F") and end - start > _MAX_NESTED):
                name = data[offset + 1 : start].decode()
                table[name] = decode.embedded_value(data[start:end])[1]
        except Exception:  # as if absent
            pass
        offset = end
    return table
