"""Properties that are read: whatever bytes arrive, they are read or marked, and break nothing."""

from __future__ import annotations

import decimal
import struct
from datetime import UTC, datetime
from itertools import product
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from pamqp import commands
from pamqp.header import ContentHeader

from consumer.core.message import Message
from consumer.rabbitmq import properties
from tests.cases import for_each
from tests.integration.rawamqp import ORDER, SHORT, content, entry, short, table, text
from tests.unit.consumer.rabbitmq.headers import header_values, times, words
from zeebe_amqp.amqp.hot import Incoming
from zeebe_amqp.amqp.properties import Properties

NOT_TEXT = b"\xff\xfe"
FAR = struct.pack(">Q", 2**62)

GOOD: dict[str, bytes] = {
    "content_type": short(b"application/json"),
    "content_encoding": short(b"utf-8"),
    "headers": table(entry(b"a", b"I", struct.pack(">i", 7))),
    "delivery_mode": b"\x02",
    "priority": b"\x05",
    "correlation_id": short(b"c"),
    "reply_to": short(b"r"),
    "expiration": short(b"1000"),
    "message_id": short(b"m"),
    "timestamp": struct.pack(">Q", 1_700_000_000),
    "type": short(b"topology"),
    "user_id": short(b"guest"),
    "app_id": short(b"app"),
    "cluster_id": short(b""),
}


def read(header: bytes) -> Message:
    """A message with that content header, as the consumer sees it."""
    incoming = Incoming(b"", 1, redelivered=False)
    incoming.header, incoming.body = struct.pack(">HHQ", 60, 0, 3) + header, b"abc"
    return properties.message(incoming, "zeebe.commands")


def seen(found: Message) -> dict[str, Any]:
    return {name: getattr(found, name) for name in ORDER if hasattr(found, name)}


def test_readable_properties_arrive_as_they_were_sent() -> None:
    message = read(content(**GOOD))
    assert message.malformed_properties == ()
    assert seen(message) == {
        "content_type": "application/json",
        "content_encoding": "utf-8",
        "headers": {"a": 7},
        "delivery_mode": 2,
        "priority": 5,
        "correlation_id": "c",
        "reply_to": "r",
        "message_id": "m",
        "timestamp": 1_700_000_000,
        "type": "topology",
        "user_id": "guest",
        "app_id": "app",
    }


def test_absent_properties_are_none_and_headers_empty() -> None:
    message = read(content())
    assert {**seen(message), "headers": None} == dict.fromkeys(seen(message))
    assert message.headers == {}


@for_each([*((each,) for each in SHORT), (SHORT,)])
def test_properties_that_cannot_be_read_are_named_and_all_others_are_read(bad: str | tuple[str, ...]) -> None:
    names = (bad,) if isinstance(bad, str) else bad
    message = read(content(**{**GOOD, **{name: short(NOT_TEXT) for name in names}}))
    assert [flaw.partition(" is not ")[0] for flaw in message.malformed_properties] == list(names)
    whole = seen(read(content(**GOOD)))
    assert seen(message) == {name: None if name in names else value for name, value in whole.items()}


def test_a_timestamp_that_is_no_time_is_as_if_absent_and_all_others_are_read() -> None:
    now = 1_700_000_000
    whole = read(content(**GOOD))
    for name, ticks in {"µs": now * 10**6, "ns": now * 10**9, "far": 2**62, "last": 2**64 - 1}.items():
        message = read(content(**{**GOOD, "timestamp": struct.pack(">Q", ticks)}))
        assert message.malformed_properties == (), name
        assert seen(message) == {**seen(whole), "timestamp": None}, name
    message = read(content(**{**GOOD, "timestamp": FAR, "app_id": short(NOT_TEXT)}))
    assert message.malformed_properties == ("app_id is not UTF-8 text",), "beside it another flaw is one"
    message = read(content(**{**GOOD, "timestamp": struct.pack(">Q", now * 1000 + 999)}))
    assert (message.timestamp, message.malformed_properties) == (now, ()), "as the library reads milliseconds"


KEPT = entry(b"kept", b"S", text(b"yes"))


@for_each(
    [
        entry(NOT_TEXT, b"S", text(b"x")),
        entry(b"x", b"T", FAR),
        entry(b"x", b"T", b"\xff" * 8),
        entry(b"x", b"F", table(entry(b"y", b"T", FAR))),
        entry(b"x", b"F", table(entry(NOT_TEXT, b"V", b""))),
        entry(b"x", b"A", text(b"T" + FAR)),
        entry(b"x", b"A", text(b"Z")),
    ]
)
def test_a_header_that_cannot_be_read_is_as_if_absent(odd: bytes) -> None:
    for headers in (table(KEPT, odd), table(odd, KEPT)):
        message = read(content(**{**GOOD, "headers": headers}))
        assert (message.headers, message.malformed_properties, message.type) == ({"kept": "yes"}, (), "topology")


