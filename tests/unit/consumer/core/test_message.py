"""A request of which only the first bytes were taken: refused by the size that was announced, kept by those bytes."""

from __future__ import annotations

from unittest.mock import Mock

import pytest

from consumer.core.delivery import Delivery
from consumer.core.message import Message
from zeebe_amqp.errors import CommandError

HEAD = b'{"operation": "topology"}'


def test_a_request_that_was_announced_too_large_is_refused_and_answered() -> None:
    assert Message(HEAD).size == len(HEAD), "without an announced size the body is all there is"
    delivery = Delivery(Message(HEAD, announced_size=20 << 20, reply_to="replies"))
    assert (delivery.message.size, delivery.message.kept_body, delivery.large) == (20 << 20, HEAD, False)
    with pytest.raises(CommandError, match="found 20971520") as refused:
        _ = delivery.request
    assert (refused.value.code, refused.value.operation) == ("RESOURCE_EXHAUSTED", "topology")
    assert delivery.command is None
    assert delivery.answerable


def test_a_body_above_the_limit_of_its_sender_is_refused_unread_and_kept_as_it_is() -> None:
    body = HEAD.ljust(300_000)
    delivery = Delivery(Message(body, reply_to="replies"))
    delivery.max_body = 299_999
    assert (delivery.large, delivery.message.kept_body) == (False, body)
    with pytest.raises(CommandError) as refused:
        _ = delivery.request
    error = refused.value
    assert error.message == "body: expected at most 299999 bytes, the limit of this user, found 300000"
    assert (error.code, error.retryable, error.operation) == ("RESOURCE_EXHAUSTED", False, "topology")
    within = Delivery(Message(body))
    within.max_body = 300_000
    assert (within.large, within.operation) == (True, "topology")


def test_each_header_is_read_once_whether_it_is_there_or_not() -> None:
    for headers in ({}, {"deadline": 1_700_000_000_000, "request-id": "a"}):
        counted = Mock(wraps=headers)
        message = Message(HEAD, headers=counted)
        first = (message.deadline, message.request_id)
        assert (message.deadline, message.request_id) == first
        assert counted.get.call_count == 2
