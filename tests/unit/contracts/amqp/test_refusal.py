"""What a broker refuses has a code and advice that fit its words; what is only trouble is no refusal."""

from __future__ import annotations

import pytest
from aiormq.exceptions import (
    ChannelAccessRefused,
    ChannelClosed,
    ChannelLockedResource,
    ChannelNotFoundEntity,
    ChannelPreconditionFailed,
    DuplicateConsumerTag,
)

from zeebe_amqp.amqp.hot import ChannelEnded
from zeebe_amqp.amqp.refusal import BIND, CONSUME, DECLARE, PUBLISH, BrokerRefusal, refusal, refusals
from zeebe_amqp.errors import Code

MORE = {Code.PERMISSION_DENIED: ", or else", Code.FAILED_PRECONDITION: ", or otherwise"}

REFUSALS = (
    (
        ChannelAccessRefused("ACCESS_REFUSED - access to queue 'q' in vhost '/' refused for user 'ann'"),
        Code.PERMISSION_DENIED,
        "user 'ann' needs the right to configure the queue 'q', which `rabbitmqctl set_permissions` gives, or else",
    ),
    (
        ChannelAccessRefused("ACCESS_REFUSED - configure access to queue 'q' in vhost '/' refused for user 'ann'"),
        Code.PERMISSION_DENIED,
        "user 'ann' needs the right to configure the queue 'q'",
    ),
    (
        ChannelAccessRefused("ACCESS_REFUSED - access to queue 'amq.gen-x1' in vhost '/' refused for user 'ann'"),
        Code.PERMISSION_DENIED,
        "user 'ann' needs the right to configure the queue 'amq.gen-*'",
    ),
    (
        ChannelAccessRefused("ACCESS_REFUSED - queue 'q' in vhost '/' in exclusive use"),
        Code.PERMISSION_DENIED,
        "another client reads it",
    ),
    (
        ChannelAccessRefused("ACCESS_REFUSED - queue name 'amq.q' contains reserved prefix 'amq.*'"),
        Code.PERMISSION_DENIED,
        "use another name",
    ),
    (
        ChannelEnded("403 ACCESS_REFUSED - access to exchange 'amq.default' in vhost '/' refused for user 'ann'", 403),
        Code.PERMISSION_DENIED,
        "user 'ann' needs the right to use the exchange 'amq.default'",
    ),
    (ChannelNotFoundEntity("NOT_FOUND - no queue 'q' in vhost '/'"), Code.NOT_FOUND, "declare the queue first"),
    (ChannelNotFoundEntity("NOT_FOUND - no exchange 'x' in vhost '/'"), Code.NOT_FOUND, "declare the exchange first"),
    (
        ChannelLockedResource("RESOURCE_LOCKED - cannot obtain exclusive access to locked queue 'q' in vhost '/'. It"),
        Code.PERMISSION_DENIED,
        "it belongs to another connection",
    ),
    (
        ChannelPreconditionFailed("PRECONDITION_FAILED - inequivalent arg 'durable' for queue 'q' in vhost '/'"),
        Code.FAILED_PRECONDITION,
        "; delete the queue, or otherwise",
    ),
    (
        ChannelPreconditionFailed("PRECONDITION_FAILED - inequivalent arg 'type' for exchange 'x' in vhost '/'"),
        Code.FAILED_PRECONDITION,
        "; delete the exchange",
    ),
    (
        ChannelEnded("PRECONDITION_FAILED - message size 70 is larger than configured max size 64", 406),
        Code.FAILED_PRECONDITION,
        "send less",
    ),
    (ChannelEnded("PRECONDITION_FAILED - invalid expiration", 406), Code.FAILED_PRECONDITION, "log"),
)

OUTAGES = (
    ChannelEnded("the connection was lost"),
    ChannelEnded("the broker closed the channel: 541 INTERNAL_ERROR", 541),
    ChannelNotFoundEntity("NOT_FOUND - home node 'a@b' of durable queue 'q' in vhost '/' is down or inaccessible"),
    ChannelNotFoundEntity("NOT_FOUND - failed to perform operation on queue 'q' in vhost '/' due to timeout"),
    ChannelAccessRefused(
        "ACCESS_REFUSED - access to exchange 'amq.default' in vhost '/' refused for user 'ann', backend "
        "rabbit_auth_backend_cache returned an error: {failed_connect}"
    ),
    ChannelClosed(504, "CHANNEL_ERROR"),
    DuplicateConsumerTag("x"),
)


def test_a_refusal_has_the_broker_s_words_a_code_and_what_to_do() -> None:
    for error, code, advice in REFUSALS:
        found = refusal(error, DECLARE, MORE)
        assert found is not None, error
        assert (found.code, advice in str(found), str(error) in str(found)) == (code, True, True), str(found)


def test_what_may_pass_is_no_refusal() -> None:
    for error in OUTAGES:
        assert refusal(error, PUBLISH) is None, error
        with pytest.raises(type(error)), refusals(PUBLISH):
            raise error


def test_a_refusal_names_the_right_that_the_broker_names_or_the_method_needs() -> None:
    for said, kind, rights, words in (
        ("", "queue", DECLARE, "to configure the queue"),
        ("", "exchange", PUBLISH, "to write to the exchange"),
        ("", "queue", CONSUME, "to read from the queue"),
        ("", "queue", BIND, "to write to the queue"),
        ("", "exchange", BIND, "to read from the exchange"),
        ("configure ", "queue", CONSUME, "to configure the queue"),
        ("write ", "exchange", DECLARE, "to write to the exchange"),
        ("read ", "queue", DECLARE, "to read from the queue"),
    ):
        error = ChannelAccessRefused(f"ACCESS_REFUSED - {said}access to {kind} 'q' in vhost '/' refused for user 'ann'")
        with pytest.raises(BrokerRefusal, match=words), refusals(rights):
            raise error
