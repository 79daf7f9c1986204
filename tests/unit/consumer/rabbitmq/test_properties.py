"""Properties: whatever bytes arrive are read, and a broker takes the reply and the dead letter of any request."""

from __future__ import annotations

import asyncio
import struct
import time
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, cast
from unittest.mock import AsyncMock, Mock

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pamqp import commands
from pamqp.header import ContentHeader

from consumer.core.message import Message, Reply
from consumer.core.seal import Seal, digest_of
from consumer.core.sender import of_broker
from consumer.dead_letters.letter import DeadLetter
from consumer.dead_letters.queue import DeadLetters, NotSent
from consumer.rabbitmq import properties
from tests.cases import for_each
from tests.integration.rawamqp import ORDER, SHORT, content, entry, short, table, text
from tests.unit.consumer import errors
from tests.unit.contracts.amqp.test_table import header_values, words
from zeebe_amqp import wire
from zeebe_amqp.amqp.hot import Incoming
from zeebe_amqp.amqp.properties import Properties
from zeebe_amqp.amqp.table import write_table
from zeebe_amqp.client.amqp import AmqpTransport
from zeebe_amqp.client.transport import Outgoing

OK = Reply("topology", {})
NO_DEADLINES = [None, "", "soon", 1.5, True, b"\xff", [1], {}]
UNSIGNED = Seal()
LONGEST = "ä" * 127 + "x"
"""A text of 255 bytes."""
OTHERS = {"x-death": [{"queue": "q"}], "x-first-death-queue": "q", "truncated": True, "original-size": 5}
OTHERS |= {"original-user-id": "alice", "error-message": "mine", "signature": "mine", "original-queue": "q"}
OTHERS |= {"renewed-user-id": "alice", "renewal": "mine", "CC": ["q"], "BCC": ["q"]}
NOT_WRITTEN = [2**64, -(2**64), Decimal("1e300"), Decimal("NaN"), object(), {1: 2}, [2**64], {"x": 2**64}, "\ud800"]
NOT_TEXT = [b"\xff", [b"\xff"], {"x": b"\xff"}, bytearray(b"\xff")]
"""The library cannot write it: with it such a header was lost."""


def over_the_wire(written: Properties) -> commands.Basic.Properties:
    """What the library reads; it all fits into the smallest usual frame."""
    data = struct.pack(">HHQ", 60, 0, 0) + written.write()
    assert len(data) < 128 * 1024 - 8
    header = ContentHeader()
    header.unmarshal(data)
    return header.properties


def request(**more: Any) -> Message:
    return Message(**{"body": b"{}", "queue": "zeebe.commands", "reply_to": "replies", **more})


def failed(message: str = "no", operation: str | None = "topology") -> Reply:
    return Reply(operation, error=errors.failed(message=message))


def replied(reply: Reply = OK, trace: dict[str, str] | None = None, **more: Any) -> commands.Basic.Properties:
    """The properties of a reply, after a way over the wire."""
    return over_the_wire(properties.reply_properties(request(**more), reply, trace or {}))


def test_a_reply_is_json_of_this_program_now_and_each_publish_has_a_message_id_of_its_own() -> None:
    replies = [replied(message_id="m") for _ in range(10)]
    assert (replies[0].content_type, replies[0].app_id) == ("application/json", properties.APP_ID)
    assert abs((replies[0].timestamp - datetime.now(UTC)).total_seconds()) < 60
    assert len({reply.message_id for reply in replies} - {"m"}) == 10


@for_each([
    ("correlation_id", {"correlation_id": "c", "message_id": "m"}, "c"),
    *(("correlation_id", {"message_id": given}, given) for given in ("m", None)),
    *(("delivery_mode", {"delivery_mode": given}, given) for given in (None, 1, 2)),
    *(("delivery_mode", {"delivery_mode": given}, None) for given in (0, 7)),
    *(("priority", {"priority": given}, given) for given in (None, 0, 9, 255)),
    *(("expiration", {"headers": {"deadline": given}}, None) for given in NO_DEADLINES),
    ("expiration", {"headers": {"deadline": 2**70}}, "86400000"),
    *(("message_type", {"reply": failed(operation=given)}, "error") for given in (None, "unknown")),
    *(("message_type", {"reply": each}, f"topology.{end}") for each, end in ((OK, "result"), (failed(), "error"))),
])  # fmt: skip
def test_a_reply_has_what_its_caller_needs_if_brokers_take_it(name: str, given: Any, expected: object) -> None:
    assert getattr(replied(**given), name) == expected