@for_each(
    [
        (b"t", b"\x01", True),
        (b"b", b"\xff", -1),
        (b"B", b"\xff", 255),
        (b"s", b"\xff\xff", -1),
        (b"u", b"\xff\xff", 65535),
        (b"I", b"\xff" * 4, -1),
        (b"i", b"\xff" * 4, 2**32 - 1),
        (b"l", b"\xff" * 8, -1),
        (b"L", b"\xff" * 8, -1),
        (b"f", struct.pack(">f", 0.5), 0.5),
        (b"d", struct.pack(">d", 0.1), 0.1),
        (b"D", b"\x01\x00\x00\x00\x05", decimal.Decimal("0.5")),
        (b"S", text(b"x"), "x"),
        (b"S", text(NOT_TEXT), NOT_TEXT),
        (b"x", text(NOT_TEXT), bytearray(NOT_TEXT)),
        (b"A", text(b"Vt\x01"), [None, True]),
        (b"F", table(entry(b"y", b"V", b"")), {"y": None}),
        (b"T", struct.pack(">Q", 0), datetime.fromtimestamp(0, UTC)),
        (b"V", b"", None),
        (b"\x00", b"", None),
    ]
)
def test_every_type_of_header_is_read_also_beside_one_that_cannot_be(tag: bytes, value: bytes, found: Any) -> None:
    good, odd = entry(b"x", tag, value), entry(b"odd", b"T", FAR)
    assert read(content(headers=table(good))).headers == {"x": found}
    assert read(content(headers=table(odd, good, odd))).headers == {"x": found}


def nested(levels: int) -> bytes:
    step = len(entry(b"t", b"F", b"\0\0\0\0"))
    return b"".join(struct.pack(">I", (levels - n) * step) + b"\x01tF" for n in range(levels)) + b"\0\0\0\0"


@for_each(product([b"A", b"F"], [5_000, 17_000, 129_000]))
def test_a_long_list_hides_no_other_header_and_is_read_too(kind: bytes, size: int) -> None:
    """The library's reader takes time with the square of its length: 0.7 s for 129,000 voids, in one message."""
    content_of = {b"A": b"V" * size, b"F": entry(b"", b"V", b"") * (size // 2)}[kind]
    long = entry(b"x", kind, struct.pack(">I", len(content_of)) + content_of)
    beside = entry(b"request-id", b"S", struct.pack(">I", 1) + b"a") + entry(b"text", b"S", text(b"t" * 17_000))
    found = read(content(headers=table(long + beside)))
    assert found.malformed_properties == ()
    whole = {b"A": [None] * size, b"F": {"": None}}[kind]
    assert found.headers == {"x": whole, "request-id": "a", "text": "t" * 17_000}


def test_a_short_list_is_read_in_a_long_header() -> None:
    voids = entry(b"x", b"A", struct.pack(">I", 129_000) + b"V" * 129_000)
    x_death = entry(b"x-death", b"A", struct.pack(">I", 7) + b"S" + text(b"ab"))
    found = read(content(headers=table(voids + x_death)))
    assert found.headers["x-death"] == ["ab"]


def test_tables_of_ten_thousand_levels_are_as_if_absent() -> None:
    message = read(content(**{**GOOD, "headers": nested(10_000)}))
    assert (message.headers, message.malformed_properties, message.reply_to) == ({}, (), "r")


@for_each([table(b"\x01xZ"), table(b"\x01x"), table(b"\x05x"), table(entry(b"x", b"T", FAR), b"\x01yZ")])
def test_a_table_that_cannot_be_followed_is_a_flaw_and_what_comes_after_it_is_read(headers: bytes) -> None:
    message = read(content(**{**GOOD, "headers": headers}))
    assert message.malformed_properties == ("headers are not a table",)
    assert (message.headers, message.correlation_id, message.app_id) == ({}, "c", "app")


@given(st.data())
def test_no_bytes_break_the_reader(data: st.DataObject) -> None:
    whole = content(**GOOD) if data.draw(st.booleans()) else data.draw(st.binary(min_size=2, max_size=200))
    for position in data.draw(st.lists(st.integers(0, len(whole) - 1), max_size=5)):
        whole = whole[:position] + data.draw(st.binary(min_size=1, max_size=1)) + whole[position + 1 :]
    read(whole[: max(2, data.draw(st.integers(2, len(whole))))])


all_properties = st.builds(
    commands.Basic.Properties,
    headers=st.none() | st.dictionaries(words, header_values, min_size=1, max_size=4),
    delivery_mode=st.sampled_from([None, 1, 2]),
    priority=st.none() | st.integers(0, 255),
    timestamp=st.none() | times,
    **{
        name: st.none() | words
        for name in ("content_type", "content_encoding", "correlation_id", "reply_to", "expiration", "message_id")
    },
    **{name: st.none() | words for name in ("message_type", "user_id", "app_id")},
)


@given(all_properties)
def test_what_the_library_reads_is_read_equally(written: commands.Basic.Properties) -> None:
    data = ContentHeader(body_size=3, properties=written).marshal()
    library = ContentHeader()
    library.unmarshal(data)
    found, theirs = Properties.read(data, 12), library.properties
    assert found.malformed == ()
    for name in ORDER[:-1]:  # the library has no absent `cluster_id`
        meant = getattr(theirs, {"type": "message_type"}.get(name, name))
        assert getattr(found, name) == (meant if name != "timestamp" or meant is None else meant.timestamp()), name
