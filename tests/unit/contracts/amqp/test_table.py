"""Header tables: read as the library reads them and written so that it can, whatever strangers put into them."""

from __future__ import annotations

import struct
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from types import FrameType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pamqp import decode, encode

from tests.cases import check_all
from tests.integration.rawamqp import entry, text
from zeebe_amqp.amqp.table import MAX_NAME, Headers, encoded_size, write_table

words = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30)
times = st.integers(0, 2**32 - 1).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))
scalars = (
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | words | times | st.floats(width=32, allow_nan=False)
)
header_values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3), max_leaves=8
)
decimals = st.builds(lambda mantissa, scale: Decimal(mantissa).scaleb(-scale), st.integers(-(2**31), 2**31 - 1),
                     st.integers(0, 255))  # fmt: skip
not_text = st.binary(min_size=1, max_size=20).map(lambda tail: b"\xff" + tail)
all_values = header_values | decimals | st.binary(max_size=20).map(bytearray)
names = words.filter(lambda name: len(name.encode()) <= MAX_NAME)
"""The library cuts longer ones."""
tables = st.dictionaries(names, all_values, max_size=4)


def headers(table: bytes) -> Headers:
    """The headers of a table that begins with its length."""
    assert struct.unpack(">I", table[:4]) == (len(table) - 4,)
    return Headers(table[4:])


def tags(value: Any) -> set[bytes]:
    """Every type that a written value has, however deep."""
    if isinstance(value, dict | list):
        inner = value.values() if isinstance(value, dict) else value
        return {b"F" if isinstance(value, dict) else b"A"}.union(*map(tags, inner))
    return {write_table({"": value})[5:6]}


@given(tables)
def test_what_the_library_writes_we_read(values: dict[str, Any]) -> None:
    assert headers(encode.field_table(values)) == values


@given(st.dictionaries(names, all_values | not_text | st.lists(not_text, max_size=2), max_size=4))
def test_what_we_write_the_library_and_we_read(values: dict[str, Any]) -> None:
    """Text that is not UTF-8 as well, which the library reads and cannot write: such headers can be sent again."""
    table = write_table(values)
    assert decode.field_table(table) == (len(table), values)
    assert headers(table) == values
    assert write_table(headers(table)) == table


EVERY_TYPE: Mapping[bytes, tuple[bytes, ...]] = {
    b"t": (b"\0", b"\1", b"\xff"), b"b": (b"\xff", b"\x7f"), b"B": (b"\xff",), b"s": (b"\xff\xff", b"\x7f\xff"),
    b"u": (b"\xff\xff",), b"I": (b"\xff" * 4,), b"i": (b"\xff" * 4,), b"l": (b"\xff" * 8, b"\x7f" + b"\xff" * 7),
    b"L": (b"\xff" * 8,), b"f": (struct.pack(">f", 0.5), struct.pack(">f", float("inf"))),
    b"d": (struct.pack(">d", 0.1), struct.pack(">d", -1e300)),
    b"D": (b"\1\0\0\0\5", b"\0\xff\xff\xff\xff", b"\xff\0\0\0\1"),
    b"S": (text(b""), text("ä".encode()), text(b"\xff")), b"x": (text(b"\xff\0"),), b"V": (b"",), b"\0": (b"",),
    b"A": (text(b""), text(b"Vt\1A" + text(b"b\1"))),
    b"F": (text(b""), text(entry(b"y", b"F", text(entry(b"", b"V", b""))))),
    # What would be later than 2106 counts milliseconds.
    b"T": (bytes(8), struct.pack(">Q", 2**32 - 1), struct.pack(">Q", 1_700_000_000_500)),
}  # fmt: skip
"""By tag: values in bytes."""


def test_every_type_of_header_is_read_as_the_library_does_and_the_short_integer_that_it_does_not_know() -> None:
    def is_read(tag: bytes, value: bytes) -> None:
        table = text(entry(b"n", tag, value))
        meant = decode.field_table(table)[1]
        assert headers(table) == meant
        assert type(headers(table)["n"]) is type(meant["n"])

    assert set(EVERY_TYPE) == set(decode.TABLE_MAPPING)
    check_all([(tag, value) for tag, values in EVERY_TYPE.items() for value in values], is_read)
    assert headers(text(entry(b"n", b"U", b"\xff\xfe"))) == {"n": -2}


def test_integers_have_32_or_64_bits_and_fractions_64() -> None:
    for value, tag in {
        -1: b"I", 1: b"I", 300: b"I", 40_000: b"I", 2**31 - 1: b"I", -(2**31): b"I",
        2**31: b"l", -(2**31) - 1: b"l", 2**63 - 1: b"l", -(2**63): b"l", 0.0: b"d", 0.5: b"d", float("nan"): b"d",
    }.items():  # fmt: skip
        assert tags(value) == {tag}, value
    assert (tags(0), tags(False)) == ({b"I"}, {b"t"})


@given(header_values)
def test_no_value_however_deep_has_a_type_that_some_clients_cannot_read(value: Any) -> None:
    assert tags(value) <= {b"S", b"t", b"I", b"l", b"d", b"T", b"V", b"F", b"A"}


def test_a_moment_without_a_zone_is_utc_and_one_of_another_zone_the_same_moment() -> None:
    noon = datetime(2026, 1, 1, 12, tzinfo=UTC)
    for written in (noon.replace(tzinfo=None), noon.astimezone(timezone(timedelta(hours=5)))):
        assert headers(write_table({"t": written})) == {"t": noon}