@for_each([(-1e12, 1000, 1000), (-5, 1000, 1000), (0.2, 1000, 1000), (600, 500_000, 600_000),
           (90 * 86400, 86_400_000, 86_400_000), (1e15, 86_400_000, 86_400_000)])  # fmt: skip
def test_a_reply_lives_as_long_as_its_caller_waits_within_bounds(left: float, least: int, most: int) -> None:
    expiration = replied(headers={"deadline": int((time.time() + left) * 1000)}).expiration
    assert least <= int(expiration) <= most


def test_headers_of_a_result_and_of_an_error() -> None:
    headers = replied(trace={"traceparent": "t"}, message_id="m", received=time.time() - 5).headers
    assert headers.pop("duration-ms") >= 5000
    assert headers == {"traceparent": "t", "status": "ok", "request-id": "m"}
    headers = replied(failed()).headers
    assert headers.pop("duration-ms") >= 0
    assert headers == {"status": "error", "error-code": "NOT_FOUND"}
    assert replied(Reply("topology", {}, replayed=True)).headers["replayed"] is True


@for_each([("r", "r"), (LONGEST, LONGEST), ("", "m"), (None, "m"), (7, None), ("x" * 300, None)])
def test_the_request_id_comes_back_when_it_is_one(given: Any, known: str | None) -> None:
    reply = replied(headers={"request-id": given}, message_id="m", correlation_id=LONGEST)
    assert (reply.headers.get("request-id"), reply.correlation_id) == (known, LONGEST)


def buried(reply: Reply | None = None, **more: Any) -> commands.Basic.Properties:
    """The properties of a dead letter, after a way over the wire."""
    return over_the_wire(letter_of(request(**more), reply or failed()))


def letter_of(message: Message, reply: Reply, seal: Seal = UNSIGNED) -> Properties:
    """The properties of its dead letter."""
    return properties.dead_letter_properties(message, reply, seal, digest_of(message.kept_body))


def test_a_dead_letter_keeps_the_properties_so_that_it_can_be_sent_again_and_lives_for_ever_on_disk() -> None:
    kept = {"content_type": "a/b", "content_encoding": "utf-8", "correlation_id": "c", "reply_to": "r"}
    kept |= {"type": "topology", "app_id": "app", "priority": 5, "timestamp": 1_700_000_000}
    dead = letter_of(request(**kept, message_id="m", delivery_mode=1), failed())
    assert {name: getattr(dead, name) for name in kept} == kept
    assert (dead.expiration, dead.delivery_mode, dead.message_id == "m") == (None, 2, False)


@for_each([
    ({}, {}),
    ({"message_id": "m", "user_id": "guest"}, {"request-id": "m", "original-user-id": "guest"}),
    ({"message_id": "m", "headers": {"request-id": "r"}}, {"request-id": "r"}),
    ({"body": b"", "announced_size": 20 << 20}, {"truncated": True, "original-size": 20 << 20}),
])  # fmt: skip
def test_a_dead_letter_says_whose_it_was_and_why_whatever_the_request_claims(given: Any, said: dict[str, Any]) -> None:
    dead = buried(failed("gone"), **{**given, "headers": {**given.get("headers", {}), **OTHERS, "mine": 1}})
    assert datetime.fromisoformat(dead.headers.pop("failed-at")) > datetime.now(UTC) - timedelta(minutes=1)
    why = {"operation": "topology", "error-code": "NOT_FOUND", "error-message": "gone", "error-source": "gateway"}
    assert dead.headers == {"mine": 1, **why, "error-outcome": "not-executed", **said}
    assert dead.user_id is None


@for_each(["x", "ä", "€", "\U0001f600"])
def test_a_reason_has_at_most_a_kibibyte_of_whole_characters(character: str) -> None:
    cut = buried(failed(character * 5000, operation=character * 5000)).headers
    for name in ("error-message", "operation"):
        assert 1020 < len(cut[name].encode()) <= 1024
        assert set(cut[name]) == {character}


@for_each([*(("odd", value, False) for value in NOT_WRITTEN), *(("odd", value, True) for value in NOT_TEXT),
           ("n" * 129, 1, False), ("m" * 128, 2, True)])  # fmt: skip
def test_a_header_is_kept_as_it_was_if_it_can_be_written(name: str, value: Any, kept: bool, caplog: Any) -> None:
    headers = buried(headers={name: value, "kept": "yes"}).headers
    assert (name[:128] in headers, headers["kept"]) == (kept, "yes")
    assert not kept or headers[name] == value
    assert not caplog.records


@for_each([(2, None, None), (wire.MAX_BODY, None, None), (wire.MAX_BODY + 1, None, wire.MAX_BODY + 1),
           (wire.KEPT_OF_LARGE, 20 << 20, 20 << 20), (wire.KEPT_OF_LARGE, 2**40, 2**40)])  # fmt: skip
