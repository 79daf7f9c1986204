"""Replays: whose request one is, and how that is known; and the signature of letters."""

from __future__ import annotations

import struct
from typing import Any, cast
from unittest.mock import AsyncMock, Mock

import pytest

from consumer.core.message import Message, Reply
from consumer.core.seal import Purpose, Seal, digest_of
from consumer.rabbitmq import properties
from consumer.rabbitmq.consumer import QueueDelivery
from tests.cases import for_each
from tests.unit.consumer import errors
from zeebe_amqp import wire
from zeebe_amqp.amqp.hot import Incoming
from zeebe_amqp.amqp.properties import Properties
from zeebe_amqp.amqp.table import MAX_LEVELS
from zeebe_amqp.errors import CommandError

UNSIGNED, SEAL = Seal(), Seal((b"k" * 32,))
REPLAY = {"original-user-id": "alice", "replays": 1, "mine": 1}


def delivered(
    body: bytes = b"{}", *, size: int | None = None, elsewhere: object = None, by: str = "us", **headers: Any
) -> Incoming:
    """A message with these headers, of one of our logins or of another."""
    incoming = Incoming(b"", 1, redelivered=False)
    written = Properties(user_id=by, headers=headers, message_id="m").write()
    incoming.header = struct.pack(">HHQ", 60, 0, 0) + written
    incoming.body, incoming.size, incoming.elsewhere = body, len(body) if size is None else size, cast("Any", elsewhere)
    return incoming


def signature(body: bytes = b"{}", purpose: Purpose = Purpose.REPLAY, queue: str = "q", **headers: Any) -> str:
    sealed = SEAL.make(purpose, Properties(message_id="m"), headers or REPLAY, digest_of(body), queue)
    assert sealed is not None
    return sealed


LARGE = b"x" * 2**20


@for_each([
    (delivered(**REPLAY, signature=signature()), "alice", "us"),
    (delivered(**REPLAY, signature=signature(), by="bob"), "bob", None),
    (delivered(**REPLAY), "us", None),
    (delivered(**{**REPLAY, "original-user-id": "bob"}, signature=signature()), "us", None),
    (delivered(**{**REPLAY, "replays": 2}, signature=signature()), "us", None),
    (delivered(**REPLAY, more=1, signature=signature()), "us", None),
    (delivered(b"[]", **REPLAY, signature=signature()), "us", None),
    (delivered(**REPLAY, signature=signature(purpose=Purpose.LETTER)), "us", None),
    (delivered(**REPLAY, signature=signature(purpose=Purpose.RENEWAL)), "us", None),
    (delivered(**REPLAY, signature=signature(queue="other")), "us", None),
    (delivered(replays=1, signature=signature(replays=1)), None, "us"),
    # The body is looked at when it is there: its sender is known before.
    (delivered(LARGE, **REPLAY, signature=signature(LARGE)), "alice", "us"),
    (delivered(b"", size=100_000, elsewhere=object(), **REPLAY, signature=signature(LARGE)), "alice", "us"),
    # One above the limit is never all there.
    (delivered(b"x", size=wire.MAX_BODY + 1, **REPLAY, signature=signature(b"x")), "us", None),
])  # fmt: skip
def test_only_our_login_and_our_signature_together_name_another_sender(
    incoming: Incoming, user: str | None, resent_by: str | None
) -> None:
    found = properties.message(incoming, "q", ("us",), SEAL)
    assert (found.user_id, found.resent_by) == (user, resent_by)
    unsealed = properties.message(incoming, "q", ("us",), UNSIGNED)
    assert (unsealed.user_id, unsealed.resent_by) == (incoming.properties.user_id, None)


@for_each([(LARGE, "alice", "us"), (LARGE[1:] + b"y", "us", None), (b"", "us", None)])
async def test_a_large_body_that_is_not_the_signed_one_is_its_publishers(
    body: bytes, user: str, resent_by: str | None
) -> None:
    for elsewhere in (None, Mock()):
        held = Mock(fetch=AsyncMock(return_value=body))
        incoming = delivered(
            b"" if elsewhere else body, size=len(LARGE), elsewhere=elsewhere, **REPLAY, signature=signature(LARGE)
        )
        arrived = properties.message(incoming, "q", ("us",), SEAL)
        delivery = QueueDelivery(arrived, 100, Mock(), incoming, Mock(), held)
        assert delivery.large
        await delivery.decode()
        assert (arrived.user_id, arrived.resent_by, arrived.body) == (user, resent_by, body)


async def test_whatever_waits_in_a_file_is_fetched() -> None:
    """Also what is not large enough to be decoded beside the event loop."""
    body = b"{" + b" " * 100_000 + b"}"
    incoming = delivered(b"", size=len(body), elsewhere=Mock())
    delivery = QueueDelivery(
        properties.message(incoming, "q"), 100, Mock(), incoming, Mock(), Mock(fetch=AsyncMock(return_value=body))
    )
    assert delivery.large
    await delivery.decode()
    assert delivery.message.body == body


async def test_what_is_larger_than_its_sender_may_send_is_refused_by_its_size_and_stays_in_its_file() -> None:
    held = Mock(fetch=AsyncMock(return_value=LARGE))
    incoming = delivered(b"", size=len(LARGE), elsewhere=Mock())
    delivery = QueueDelivery(properties.message(incoming, "q"), 100, Mock(), incoming, Mock(), held)
    delivery.max_body = len(LARGE) - 1
    assert not delivery.large
    with pytest.raises(CommandError, match=f"found {len(LARGE)}"):
        _ = delivery.request
    held.fetch.assert_not_called()
    delivery.max_body = len(LARGE)
    assert delivery.large


def letter_of(**given: Any) -> Properties:
    """The properties of the letter of a request."""
    request = Message(b"{}", "zeebe.commands", **given)
    return properties.dead_letter_properties(request, Reply("topology", error=errors.failed()), SEAL, digest_of(b"{}"))


def test_a_letter_is_signed_for_its_queue_body_and_properties_as_they_are_written() -> None:
    given: Any = {
        "type": "topology",
        "user_id": "alice",
        "message_id": "m",
        "headers": {"mine": b"\xff", "deadline": 5},
    }
    letter = letter_of(**given)
    read_back = Properties.read(letter.write())
    headers = dict(read_back.headers or {})
    for queue, holds in (("zeebe.commands", True), ("other", False)):
        assert (SEAL.verify(headers["signature"], Purpose.LETTER, read_back, headers, queue) is not None) is holds
    assert SEAL.verify(headers["signature"], Purpose.LETTER, read_back, headers, "zeebe.commands") == digest_of(b"{}")


def test_headers_nested_as_deep_as_can_be_read_make_a_letter_all_the_same() -> None:
    for levels in (MAX_LEVELS, MAX_LEVELS + 1, 500, 5000):
        deep: list[Any] = [1]
        for _ in range(levels - 1):
            deep = [deep]
        letter = letter_of(headers={"deep": deep, "kept": 1})
        assert letter.headers is not None
        assert ("deep" in letter.headers, letter.headers["kept"]) == (levels <= MAX_LEVELS, 1)
        assert letter.headers["signature"]
