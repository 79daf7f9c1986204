"""Properties that are read: whatever bytes arrive, they are read or marked, and break nothing."""

from __future__ import annotations

import struct
from typing import Any

from consumer.core.message import Message
from consumer.rabbitmq import properties
from tests.cases import for_each
from tests.integration.rawamqp import ORDER, SHORT, content, entry, short, table, text
from zeebe_amqp.amqp.hot import Incoming

NOT_TEXT = b"\xff\xfe"
FAR = struct.pack(">Q", 2**62)

TEXTS = {
    "content_type": "application/json", "content_encoding": "utf-8", "correlation_id": "c", "reply_to": "r",
    "message_id": "m", "type": "topology", "user_id": "guest", "app_id": "app",
}  # fmt: skip
GOOD = {name: short(value.encode()) for name, value in {**TEXTS, "expiration": "1000", "cluster_id": ""}.items()}
GOOD |= {"delivery_mode": b"\x02", "priority": b"\x05", "timestamp": struct.pack(">Q", 1_700_000_000)}
GOOD |= {"headers": table(entry(b"a", b"I", struct.pack(">i", 7)))}
NOW = 1_700_000_000
KEPT = entry(b"kept", b"S", text(b"yes"))


def read(header: bytes) -> Message:
    """A message with that content header, as the consumer sees it."""
    incoming = Incoming(b"", 1, redelivered=False)
    incoming.header, incoming.body = struct.pack(">HHQ", 60, 0, 3) + header, b"abc"
    return properties.message(incoming, "zeebe.commands")


def seen(found: Message) -> dict[str, Any]:
    return {name: getattr(found, name) for name in ORDER if hasattr(found, name)}


def test_readable_properties_arrive_as_they_were_sent_and_others_are_none_and_headers_empty() -> None:
    message = read(content(**GOOD))
    assert message.malformed_properties == ()
    numbers = {"delivery_mode": 2, "priority": 5, "timestamp": 1_700_000_000}
    assert seen(message) == {**TEXTS, **numbers, "headers": {"a": 7}}
    assert seen(read(content())) == {**dict.fromkeys(seen(message)), "headers": {}}


@for_each([*([each] for each in SHORT), list(SHORT)])
def test_properties_that_cannot_be_read_are_named_and_all_others_are_read(names: list[str]) -> None:
    message = read(content(**{**GOOD, **dict.fromkeys(names, short(NOT_TEXT))}))
    assert [flaw.partition(" is not ")[0] for flaw in message.malformed_properties] == names
    whole = seen(read(content(**GOOD)))
    assert seen(message) == {name: None if name in names else value for name, value in whole.items()}


@for_each([(NOW * 10**6, None), (NOW * 10**9, None), (2**62, None), (2**64 - 1, None), (NOW * 1000 + 999, NOW)])
def test_a_timestamp_that_is_no_time_is_as_if_absent_and_all_others_are_read(ticks: int, found: int | None) -> None:
    """Milliseconds are a time, as the library reads them; beside it another flaw is one."""
    given = {**GOOD, "timestamp": struct.pack(">Q", ticks)}
    message = read(content(**given))
    assert message.malformed_properties == ()
    assert seen(message) == {**seen(read(content(**GOOD))), "timestamp": found}
    assert read(content(**{**given, "app_id": short(NOT_TEXT)})).malformed_properties == ("app_id is not UTF-8 text",)


@for_each([
    entry(NOT_TEXT, b"S", text(b"x")), entry(b"x", b"T", FAR), entry(b"x", b"T", b"\xff" * 8),
    entry(b"x", b"F", table(entry(b"y", b"T", FAR))), entry(b"x", b"F", table(entry(NOT_TEXT, b"V", b""))),
    entry(b"x", b"A", text(b"T" + FAR)), entry(b"x", b"A", text(b"Z")),
])  # fmt: skip
def test_a_header_that_cannot_be_read_is_as_if_absent(odd: bytes) -> None:
    for headers in (table(KEPT, odd), table(odd, KEPT)):
        message = read(content(**{**GOOD, "headers": headers}))
        assert (message.headers, message.malformed_properties, message.type) == ({"kept": "yes"}, (), "topology")


@for_each([table(b"\x01xZ"), table(b"\x01x"), table(b"\x05x"), table(entry(b"x", b"T", FAR), b"\x01yZ")])
def test_a_table_that_cannot_be_followed_is_a_flaw_and_what_comes_after_it_is_read(headers: bytes) -> None:
    message = read(content(**{**GOOD, "headers": headers}))
    assert message.malformed_properties == ("headers are not a table",)
    assert (message.headers, message.correlation_id, message.app_id) == ({}, "c", "app")