UNWRITABLE = [
    (2**63, ValueError), (-(2**63) - 1, ValueError), (2**200, ValueError), (Decimal(2**31), ValueError),
    (Decimal("1E+300"), ValueError), (Decimal("1E-256"), ValueError), (Decimal("NaN"), TypeError),
    (datetime(1969, 1, 1, tzinfo=UTC), ValueError), ("\ud800", ValueError), (object(), TypeError), ((1,), TypeError),
    ({1: 2}, Exception), ({"x" * 256: 1}, ValueError),
]  # fmt: skip


def test_what_amqp_cannot_say_is_an_error_that_says_so_however_deep() -> None:
    for value, error in UNWRITABLE:
        for inside in (value, [value], {"x": value}, [[{"x": [value]}]]):
            with pytest.raises(error):
                write_table({"n": inside})
            assert encoded_size("n", inside) is None, repr(inside)


def test_a_name_has_at_most_255_bytes_and_one_that_every_broker_takes_128() -> None:
    assert headers(write_table({"ä" * 127: 1})) == {"ä" * 127: 1}
    with pytest.raises(ValueError, match="name: text of at most 255 bytes is accepted, found 256"):
        write_table({"ä" * 128: 1})
    assert encoded_size("n" * 128, 1) == len(write_table({"n" * 128: 1}))
    assert (encoded_size("n" * 129, 1), encoded_size("\ud800", 1)) == (None, None)


def test_where_it_cannot_be_told_where_a_header_ends_there_is_no_table() -> None:
    good = entry(b"a", b"V", b"")
    for bad in (b"\x01xZ", b"\x01x", b"\x05x", b"\x01xI\0\0", b"\x01xS\0\0\0\5abcd", b"\x01xA\0\0", b"\x01xl"):
        for data in (bad, good + bad):
            with pytest.raises(ValueError, match="not a table"):
                Headers(data)


def test_what_one_header_says_of_its_length_does_not_reach_into_the_next() -> None:
    behind = entry(b"b", b"S", text(b"kept"))
    for inner in (b"S", b"x", b"A", b"F"):
        for value in (inner + struct.pack(">I", 5), b"l\0\0"):
            for outer, content in ((b"A", value), (b"F", b"\x01y" + value)):
                assert headers(text(entry(b"a", outer, text(content)) + behind)) == {"b": "kept"}, (outer, inner)


def nested(size: int) -> bytes:
    levels = size // 7
    return b"".join(b"\x01tF" + struct.pack(">I", (levels - n - 1) * 7) for n in range(levels))


def overlapping(size: int) -> bytes:
    """Headers that each hold a list which claims all that follows; every name reads as items of such a list."""
    found, count = b"", size // 80
    for number in range(count):
        name = struct.pack(">I", 61) + bytes(b"\0V"[number >> bit & 1] for bit in range(61))
        behind = b"A" + struct.pack(">I", (count - number - 1) * 76)
        found += b"\x41" + name + b"A" + text(behind)
    return found


LONG: Mapping[str, Callable[[int], bytes]] = {
    "voids": lambda size: entry(b"x", b"A", text(b"V" * size)),
    "pairs": lambda size: entry(b"x", b"F", text(b"\0V" * (size // 2))),
    "nested": nested,
    "many": lambda size: b"".join(entry(b"%05d" % number, b"V", b"") for number in range(size // 7)),
    "overlapping": overlapping,
}
"""Tables of so many bytes; the first three are one header."""


class Counted(bytes):
    """Bytes that count those that are copied out of them."""

    copied = 0

    def __getitem__(self, at: Any) -> Any:
        found = super().__getitem__(at)
        if isinstance(found, bytes):
            self.copied += len(found)
        return found


def steps(work: Callable[[Counted], object], data: bytes) -> int:
    """Lines that run while `work` reads `data`, and bytes that it copies: what work costs is the same everywhere."""
    lines, counted = 0, Counted(data)

    def trace(_: FrameType, event: str, __: Any) -> Any:
        nonlocal lines
        lines += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        work(counted)
    finally:
        sys.settrace(before)
    return lines + counted.copied


def one_of_them(data: bytes) -> object:
    return Headers(data).get("request-id")


def test_reading_takes_steps_in_proportion_to_the_bytes_whatever_they_are() -> None:
    def is_linear(shape: Callable[[int], bytes]) -> None:
        for work in (one_of_them, lambda data: dict(Headers(data))):
            once, twice = (steps(work, shape(size)) for size in (16_000, 32_000))
            assert twice < 2.5 * once, (once, twice)

    check_all({name: (shape,) for name, shape in LONG.items()}, is_linear)


def test_what_nobody_asks_for_is_not_read_and_hides_no_other_header() -> None:
    for name in ("voids", "pairs", "nested"):
        assert steps(one_of_them, LONG[name](129_000)) < 200, name
    for size in (5_000, 129_000):
        found = headers(text(LONG["voids"](size) + entry(b"request-id", b"S", text(b"r"))))
        assert (found.get("request-id"), found["x"]) == ("r", [None] * size), size
    found = headers(text(nested(70_000) + entry(b"request-id", b"S", text(b"r"))))
    assert (found, found.get("t", "absent")) == ({"request-id": "r"}, "absent"), "ten thousand levels are as if absent"
