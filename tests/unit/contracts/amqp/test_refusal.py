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

from tests.cases import check_all
from zeebe_amqp.amqp.hot import ChannelEnded
from zeebe_amqp.amqp.refusal import BIND, CONSUME, DECLARE, PUBLISH, BrokerRefusal, refusal, refusals
from zeebe_amqp.errors import Code

MORE = {Code.PERMISSION_DENIED: ", or else", Code.FAILED_PRECONDITION: ", or otherwise"}

SAYS = {
    ChannelAccessRefused: ("ACCESS_REFUSED", Code.PERMISSION_DENIED),
    ChannelLockedResource: ("RESOURCE_LOCKED", Code.PERMISSION_DENIED),
    ChannelNotFoundEntity: ("NOT_FOUND", Code.NOT_FOUND),
    ChannelPreconditionFailed: ("PRECONDITION_FAILED", Code.FAILED_PRECONDITION),
}
REFUSALS: dict[type[Exception], dict[str, str]] = {
    ChannelAccessRefused: {
        "access to queue 'q' in vhost '/' refused for user 'ann'": "user 'ann' needs the right to configure the queue "
        "'q', which `rabbitmqctl set_permissions` gives, or else",
        "configure access to queue 'q' in vhost '/' refused for user 'ann'": "the right to configure the queue 'q'",
        "access to queue 'amq.gen-x1' in vhost '/' refused for user 'ann'": "right to configure the queue 'amq.gen-*'",
        "queue 'q' in vhost '/' in exclusive use": "another client reads it",
        "queue name 'amq.q' contains reserved prefix 'amq.*'": "use another name",
    },
    ChannelNotFoundEntity: {
        "no queue 'q' in vhost '/'": "declare the queue first",
        "no exchange 'x' in vhost '/'": "declare the exchange first",
    },
    ChannelLockedResource: {
        "cannot obtain exclusive access to locked queue 'q' in vhost '/'. It": "it belongs to another connection"
    },
    ChannelPreconditionFailed: {
        "inequivalent arg 'durable' for queue 'q' in vhost '/'": "; delete the queue, or otherwise",
        "inequivalent arg 'type' for exchange 'x' in vhost '/'": "; delete the exchange",
    },
}
"""By the library's error: what the broker says, and what is advised."""
ENDED = (
    ("ACCESS_REFUSED - access to exchange 'amq.default' in vhost '/' refused for user 'ann'", 403, "the right to use"),
    ("PRECONDITION_FAILED - message size 70 is larger than configured max size 64", 406, "send less"),
    ("PRECONDITION_FAILED - invalid expiration", 406, "log"),
)
"""Of our own channels."""

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
    def has_advice(error: Exception, code: Code, advice: str) -> None:
        found = refusal(error, DECLARE, MORE)
        assert found is not None
        assert (found.code, advice in str(found), str(error) in str(found)) == (code, True, True), str(found)

    for kind, texts in REFUSALS.items():
        name, code = SAYS[kind]
        check_all([(kind(f"{name} - {text}"), code, advice) for text, advice in texts.items()], has_advice)
    codes = {403: Code.PERMISSION_DENIED, 406: Code.FAILED_PRECONDITION}
    check_all([(ChannelEnded(text, number), codes[number], advice) for text, number, advice in ENDED], has_advice)


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
