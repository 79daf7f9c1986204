"""Properties that are written: whatever a request carried, a broker takes its reply and its dead letter."""

from __future__ import annotations

import decimal
import struct
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pamqp import commands
from pamqp.header import ContentHeader

from consumer.core.message import Message, Reply
from consumer.core.sender import of_broker
from consumer.rabbitmq import properties
from tests.cases import for_each
from tests.unit.consumer.rabbitmq.headers import header_values, words
from zeebe_amqp import wire
from zeebe_amqp.amqp.properties import Properties
from zeebe_amqp.errors import Code, Error, Outcome, Source


def over_the_wire(written: Properties) -> commands.Basic.Properties:
    """What the library reads; it all fits into the smallest usual frame."""
    data = struct.pack(">HHQ", 60, 0, 0) + written.write()
    assert len(data) < 128 * 1024 - 8
    header = ContentHeader()
    header.unmarshal(data)
    return header.properties


def request(**more: Any) -> Message:
    return Message(**{"body": b"{}", "queue": "zeebe.commands", "reply_to": "replies", **more})


def failed(message: str = "no", operation: str | None = "topology", **more: Any) -> Reply:
    error = {"code": Code.NOT_FOUND, "source": Source.GATEWAY, "outcome": Outcome.NOT_EXECUTED, "retryable": False}
    return Reply(operation, error=Error(message=message, **{**error, **more}))


OK = Reply("topology", {})


def replied(reply: Reply = OK, trace: dict[str, str] | None = None, **more: Any) -> commands.Basic.Properties:
    """The properties of a reply, after a way over the wire."""
    return over_the_wire(properties.reply_properties(request(**more), reply, trace or {}))


def test_the_correlation_id_comes_back_or_else_the_message_id() -> None:
    assert replied(correlation_id="c", message_id="m").correlation_id == "c"
    assert replied(message_id="m").correlation_id == "m"
    assert replied().correlation_id is None


def test_every_publish_attempt_has_a_message_id_of_its_own() -> None:
    assert len({replied(message_id="m").message_id for _ in range(10)} - {"m"}) == 10


def test_a_reply_is_json_of_this_program_now() -> None:
    reply = replied()
    assert (reply.content_type, reply.app_id) == ("application/json", properties.APP_ID)
    assert abs((reply.timestamp - datetime.now(UTC)).total_seconds()) < 60


@for_each([(OK, "topology.result"), (failed(), "topology.error"), (failed(operation=None), "error"),
     (failed(operation="unknown"), "error")])  # fmt: skip
def test_the_type_names_operation_and_outcome(reply: Reply, kind: str) -> None:
    assert replied(reply).message_type == kind


@for_each(
    [
        *(("delivery_mode", given, same) for given, same in ((None, None), (1, 1), (2, 2), (0, None), (7, None))),
        *(("priority", given, given) for given in (None, 0, 9, 255)),
    ]
)
def test_the_delivery_mode_and_the_priority_are_mirrored_when_they_are_one(
    name: str, given: int | None, mirrored: int | None
) -> None:
    assert getattr(replied(**{name: given}), name) == mirrored


@for_each(
    [
        (-1e12, 1000, 1000),
        (-5, 1000, 1000),
        (0.2, 1000, 1000),
        (600, 500_000, 600_000),
        (90 * 86400, 86_400_000, 86_400_000),
        (1e15, 86_400_000, 86_400_000),
    ]
)
def test_a_reply_lives_as_long_as_its_caller_waits_within_bounds(left: float, least: int, most: int) -> None:
    expiration = replied(headers={"deadline": int((time.time() + left) * 1000)}).expiration
    assert least <= int(expiration) <= most


@for_each([None, "", "soon", 1.5, True, b"\xff", [1], {}, 2**70])
def test_a_reply_without_a_usable_deadline_has_a_lifetime_that_brokers_take(deadline: Any) -> None:
    expiration = replied(headers={"deadline": deadline}).expiration
    assert expiration == ("86400000" if deadline == 2**70 else None)


def test_headers_of_a_result_and_of_an_error() -> None:
    headers = replied(trace={"traceparent": "t"}, message_id="m", received=time.time() - 5).headers
    assert headers.pop("duration-ms") >= 5000
    assert headers == {"traceparent": "t", "status": "ok", "request-id": "m"}
    headers = replied(failed()).headers
    assert headers.pop("duration-ms") >= 0
    assert headers == {"status": "error", "error-code": "NOT_FOUND"}
    assert replied(Reply("topology", {}, replayed=True)).headers["replayed"] is True


@for_each([("r", "r"), ("", "m"), (None, "m"), (7, None), ("x" * 300, None)])
def test_the_request_id_comes_back_when_it_is_one(given: Any, known: str | None) -> None:
    assert replied(headers={"request-id": given}, message_id="m").headers.get("request-id") == known


def test_texts_of_255_bytes_come_back() -> None:
    longest = "ä" * 127 + "x"
    reply = replied(correlation_id=longest, headers={"request-id": longest})
    assert (reply.correlation_id, reply.headers["request-id"]) == (longest, longest)


# --- dead letters -----------------------------------------------------------------------------------------------------


def buried(reply: Reply | None = None, **more: Any) -> commands.Basic.Properties:
    """The properties of a dead letter, after a way over the wire."""
    return over_the_wire(properties.dead_letter_properties(request(**more), reply or failed()))


