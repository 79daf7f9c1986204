"""The properties of a message, as bytes and as values: the same ones for what comes and for what goes out.

What comes is read whatever it is: a property that cannot be read is named in `malformed` and hides no other. A library
that drops the connection instead gets the same message again, and with it everything that was on its way.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Final

from zeebe_amqp.amqp.short_text import write_short
from zeebe_amqp.amqp.table import Headers, seconds, ticks, write_table

__all__ = ["MAX_TIME", "NAMES", "NO_HEADERS", "Properties", "fresh_id"]

NO_HEADERS: Final[Mapping[str, Any]] = Headers()
"""Of a message without any."""

MAX_TIME: Final = 253_402_300_799
"""The last second of the year 9999: what is later is no time."""
_TEXT: Final = 0
_OCTET: Final = 1
_TIME: Final = 2
_TABLE: Final = 3


@dataclass(slots=True, kw_only=True)
class Properties:
    """What a message carries beside its body, by the names of the protocol; None is absent.

    A `timestamp` is in seconds since 1970.
    """

    content_type: str | None = None
    content_encoding: str | None = None
    headers: Mapping[str, Any] | None = None
    delivery_mode: int | None = None
    priority: int | None = None
    correlation_id: str | None = None
    reply_to: str | None = None
    expiration: str | None = None
    message_id: str | None = None
    timestamp: int | None = None
    type: str | None = None
    user_id: str | None = None
    app_id: str | None = None
    cluster_id: str | None = None
    malformed: tuple[str, ...] = field(default=(), compare=False)
    """Of what was read: which properties could not be, and why."""

    @classmethod
    def read(cls, data: bytes, at: int = 0) -> Properties:
        """The properties that begin at `at`, with their flags; never raises."""
        try:
            return cls._read(data, at)
        except (ValueError, LookupError):
            return cls._read_around(data, at)

    @classmethod
    def _read(cls, data: bytes, at: int) -> Properties:
        """The usual way; raises for anything odd."""
        found = cls()
        flags, at = data[at] << 8 | data[at + 1], at + 2
        for mask, name, kind in _LAYOUT:
            if not flags & mask:
                continue
            if kind == _TEXT:
                end = at + 1 + data[at]
                setattr(found, name, str(data[at + 1 : end], "utf-8"))
                at = end
            else:
                at = found._take(name, kind, data, at)
        if found.malformed or at > len(data):
            raise ValueError("not as it should be")
        return found

    @classmethod
    def _read_around(cls, data: bytes, at: int) -> Properties:
        """Each property on its own, so that one that cannot be read hides no other."""
        found = cls()
        flags, at = int.from_bytes(data[at : at + 2], "big"), at + 2
        for mask, name, kind in _LAYOUT:
            if flags & mask:
                at = found._take(name, kind, data, at)
        return found

    def _take(self, name: str, kind: int, data: bytes, at: int) -> int:
        """Read one property; says where the next one begins."""
        end = at
        try:
            if kind == _TEXT:
                end = at + 1 + data[at]
                setattr(self, name, str(data[at + 1 : end], "utf-8"))
            elif kind == _TABLE:
                end = at + 4 + int.from_bytes(data[at : at + 4], "big")
                self.headers = Headers(data[at + 4 : end])
            elif kind == _OCTET:
                setattr(self, name, data[at])
                end = at + 1
            else:
                end = at + 8
                time = int(seconds(int.from_bytes(data[at:end], "big")))
                self.timestamp = time if time <= MAX_TIME else None  # nobody needs it: as if absent
        except (ValueError, LookupError):
            self.malformed = (*self.malformed, f"{name} {_PROBLEMS[kind]}")
        return end

    def write(self) -> bytes:
        """The flags and the properties.

        Raises:
            TypeError: AMQP has no way to say a header.
            ValueError: a text is longer than 255 bytes, or a number out of its bounds.
        """
        flags, parts = 0, [b""]
        for mask, name, kind in _LAYOUT:
            value = getattr(self, name)
            if value is None:
                continue
            flags |= mask
            if kind == _TEXT:
                parts.append(write_short(value, name))
            elif kind == _TABLE:
                parts.append(write_table(value))
            elif kind == _TIME and value <= MAX_TIME:
                parts.append(_number(name, ticks(value), 8))
            else:
                parts.append(_number(name, value, 1 if kind == _OCTET else 8))
        parts[0] = flags.to_bytes(2, "big")
        return b"".join(parts)


_PREFIX: Final = secrets.token_hex(8)
_NUMBERS: Final = count(1)


def fresh_id() -> str:
    """A message id that no other publish has: the broker's returns are matched by it."""
    return f"{_PREFIX}{next(_NUMBERS):x}"


def _number(name: str, value: int, size: int) -> bytes:
    try:
        return value.to_bytes(size, "big")
    except OverflowError as error:
        raise ValueError(f"{name}: a number from 0 to {256**size - 1} is accepted, found {value}") from error


_KINDS: Final = {
    "content_type": _TEXT,
    "content_encoding": _TEXT,
    "headers": _TABLE,
    "delivery_mode": _OCTET,
    "priority": _OCTET,
    "correlation_id": _TEXT,
    "reply_to": _TEXT,
    "expiration": _TEXT,
    "message_id": _TEXT,
    "timestamp": _TIME,
    "type": _TEXT,
    "user_id": _TEXT,
    "app_id": _TEXT,
    "cluster_id": _TEXT,
}
"""The properties in the order of their flag bits, from the highest (AMQP 0-9-1, class basic)."""
NAMES: Final = tuple(_KINDS)
"""The names of all properties, in the order of the protocol."""
_LAYOUT: Final = tuple((1 << 15 - bit, name, kind) for bit, (name, kind) in enumerate(_KINDS.items()))
_PROBLEMS: Final = {_TEXT: "is not UTF-8 text", _TABLE: "are not a table", _OCTET: "is missing"}
