"""Bodies of AMQP 1.0 that are no data sections: what requests and answers are told that have one."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rabbitmq_amqp_python_client import AmqpSequence, AmqpValue, Message

from tests.cases import for_each
from zeebe_amqp import envelope
from zeebe_amqp.body_section import TYPE, refusal_of
from zeebe_amqp.commands import FailJob
from zeebe_amqp.errors import Code, CommandError
from zeebe_amqp.jobs.answers import AnswerMessage, GivenOut, interpret

LONG = 300
KINDS: dict[str, list[Any]] = {
    "text": ["", "{}", "x" * LONG],
    "binary data": [b"", b"{}", b"x" * LONG],
    "a map": [{}, {"operation": "topology"}, {str(n): n for n in range(LONG)}],
    "a list": [[], [1], ["x"] * LONG],
    "nothing": [None],
    "something else": [7, True, 1.5],
}


def refused(body: bytes) -> str:
    """What a request with that body is told."""
    with pytest.raises(CommandError) as caught:
        envelope.decode(body, type=TYPE)
    assert (caught.value.code, caught.value.operation) == (Code.INVALID_ARGUMENT, None)
    assert caught.value.details == {"field": "body"}
    return caught.value.message


@for_each(KINDS)
def test_a_request_is_told_which_value_was_found(kind: str) -> None:
    for value in KINDS[kind]:
        expected = f"body: expected a data section of AMQP 1.0 with JSON, found an amqp-value section with {kind}"
        assert refused(Message(AmqpValue(value)).encode()) == expected, value


def test_so_it_is_with_other_sections() -> None:
    assert refused(Message([AmqpSequence([1]), AmqpSequence([])]).encode()).endswith("found an amqp-sequence section")
    assert refused(b"\x00\xa3\x05other\x40").endswith("found another")
    assert refused(b"\x00").endswith("found another")
    assert refused(b"\x00\x53\x77").endswith("an amqp-value section with something else")


def test_an_answer_with_one_fails_its_job() -> None:
    came = AnswerMessage(Message(AmqpValue({"charged": 1})).encode(), TYPE, headers={"outcome": "complete"})
    found = interpret(came, GivenOut(1, 3, "charge"))
    assert found.outcome is None
    assert isinstance(found.command, FailJob)
    assert "found an amqp-value section with a map" in str(found.command.error_message)


@given(st.binary(), st.none() | st.text())
def test_every_other_message_is_read(body: bytes, type: str | None) -> None:
    for other in (None, type, "topology"):
        assert other == TYPE or refusal_of(body, other) is None
    assert body.startswith(b"\x00") or refusal_of(body, TYPE) is None


def test_the_type_alone_says_nothing() -> None:
    assert envelope.decode(b'{"operation": "topology"}', type=TYPE).operation == "topology"