def test_a_dead_letter_keeps_the_properties_so_that_it_can_be_sent_again() -> None:
    texts = {"content_type": "a/b", "content_encoding": "utf-8", "correlation_id": "c", "reply_to": "r"}
    whole = request(**texts, type="topology", app_id="app", priority=5, timestamp=1_700_000_000, headers={"a": 7})
    dead = properties.dead_letter_properties(whole, failed())
    kept = {name: getattr(dead, name) for name in ("content_type", "content_encoding", "correlation_id", "reply_to")}
    assert kept == {name: getattr(whole, name) for name in kept}
    assert (dead.type, dead.app_id, dead.priority, dead.timestamp) == ("topology", "app", 5, whole.timestamp)
    assert (dead.headers or {})["a"] == 7


def test_a_dead_letter_lives_for_ever_and_on_disk_and_names_its_sender_in_a_header() -> None:
    dead = buried(delivery_mode=1, user_id="guest")
    assert (dead.expiration, dead.delivery_mode) == (None, 2)
    assert (dead.user_id, dead.headers["original-user-id"]) == (None, "guest")


def test_what_only_we_or_the_broker_may_say_is_not_taken_from_the_request() -> None:
    claimed = {"original-user-id": "alice", "x-death": [{"queue": "q"}], "x-first-death-queue": "q", "mine": 1}
    headers = buried(headers=claimed).headers
    assert [name for name in claimed if name in headers] == ["mine"]


def test_a_dead_letter_keeps_the_identity_of_the_request_in_a_header() -> None:
    dead = buried(message_id="m")
    assert dead.headers["request-id"] == "m"
    assert dead.message_id != "m"
    assert buried(message_id="m", headers={"request-id": "r"}).headers["request-id"] == "r"


def test_a_dead_letter_says_why_whatever_headers_of_that_name_the_request_had() -> None:
    headers = buried(failed("gone"), headers={"error-message": "mine"}).headers
    assert datetime.fromisoformat(headers.pop("failed-at")) > datetime.now(UTC) - timedelta(minutes=1)
    assert headers == {
        "operation": "topology",
        "error-code": "NOT_FOUND",
        "error-message": "gone",
        "error-source": "gateway",
        "error-outcome": "not-executed",
    }


@for_each(["x", "ä", "€", "\U0001f600"])
def test_a_reason_has_at_most_a_kibibyte_of_whole_characters(character: str) -> None:
    cut = buried(failed(character * 5000, operation=character * 5000)).headers
    for name in ("error-message", "operation"):
        assert 1020 < len(cut[name].encode()) <= 1024
        assert set(cut[name]) == {character}


@for_each([2**64, -(2**64), decimal.Decimal("1e300"), decimal.Decimal("NaN"), object(), {1: 2}, [2**64], {"x": 2**64},
     "\ud800"])  # fmt: skip
def test_a_header_that_cannot_be_written_is_left_out(value: Any) -> None:
    headers = buried(headers={"odd": value, "kept": "yes"}).headers
    assert "odd" not in headers
    assert headers["kept"] == "yes"


def test_a_header_of_bytes_that_are_no_text_is_kept_as_it_was() -> None:
    """The library cannot write one: with it such a header was lost."""
    for value in (b"\xff", [b"\xff"], {"x": b"\xff"}, bytearray(b"\xff")):
        headers = buried(headers={"odd": value, "kept": "yes"}).headers
        assert (headers["odd"], headers["kept"]) == (value, "yes"), value


def test_a_header_whose_name_is_too_long_for_amqp_is_left_out(caplog: pytest.LogCaptureFixture) -> None:
    headers = buried(headers={"n" * 129: 1, "m" * 128: 2}).headers
    assert {name[0]: value for name, value in headers.items() if len(name) > 100} == {"m": 2}
    assert not caplog.records


def test_a_dead_letter_of_a_body_above_the_limit_says_how_much_of_it_is_missing() -> None:
    limit, kept = wire.MAX_BODY, wire.KEPT_OF_LARGE
    for case, body, announced, headers in (
        ("small", b"{}", None, (None, None)),
        ("at the limit", b"x" * limit, None, (None, None)),
        ("above the limit, all of it here", b"x" * (limit + 1), None, (True, limit + 1)),
        ("above the limit, the first bytes here", b"x" * kept, 20 << 20, (True, 20 << 20)),
        ("larger than a number of 32 bits", b"x" * kept, 2**40, (True, 2**40)),
    ):
        dead = buried(body=body, announced_size=announced)
        assert (dead.headers.get("truncated"), dead.headers.get("original-size")) == headers, case
        assert len(request(body=body, announced_size=announced).kept_body) == (kept if headers[0] else len(body)), case


def test_a_request_cannot_claim_that_its_dead_letter_lacks_something() -> None:
    assert not {"truncated", "original-size"} & set(buried(headers={"truncated": True, "original-size": 5}).headers)
    claimed = {"truncated": False, "original-size": 5}
    assert buried(body=b"", announced_size=20 << 20, headers=claimed).headers["original-size"] == 20 << 20


def test_headers_of_a_megabyte_are_cut_to_what_a_frame_holds() -> None:
    headers = buried(failed("gone"), headers={f"h{n}": "x" * 1000 for n in range(1000)}).headers
    assert 50 < sum(name.startswith("h") for name in headers) < 70
    assert headers["error-message"] == "gone"


def test_one_header_of_a_megabyte_does_not_crowd_out_the_small_ones() -> None:
    assert buried(headers={"big": "x" * 1_000_000, "small": 1}).headers["small"] == 1


@given(st.dictionaries(words, header_values, max_size=4))
def test_whatever_headers_arrive_a_dead_letter_can_be_written(headers: dict[str, Any]) -> None:
    kept = {name: value for name, value in headers.items() if not (of_broker(name) or name in properties._OURS)}
    assert kept.items() <= buried(headers=headers).headers.items()
