"""What a broker refuses has a code and advice that fit its words; what is only trouble is no refusal."""

from __future__ import annotations

import pytest
from aiormq import exceptions as library

from tests.cases import check_all
from zeebe_amqp.amqp.hot import ChannelEnded
from zeebe_amqp.amqp.refusal import BIND, CONSUME, DECLARE, PUBLISH, BrokerRefusal, Rights, refusal, refusals
from zeebe_amqp.errors import Code

MORE = {Code.PERMISSION_DENIED: ", or else", Code.FAILED_PRECONDITION: ", or otherwise"}
DENIED, DIFFERS = Code.PERMISSION_DENIED, Code.FAILED_PRECONDITION
ACCESS, MISSING = library.ChannelAccessRefused, library.ChannelNotFoundEntity
LOCKED, UNEQUAL = library.ChannelLockedResource, library.ChannelPreconditionFailed
ANN = "in vhost '/' refused for user 'ann'"

REFUSALS: list[tuple[Exception, Code, str]] = [
    (ACCESS(f"ACCESS_REFUSED - access to queue 'q' {ANN}"), DENIED, "user 'ann' needs the right to configure the queue "
     "'q', which `rabbitmqctl set_permissions` gives, or else"),
    (ACCESS(f"ACCESS_REFUSED - configure access to queue 'q' {ANN}"), DENIED, "the right to configure the queue 'q'"),
    (ACCESS(f"ACCESS_REFUSED - access to queue 'amq.gen-x1' {ANN}"), DENIED, "to configure the queue 'amq.gen-*'"),
    (ACCESS("ACCESS_REFUSED - queue 'q' in vhost '/' in exclusive use"), DENIED, "another client reads it"),
    (ACCESS("ACCESS_REFUSED - queue name 'amq.q' contains reserved prefix 'amq.*'"), DENIED, "use another name"),
    (MISSING("NOT_FOUND - no queue 'q' in vhost '/'"), Code.NOT_FOUND, "declare the queue first"),
    (MISSING("NOT_FOUND - no exchange 'x' in vhost '/'"), Code.NOT_FOUND, "declare the exchange first"),
    (LOCKED("RESOURCE_LOCKED - cannot obtain exclusive access to locked queue 'q' in vhost '/'. It"), DENIED,
     "it belongs to another connection"),
    (UNEQUAL("PRECONDITION_FAILED - inequivalent arg 'durable' for queue 'q' in vhost '/'"), DIFFERS,
     "; delete the queue, or otherwise"),
    (UNEQUAL("PRECONDITION_FAILED - inequivalent arg 'type' for exchange 'x' in vhost '/'"), DIFFERS,
     "; delete the exchange"),
    # Of our own channels.
    (ChannelEnded(f"ACCESS_REFUSED - access to exchange 'amq.default' {ANN}", 403), DENIED, "the right to use"),
    (ChannelEnded("PRECONDITION_FAILED - message size 70 is larger than configured max size 64", 406), DIFFERS,
     "send less"),
    (ChannelEnded("PRECONDITION_FAILED - invalid expiration", 406), DIFFERS, "log"),
]  # fmt: skip
"""What the broker says, its code, and what is advised."""

OUTAGES = (
    ChannelEnded("the connection was lost"),
    ChannelEnded("the broker closed the channel: 541 INTERNAL_ERROR", 541),
    MISSING("NOT_FOUND - home node 'a@b' of durable queue 'q' in vhost '/' is down or inaccessible"),
    MISSING("NOT_FOUND - failed to perform operation on queue 'q' in vhost '/' due to timeout"),
    ACCESS(
        f"ACCESS_REFUSED - access to exchange 'amq.default' {ANN}, backend rabbit_auth_backend_cache returned an "
        "error: {failed_connect}"
    ),
    library.ChannelClosed(504, "CHANNEL_ERROR"),
    library.DuplicateConsumerTag("x"),
)


def test_a_refusal_has_the_broker_s_words_a_code_and_what_to_do() -> None:
    def has_advice(error: Exception, code: Code, advice: str) -> None:
        found = refusal(error, DECLARE, MORE)
        assert found is not None
        assert (found.code, advice in str(found), str(error) in str(found)) == (code, True, True), str(found)

    check_all(REFUSALS, has_advice)


def test_what_may_pass_is_no_refusal() -> None:
    for error in OUTAGES:
        assert refusal(error, PUBLISH) is None, error
        with pytest.raises(type(error)), refusals(PUBLISH):
            raise error


def test_a_refusal_names_the_right_that_the_broker_names_or_the_method_needs() -> None:
    def is_named(said: str, kind: str, rights: Rights, words: str) -> None:
        with pytest.raises(BrokerRefusal, match=f"{words} the {kind}"), refusals(rights):
            raise ACCESS(f"ACCESS_REFUSED - {said}access to {kind} 'q' {ANN}")

    unsaid = [("", "queue", DECLARE, "to configure"), ("", "exchange", PUBLISH, "to write to")]
    unsaid += [("", "queue", CONSUME, "to read from"), ("", "queue", BIND, "to write to")]
    said = [("configure ", "queue", CONSUME, "to configure"), ("write ", "exchange", DECLARE, "to write to")]
    said += [("read ", "queue", DECLARE, "to read from")]
    check_all([*unsaid, ("", "exchange", BIND, "to read from"), *said], is_named)
