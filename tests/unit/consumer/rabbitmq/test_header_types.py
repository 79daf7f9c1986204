"""The types of the headers that we write, as they stand on the wire: some clients read only some of them."""

from __future__ import annotations

import struct
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, cast

import pytest
from hypothesis import given
from pamqp import commands
from pamqp.header import ContentHeader

from consumer.core.message import Message, Reply
from consumer.dead_letters.letter import DeadLetter
from consumer.dead_letters.queue import DeadLetters, NotSent
from consumer.rabbitmq import properties
from tests.cases import for_each
from tests.unit.consumer.errors import failed
from tests.unit.consumer.rabbitmq.headers import header_values
from zeebe_amqp.amqp import frames
from zeebe_amqp.amqp.properties import Properties
from zeebe_amqp.amqp.table import write_table
from zeebe_amqp.client.amqp import AmqpTransport
from zeebe_amqp.client.transport import Outgoing

SIZES = {b"t": 1, b"b": 1, b"B": 1, b"s": 2, b"u": 2, b"U": 2, b"i": 4, b"I": 4, b"f": 4, b"l": 8, b"L": 8, b"d": 8}
SIZES |= {b"T": 8, b"D": 5, b"V": 0}
"""Bytes of a value after its tag; a value of any other type begins with its length."""
TEXT, YES_OR_NO, INTEGER, LONG = "S", "t", "I", "l"
TRACE = {"traceparent": f"00-{'1' * 32}-{'1' * 16}-01", "tracestate": "a=1", "baggage": "b=2"}
NUMBERS = {"tiny": 7, "small": 300, "odd": 40_000, "whole": 70_000, "minus": -1, "large": 2**31, "least": -(2**63)}


def entries(content: bytes, named: bool = True) -> Iterator[tuple[str, bytes, bytes]]:
    """The names, tags and values in the content of a table, or (not named) of an array."""
    at = 0
    while at < len(content):
        start = at + 1 + content[at] if named else at
        tag, begin = content[start : start + 1], start + 1
        size = SIZES.get(tag)
        end = begin + (4 + struct.unpack(">I", content[begin : begin + 4])[0] if size is None else size)
        yield content[at + 1 : start].decode() if named else "", tag, content[begin:end]
        at = end


def tags(content: bytes, named: bool = True) -> Iterator[bytes]:
    """Every tag in it, however deep."""
    for _, tag, value in entries(content, named):
        yield tag
        if tag in b"FA":
            yield from tags(value[4:], tag == b"F")


def read(sent: Properties) -> Any:
    """The headers as the library reads them."""
    header = ContentHeader()
    header.unmarshal(struct.pack(">HHQ", 60, 0, 0) + sent.write())
    return header.properties.headers


def written(sent: Properties) -> dict[str, str]:
    """The headers by name, with the tags that they have on the wire, in the message that is sent."""
    message = frames.write_message(1, "", "q", sent.write(), b"", mandatory=False, frame_max=131_072)
    content = Properties(headers=sent.headers).write()[2:]
    assert content in message
    return {name: tag.decode() for name, tag, _ in entries(content[4:])}


def request(**more: Any) -> Message:
    return Message(b"{}", **{"queue": "zeebe.commands", "reply_to": "replies", **more})


@for_each([0, 1, 60, 10_000_000])
def test_the_headers_of_a_reply(seconds: int) -> None:
    asked = request(message_id="m", received=time.time() - seconds)
    assert written(properties.reply_properties(asked, Reply("topology", error=failed(), replayed=True), TRACE)) == {
        "status": TEXT,
        "duration-ms": INTEGER if seconds < 2**31 / 1000 else LONG,
        "error-code": TEXT,
        "replayed": YES_OR_NO,
        "request-id": TEXT,
        **dict.fromkeys(TRACE, TEXT),
    }


def test_the_headers_of_a_dead_letter() -> None:
    asked = request(message_id="m", user_id="eve", headers={**NUMBERS, "deadline": 1_700_000_000_000, "x": "y"})
    assert written(properties.dead_letter_properties(asked, Reply("topology", error=failed()))) == {
        **dict.fromkeys(("tiny", "small", "odd", "whole", "minus"), INTEGER),
        **dict.fromkeys(("large", "least", "deadline"), LONG),
        "x": TEXT,
        **dict.fromkeys(("request-id", "original-user-id", "failed-at", "operation", "error-code"), TEXT),
        **dict.fromkeys(("error-message", "error-source", "error-outcome"), TEXT),
    }


def replayed(headers: dict[str, Any], login: str | None = None) -> Properties:
    """What a dead letter with these headers is sent with when it is replayed."""
    letter, channel = DeadLetter(b"{}", headers=headers, routing_key="orders"), cast("Any", None)
    return DeadLetters(channel, login, ("us",))._copy_properties(letter, letter.replayed())


def test_the_headers_of_a_replayed_dead_letter() -> None:
    for login in ("us", None):
        sent = replayed({"failed-at": "2026-01-01", "replays": 200, "tiny": 7}, login)
        assert written(sent) == {"replays": INTEGER, "tiny": INTEGER}


def test_a_dead_letter_whose_header_is_no_text_is_replayed_with_its_bytes() -> None:
    """The library cannot write such a header: with it such a letter could only be dropped."""
    assert read(replayed({"odd": b"\xff\xfe"}))["odd"] == b"\xff\xfe"


def test_a_dead_letter_whose_header_cannot_be_written_is_kept_and_the_header_named() -> None:
    with pytest.raises(NotSent, match=f"its header '{'n' * 128}' cannot be written again as it was"):
        replayed({"n" * 129: 1})


def test_the_headers_of_a_clients_request() -> None:
    transport = AmqpTransport(["amqp://localhost"])
    outgoing = Outgoing(
        body=b"{}", queue="q", correlation_id="c", request_id="r", deadline=time.time(), headers={**TRACE, "mine": 300}
    )
    assert written(transport._properties(outgoing)) == {
        **dict.fromkeys((*TRACE, "request-id"), TEXT),
        "deadline": LONG,
        "mine": INTEGER,
    }


@given(header_values)
def test_no_value_however_deep_has_a_type_that_some_clients_cannot_read(value: Any) -> None:
    assert set(tags(write_table({"x": value})[4:])) <= {b"S", b"t", b"I", b"l", b"d", b"T", b"V", b"F", b"A"}


@given(header_values)
def test_every_value_comes_back_and_a_fraction_to_the_last_digit(value: Any) -> None:
    headers = {"x": value, "y": 1, "a": 0.1, "b": 1e300}
    assert read(Properties(headers=headers)) == headers


def test_all_other_properties_are_written_as_the_library_does() -> None:
    given = {
        "content_type": "a", "content_encoding": "b", "delivery_mode": 2, "priority": 5, "correlation_id": "c",
        "reply_to": "d", "expiration": "1", "message_id": "e", "user_id": "g", "app_id": "h",
    }  # fmt: skip
    time = datetime(2026, 1, 1, tzinfo=UTC)
    theirs = commands.Basic.Properties(**given, message_type="f", timestamp=time)
    assert Properties(**given, type="f", timestamp=int(time.timestamp())).write() == theirs.marshal()
