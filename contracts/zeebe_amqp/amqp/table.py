"""Header tables, as bytes and as values: each header is read when it is asked for.

Reading takes time in proportion to the bytes, whatever they are, and nothing odd about one header hides another.
What we write every client can read: integers have 32 or 64 bits and fractions 64, because some clients take the tags of
the small types for others, and read nonsense from there on.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final, TypeVar

from zeebe_amqp.amqp.short_text import write_short

__all__ = ["MAX_LEVELS", "MAX_NAME", "Headers", "encoded_size", "seconds", "ticks", "write_table"]

T = TypeVar("T")

MAX_NAME: Final = 128
"""Bytes of a header's name that AMQP allows; brokers deliver longer ones too."""
MAX_LEVELS: Final = 100
"""Lists and tables in one another, at most: writing them takes the stack, which may be less deep elsewhere."""

_U32: Final = struct.Struct(">I")
_INT32: Final = range(-(2**31), 2**31)
_LAST_SECOND: Final = 2**32 - 1

_NUMBERS: Final[Mapping[int, struct.Struct]] = {
    tag: struct.Struct(layout)
    for tag, layout in {
        ord("t"): ">?", ord("b"): ">b", ord("B"): ">B", ord("s"): ">h", ord("u"): ">H", ord("U"): ">h",
        ord("I"): ">i", ord("i"): ">I", ord("l"): ">q", ord("L"): ">q", ord("f"): ">f", ord("d"): ">d",
    }.items()
}  # fmt: skip
"""Numbers by the tag of their type."""
_TEXT: Final = ord("S")
_BYTES: Final = ord("x")
_LIST: Final = ord("A")
_TABLE: Final = ord("F")
_TIME: Final = ord("T")
_DECIMAL: Final = ord("D")
_SIZES: Final[Mapping[int, int | None]] = {
    **{tag: number.size for tag, number in _NUMBERS.items()},
    **dict.fromkeys((_TEXT, _BYTES, _LIST, _TABLE), None),
    _TIME: 8,
    _DECIMAL: 5,
    ord("V"): 0,
    0: 0,
}
"""Bytes of a value after its tag; None: a length of four bytes comes first."""


class Headers(Mapping[str, Any]):
    """The headers of a message that came. A value is decoded when it is asked for; one that cannot be is as if absent.

    Args:
        data: the table without its length.

    Raises:
        ValueError: it cannot be told where one header ends and the next begins.
    """

    __slots__ = ("_data", "_places", "_values")

    def __init__(self, data: bytes = b"") -> None:
        self._data = data
        self._places = _places(data) if data else {}
        self._values: dict[str, Any] | None = None

    def get(self, name: str, default: T | None = None) -> Any | T | None:
        """The value of one header, or `default`."""
        place = self._places.get(name.encode())
        if place is None:
            return default
        try:
            return _value(self._data, place, len(self._data))[0]
        except Exception:  # whatever its bytes trip over
            return default

    def __getitem__(self, name: str) -> Any:
        return self._all()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._all())

    def __len__(self) -> int:
        return len(self._all())

    def __repr__(self) -> str:
        return f"Headers({self._all()})"

    def _all(self) -> dict[str, Any]:
        if self._values is None:
            nothing: Any = object()
            found = {name: self.get(name, nothing) for name in map(_text, self._places) if isinstance(name, str)}
            self._values = {name: value for name, value in found.items() if value is not nothing}
        return self._values


def _places(data: bytes) -> dict[bytes, int]:
    """Where the value of each header begins, with its tag."""
    places, at, end = {}, 0, len(data)
    try:
        while at < end:
            start = at + 1 + data[at]
            size = _SIZES[data[start]]
            after = start + 1 + size if size is not None else start + 5 + _U32.unpack_from(data, start + 1)[0]
            places[data[at + 1 : start]] = start
            at = after
    except (LookupError, struct.error) as error:
        raise ValueError("not a table") from error
    if at > end:
        raise ValueError("not a table")
    return places


def _value(data: bytes, at: int, limit: int) -> tuple[Any, int]:
    """The value whose tag is at `at`, and where it ends: not behind `limit`, the end of what it is part of.

    Otherwise many small headers could each be as long as all that follow, and reading them take the square of the time.
    """
    tag, at = data[at], at + 1
    size = _SIZES[tag]
    if size is None:
        size, at = _U32.unpack_from(data, at)[0], at + 4
    end = at + size
    if end > limit:
        raise ValueError("cut off")
    if tag == _TEXT:
        return _text(data[at:end]), end
    number = _NUMBERS.get(tag)
    return _read(tag, data, at, end) if number is None else number.unpack_from(data, at)[0], end