def test_a_dead_letter_says_how_much_of_its_body_is_missing(here: int, announced: Any, original: int | None) -> None:
    large = {"body": b"x" * here, "announced_size": announced}
    headers = buried(**large).headers
    assert (headers.get("truncated"), headers.get("original-size")) == (original and True, original)
    assert len(request(**large).kept_body) == (wire.KEPT_OF_LARGE if original else here)


def test_headers_of_a_megabyte_are_cut_to_what_a_frame_holds_and_a_large_one_crowds_out_no_small_one() -> None:
    headers = buried(failed("gone"), headers={f"h{n}": "x" * 1000 for n in range(1000)}).headers
    assert 50 < sum(name.startswith("h") for name in headers) < 70
    assert headers["error-message"] == "gone"
    assert buried(headers={"big": "x" * 1_000_000, "small": 1}).headers["small"] == 1


@given(st.dictionaries(words, header_values, max_size=4))
def test_whatever_headers_arrive_a_dead_letter_can_be_written(headers: dict[str, Any]) -> None:
    ours = {*properties._DROPPED, *buried().headers}
    kept = {name: value for name, value in headers.items() if not (of_broker(name) or name in ours)}
    assert kept.items() <= buried(headers=headers).headers.items()


def tags(sent: Properties) -> dict[str, str]:
    """The headers by name, with their types as they stand on the wire: some readers know only some."""
    return {name: chr(write_table({name: value})[5 + len(name)]) for name, value in (sent.headers or {}).items()}


def replayed(headers: dict[str, Any], login: str | None = None) -> Properties:
    """What a dead letter with these headers is sent with when it is replayed."""
    letter, channel = DeadLetter(b"{}", headers=headers, routing_key="orders"), Mock(publish=AsyncMock())
    asyncio.run(DeadLetters(channel, login, ("us",), UNSIGNED).replay(letter, "orders"))
    return cast("Properties", channel.publish.call_args.args[2])


@for_each(["us", None])
def test_a_replayed_dead_letter_has_the_headers_of_its_request_and_counts_its_replays(login: str | None) -> None:
    """Also one that is no text, which the library cannot write: with it such a letter could only be dropped."""
    sent = replayed({"failed-at": "2026-01-01", "replays": 200, "tiny": 7, "odd": b"\xff\xfe"}, login)
    assert sent.headers == {"replays": 201, "tiny": 7, "odd": b"\xff\xfe"}
    assert tags(sent) == {"replays": "I", "tiny": "I", "odd": "S"}


def test_a_dead_letter_whose_header_cannot_be_written_is_kept_and_the_header_named() -> None:
    with pytest.raises(NotSent, match=f"its header '{'n' * 128}' cannot be written again as it was"):
        replayed({"n" * 129: 1})


def test_a_request_of_a_client_has_its_headers_its_id_and_its_deadline() -> None:
    given: Any = {"body": b"{}", "queue": "q", "correlation_id": "c", "headers": {"mine": 300}}
    outgoing = Outgoing(**given, request_id="r", deadline=time.time())
    sent = AmqpTransport(["amqp://localhost"])._properties(outgoing)
    assert tags(sent) == {"request-id": "S", "deadline": "l", "mine": "I"}


# --- read ---


NO_UTF_8 = b"\xff\xfe"
FAR = struct.pack(">Q", 2**62)

TEXTS = {
    "content_type": "application/json", "content_encoding": "utf-8", "correlation_id": "c", "reply_to": "r",
    "message_id": "m", "type": "topology", "user_id": "guest", "app_id": "app",
}  # fmt: skip
GOOD = {name: short(value.encode()) for name, value in {**TEXTS, "expiration": "1000", "cluster_id": ""}.items()}
GOOD |= {"delivery_mode": b"\x02", "priority": b"\x05", "timestamp": struct.pack(">Q", 1_700_000_000)}
GOOD |= {"headers": table(entry(b"a", b"I", struct.pack(">i", 7)))}
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
    message = read(content(**{**GOOD, **dict.fromkeys(names, short(NO_UTF_8))}))
    assert [flaw.partition(" is not ")[0] for flaw in message.malformed_properties] == names
    whole = seen(read(content(**GOOD)))
    assert seen(message) == {name: None if name in names else value for name, value in whole.items()}


@for_each([
    entry(NO_UTF_8, b"S", text(b"x")), entry(b"x", b"T", FAR), entry(b"x", b"T", b"\xff" * 8),
    entry(b"x", b"F", table(entry(b"y", b"T", FAR))), entry(b"x", b"F", table(entry(NO_UTF_8, b"V", b""))),
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
