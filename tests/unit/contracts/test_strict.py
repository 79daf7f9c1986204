"""The routing keys of strict replies: one word for each user, which is nobody else's."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pamqp.constants import DOMAIN_REGEX

from zeebe_amqp import strict, wire
from zeebe_amqp.client.amqp import AmqpTransport

USERS = st.text(max_size=40)


@given(USERS, USERS)
def test_two_users_never_have_the_same_word_and_it_is_a_name_for_a_queue(one: str, other: str) -> None:
    words = strict.encoded(one), strict.encoded(other)
    assert (words[0] == words[1]) is (one == other)
    for word in words:
        assert re.fullmatch(r"[A-Za-z0-9_:-]*", word)
        assert DOMAIN_REGEX["queue-name"].fullmatch(strict.private_queues(word))


def test_usual_names_stay_as_they_are() -> None:
    assert strict.encoded("shop_1-EU") == "shop_1-EU"
    assert strict.routing_key("b.b", "q.1") == "b:2Eb.q.1"
    assert strict.private_queues("b.b") == "reply.b:2Eb."


def test_a_key_has_at_most_255_bytes() -> None:
    assert len(strict.routing_key("ann", "q" * (wire.MAX_TEXT - 4))) == wire.MAX_TEXT
    with pytest.raises(ValueError, match="a routing key of 256 bytes; accepted: 255"):
        strict.routing_key("ann", "q" * (wire.MAX_TEXT - 3))


def test_a_client_that_does_not_know_its_user_can_have_no_strict_replies() -> None:
    with pytest.raises(ValueError, match="user_id: expected the name of the broker's user"):
        AmqpTransport(["amqps://h?auth=external"], reply_exchange="zeebe.replies")