def _read(tag: int, data: bytes, at: int, end: int) -> Any:
    if tag == _LIST:
        return _items(data, at, end)
    if tag == _TABLE:
        return _entries(data, at, end)
    if tag == _BYTES:
        return bytearray(data[at:end])
    if tag == _TIME:
        return datetime.fromtimestamp(seconds(int.from_bytes(data[at:end], "big")), UTC)
    if tag == _DECIMAL:
        return Decimal(int.from_bytes(data[at + 1 : end], "big", signed=True)).scaleb(-data[at])
    return None


def seconds(time: int) -> float:
    """A time as it came, in seconds since 1970: what would be after 2106 counts milliseconds, as some clients do."""
    return time if time <= _LAST_SECOND else time / 1000


def ticks(time: float) -> int:
    """The time that is read as so many seconds since 1970: what is after 2106 counts milliseconds."""
    return int(time) if time < _LAST_SECOND + 1 else round(time * 1000)


def _text(value: bytes) -> str | bytes:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value


def _items(data: bytes, at: int, end: int) -> list[Any]:
    items = []
    while at < end:
        item, at = _value(data, at, end)
        items.append(item)
    return items


def _entries(data: bytes, at: int, end: int) -> dict[str, Any]:
    entries = {}
    while at < end:
        start = at + 1 + data[at]
        entries[data[at + 1 : start].decode()], at = _value(data, start, end)
    return entries


# --- writing ----------------------------------------------------------------------------------------------------------


def write_table(headers: Mapping[str, Any]) -> bytes:
    """The bytes of a table, its length first.

    Raises:
        TypeError: AMQP has no way to say a value.
        ValueError: a name or value is out of its bounds.
    """
    parts = [b""]
    for name, value in headers.items():
        parts.append(write_short(name, "a header's name"))
        parts.append(_write_value(value))
    parts[0] = _U32.pack(sum(map(len, parts)))
    return b"".join(parts)


def encoded_size(name: str, value: Any) -> int | None:
    """How many bytes a header has on the wire; None when it cannot be written as it is, or is nested too deep."""
    if _is_deep(value, MAX_LEVELS):
        return None
    try:
        return len(write_table({name: value})) if len(name.encode()) <= MAX_NAME else None
    except Exception:  # whatever the encoder trips over
        return None


def _is_deep(value: Any, levels: int) -> bool:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return any(levels == 0 or _is_deep(each, levels - 1) for each in inner)


def _write_value(value: Any) -> bytes:
    write = _WRITERS.get(type(value))
    if write is None:
        raise TypeError(f"a header cannot be of type {type(value).__name__}")
    try:
        return write(value)
    except struct.error as error:
        raise ValueError(f"a header of type {type(value).__name__} is out of its bounds: {error}") from error


def _prefix_size(content: bytes) -> bytes:
    return _U32.pack(len(content)) + content


def _integer(value: int) -> bytes:
    return struct.pack(">ci", b"I", value) if value in _INT32 else struct.pack(">cq", b"l", value)


def _moment(value: datetime) -> bytes:
    # One without a zone is UTC, as the protocol's own timestamps are.
    time = (value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp()
    return struct.pack(">cQ", b"T", ticks(time))


def _decimal(value: Decimal) -> bytes:
    exponent = value.as_tuple().exponent
    if not isinstance(exponent, int):
        raise TypeError(f"a header cannot be {value}")
    scale = max(0, -exponent)
    return struct.pack(">cBi", b"D", scale, int(value.scaleb(scale)))


_WRITERS: Final[Mapping[type, Callable[[Any], bytes]]] = {
    str: lambda value: b"S" + _U32.pack(len(text := value.encode())) + text,
    bytes: lambda value: b"S" + _prefix_size(value),
    bytearray: lambda value: b"x" + _prefix_size(bytes(value)),
    bool: lambda value: b"t\x01" if value else b"t\x00",
    int: _integer,
    float: lambda value: struct.pack(">cd", b"d", value),
    dict: lambda value: b"F" + write_table(value),
    list: lambda value: b"A" + _prefix_size(b"".join(map(_write_value, value))),
    datetime: _moment,
    Decimal: _decimal,
    type(None): lambda _: b"V",
}
"""By the type of a value; its tag and its bytes."""
