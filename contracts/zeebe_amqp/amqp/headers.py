"""Headers as every client can read them.

The AMQP library writes a whole number in as few bytes as it fits into, and a fraction in four. Some clients take the
tags of the small types for others, and read nonsense from there on; a fraction that comes back should be what it was.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from typing import Any, Final

from pamqp import encode
from pamqp.commands import Basic

__all__ = ["MAX_NAME", "Properties", "encoded_size", "table"]

MAX_NAME: Final = 128
"""Bytes of a header's name that AMQP allows; brokers deliver longer ones too."""

_INT32: Final = range(-(2**31), 2**31)


class Properties(Basic.Properties):
    """The properties of a message that we write; the library asks each property for its bytes here."""

    # Without slots of its own: the library takes `__slots__` for the list of properties.

    def encode_property(self, name: str, value: Any) -> bytes:
        """The bytes of a property.

        Raises:
            TypeError: AMQP has no way to say the value.
        """
        return table(value) if name == "headers" else super().encode_property(name, value)


def table(headers: Mapping[str, Any]) -> bytes:
    """The bytes of a header table, integers with 32 or 64 bits.

    Raises:
        TypeError: AMQP has no way to say a name or value.
    """
    return _sized(b"".join(encode.short_string(name) + _value(value) for name, value in headers.items()))


def encoded_size(name: str, value: Any) -> int | None:
    """How many bytes a header has on the wire; None when the library cannot write it as it is."""
    if len(name.encode()) > MAX_NAME:  # the library would cut it, and another name is another header
        return None
    try:
        return len(table({name: value}))
    except Exception:  # whatever the encoder trips over
        return None


def _array(values: list[Any]) -> bytes:
    return _sized(b"".join(map(_value, values)))


def _value(value: Any) -> bytes:
    write = _WRITERS.get(type(value))
    return encode.encode_table_value(value) if write is None else write(value)


def _integer(value: int) -> bytes:
    return b"I" + encode.long_int(value) if value in _INT32 else b"l" + encode.long_long_int(value)


def _sized(content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + content


_WRITERS: Final[Mapping[type, Callable[[Any], bytes]]] = {
    int: _integer,
    float: lambda value: b"d" + encode.double(value),
    dict: lambda value: b"F" + table(value),
    list: lambda value: b"A" + _array(value),
}
"""Of the types that the library writes otherwise, or that hold others."""
