"""The types of the headers that we write, as they stand on the wire: some clients read only some of them."""

from __future__ import annotations

import time
from typing import Any, cast

import pytest

from consumer.core.message import Message, Reply
from consumer.dead_letters.letter import DeadLetter
from consumer.dead_letters.queue import DeadLetters, NotSent
from consumer.rabbitmq import properties
from tests.cases import for_each
from tests.unit.consumer.errors import failed
from zeebe_amqp.amqp import frames
from zeebe_amqp.amqp.properties import Properties
from zeebe_amqp.amqp.table import write_table
from zeebe_amqp.client.amqp import AmqpTransport
from zeebe_amqp.client.transport import Outgoing

TEXT, YES_OR_NO, INTEGER, LONG = "S", "t", "I", "l"
TRACE = {"traceparent": f"00-{'1' * 32}-{'1' * 16}-01", "tracestate": "a=1", "baggage": "b=2"}
NUMBERS = {"tiny": 7, "small": 300, "odd": 40_000, "whole": 70_000, "minus": -1, "large": 2**31, "least": -(2**63)}


def written(sent: Properties) -> dict[str, str]:
    """The headers by name, with the tags that they have on the wire, in the message that is sent."""
    one_by_one = {name: write_table({name: value})[4:] for name, value in (sent.headers or {}).items()}
    message = frames.write_message(1, "", "q", sent.write(), b"", mandatory=False, frame_max=131_072)
    assert b"".join(one_by_one.values()) in message
    return {name: chr(entry[1 + len(name)]) for name, entry in one_by_one.items()}


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
    sent = replayed({"odd": b"\xff\xfe"})
    assert (sent.headers or {})["odd"] == b"\xff\xfe"
    assert written(sent)["odd"] == TEXT


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
