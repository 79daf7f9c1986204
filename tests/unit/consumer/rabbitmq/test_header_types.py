"""The types of headers that are sent again or by clients, as they stand on the wire: some readers know only some."""

from __future__ import annotations

import time
from typing import Any, cast

import pytest

from consumer.dead_letters.letter import DeadLetter
from consumer.dead_letters.queue import DeadLetters, NotSent
from tests.cases import for_each
from zeebe_amqp.amqp.properties import Properties
from zeebe_amqp.amqp.table import write_table
from zeebe_amqp.client.amqp import AmqpTransport
from zeebe_amqp.client.transport import Outgoing

TEXT, INTEGER, LONG = "S", "I", "l"


def tags(sent: Properties) -> dict[str, str]:
    """The headers by name, with the tags that they have on the wire."""
    return {name: chr(write_table({name: value})[5 + len(name)]) for name, value in (sent.headers or {}).items()}


def replayed(headers: dict[str, Any], login: str | None = None) -> Properties:
    """What a dead letter with these headers is sent with when it is replayed."""
    letter, channel = DeadLetter(b"{}", headers=headers, routing_key="orders"), cast("Any", None)
    return DeadLetters(channel, login, ("us",))._copy_properties(letter, letter.replayed())


@for_each(["us", None])
def test_a_replayed_dead_letter_has_the_headers_of_its_request_and_counts_its_replays(login: str | None) -> None:
    """Also one that is no text, which the library cannot write: with it such a letter could only be dropped."""
    sent = replayed({"failed-at": "2026-01-01", "replays": 200, "tiny": 7, "odd": b"\xff\xfe"}, login)
    assert sent.headers == {"replays": 201, "tiny": 7, "odd": b"\xff\xfe"}
    assert tags(sent) == {"replays": INTEGER, "tiny": INTEGER, "odd": TEXT}


def test_a_dead_letter_whose_header_cannot_be_written_is_kept_and_the_header_named() -> None:
    with pytest.raises(NotSent, match=f"its header '{'n' * 128}' cannot be written again as it was"):
        replayed({"n" * 129: 1})


def test_a_request_of_a_client_has_its_headers_its_id_and_its_deadline() -> None:
    given: Any = {"body": b"{}", "queue": "q", "correlation_id": "c", "headers": {"mine": 300}}
    outgoing = Outgoing(**given, request_id="r", deadline=time.time())
    sent = AmqpTransport(["amqp://localhost"])._properties(outgoing)
    assert tags(sent) == {"request-id": TEXT, "deadline": LONG, "mine": INTEGER}
