"""Headers of AMQP: read whatever they are, as the library reads them, and written again as they were."""

from __future__ import annotations

import itertools
import struct
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from pamqp import decode

from consumer.telemetry import spans
from tests.fuzz.target import Target
from tests.integration.rawamqp import entry, short, table, text
from zeebe_amqp.amqp.table import MAX_NAME, Headers, encoded_size, write_table
from zeebe_amqp.trace_context import well_formed

__all__ = ["HEADERS", "check_trace"]

VALUES = {
    b"t": b"\1", b"b": b"\xff", b"B": b"\xff", b"s": b"\xff\0", b"u": b"\0\xff", b"U": b"\xff\0", b"I": b"\0\0\0\1",
    b"i": b"\xff\0\0\1", b"l": b"\xff" * 8, b"L": b"\x7f" + b"\xff" * 7, b"f": b"\x7f\x80\0\0",
    b"d": b"\x7f\xf8" + bytes(6),
    b"D": b"\xff\x80\0\0\0", b"T": struct.pack(">Q", 2**62), b"V": b"", b"S": text(b"text"), b"x": text(b"\xff"),
    b"A": text(b"VI\0\0\0\1S" + text(b"a")), b"F": table(entry(b"a", b"V", b"")),
}  # fmt: skip
"""A value of every type, by its tag."""


def read(data: bytes) -> None:
    """A table without its length."""
    try:
        found = Headers(data)
    except ValueError as error:
        assert str(error) == "not a table"
        return
    values = {name: found[name] for name in found}
    assert values == {name: found.get(name) for name in values} or has_nan(values)
    assert repr(found) == f"Headers({values})"
    check_trace(well_formed(found))
    if len(values) == len(found._places):  # the library reads lists behind their end, and what comes then otherwise
        agrees_with_library(data, values)
    writable = {name: each for name, each in values.items() if encoded_size(name, each) is not None}
    for name, value in writable.items():
        assert len(name.encode()) <= MAX_NAME
        written = write_table({name: value})
        assert len(written) == encoded_size(name, value)
        # A list of the smallest numbers grows the most: from two bytes each to five or nine.
        assert len(written) <= 9 * len(data) + 300, (len(written), len(data))
        again = Headers(written[4:])
        assert again.get(name) == in_seconds(value) or has_nan(value), (again.get(name), value)


def check_trace(found: dict[str, str]) -> None:
    """What goes on into traces is printable ASCII of bounded length."""
    for name, value in found.items():
        assert name in ("traceparent", "tracestate", "baggage")
        assert value.isascii()
        assert value.replace("\t", "").isprintable()
        assert len(value) <= 8192
    assert (spans.remote(found) is None) == ("traceparent" not in found)


def in_seconds(value: Any) -> Any:
    """As it is written: times until 2106 have whole seconds."""
    match value:
        case datetime():
            return value.replace(microsecond=0) if value.timestamp() < 2**32 else value
        case dict():
            return {name: in_seconds(each) for name, each in value.items()}
        case list():
            return [*map(in_seconds, value)]
    return value


def has_nan(value: Any) -> bool:
    """Whether a number is in it that is not even itself."""
    match value:
        case dict():
            return any(map(has_nan, value.values()))
        case list():
            return any(map(has_nan, value))
    return bool(value != value)


def agrees_with_library(data: bytes, values: dict[str, Any]) -> None:
    """What the library can read, it reads as we do. It takes the square of the time."""
    if len(data) > 4096:
        return
    try:
        size, theirs = decode.field_table(struct.pack(">I", len(data)) + data)
    except Exception:  # it raises whatever it trips over
        return
    if size == len(data) + 4 and not has_nan(theirs):
        assert values == theirs, (values, theirs)


def seeds() -> Iterator[bytes]:
    """Every type alone, in a list and in a table, and what callers send."""
    for tag, value in VALUES.items():
        for outer, inner in ((tag, value), (b"A", text(tag + value)), (b"F", table(entry(b"y", tag, value)))):
            yield entry(b"x", outer, inner) + entry(b"request-id", b"S", text(b"r"))
    yield b"".join(entry(tag, tag, value) for tag, value in VALUES.items())
    yield write_table(
        {"traceparent": f"00-{'1' * 32}-{'2' * 16}-01", "tracestate": "a=b,c@d=e", "baggage": "a=b;c,d=e"}
    )[4:]
    yield write_table({"x-death": [{"queue": "q", "reason": "rejected", "count": 1}], "deadline": 2**60})[4:]


WORDS = (
    *(tag + value for tag, value in VALUES.items()),
    *itertools.starmap(entry, ((b"x", *each) for each in VALUES.items())),
    short(b"traceparent") + b"S", b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x80\0\0\0", b"A\0\0\0\5", b"F\0\0\0\5",
    b"x\0\0\0\1",
    b"\xed\xa0\x80", b"\xc0\x80",
)  # fmt: skip

HEADERS = Target("headers", read, seeds, WORDS, share=2)
