"""The arguments in which a queue differs, as brokers refuse a declaration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from aiormq.exceptions import ChannelAccessRefused, ChannelPreconditionFailed

from consumer.rabbitmq.differences import MAX_ROUNDS, Difference, compare, read
from tests.cases import for_each

START = "PRECONDITION_FAILED - inequivalent arg"
QUEUE = "for queue 'a' in vhost '/'"


@for_each([
    (f"{START} 'x-max-length' {QUEUE}: received none but current is the value '70' of type 'signedint'",
     ("x-max-length", 70)),
    (f"{START} 'x-overflow' {QUEUE}: received the value 'reject-publish' of type 'longstr' but current is none",
     ("x-overflow", None)),
    (f"{START} 'x-dead-letter-exchange' {QUEUE}: received the value 'a' of type 'longstr' but current is the value "
     "'42' of type 'longstr'", ("x-dead-letter-exchange", "42")),
    (f"{START} 'durable' {QUEUE}: received 'true' but current is 'false'", ("durable", False)),
    (f"{START} 'x-delivery-limit' {QUEUE}: received '20' but current is '5'", ("x-delivery-limit", 5)),
    (f"{START} 'x-queue-type' {QUEUE}: received 'quorum' but current is 'classic'", ("x-queue-type", "classic")),
    ("PRECONDITION_FAILED - invalid arg 'x-delivery-limit' for queue 'a'", None),
    ("RESOURCE_LOCKED - x", None),
])  # fmt: skip
def test_a_refusal_names_an_argument_and_its_value(text: str, found: tuple[str, Any] | None) -> None:
    assert read(text) == found


class Queue:
    """A queue with arguments of its own, which refuses other ones like a broker."""

    def __init__(self, **arguments: Any) -> None:
        self.arguments = {name.replace("_", "-"): value for name, value in arguments.items()}
        self.asked = 0

    async def declare(self, durable: bool, arguments: Mapping[str, Any]) -> None:
        self.asked += 1
        for name in sorted(self.arguments.keys() | arguments):
            theirs = self.arguments.get(name)
            if arguments.get(name) != theirs:
                shown = "none" if theirs is None else f"the value '{theirs}' of type '{_type(theirs)}'"
                raise ChannelPreconditionFailed(f"{START} '{name}' {QUEUE}: received x but current is {shown}")


def _type(value: Any) -> str:
    return "signedint" if isinstance(value, int) else "longstr"


async def test_all_differences_are_found_one_after_the_other() -> None:
    queue = Queue(x_a=1, x_b="two", x_e=5)
    differences, arguments = await compare(queue.declare, {"x-a": 1, "x-b": "too", "x-c": 3})
    assert differences == (Difference("x-b", "too", "two"), Difference("x-c", 3, None), Difference("x-e", None, 5))
    assert arguments == queue.arguments
    assert queue.asked == 4


async def test_a_queue_as_ours_is_declared_a_single_time() -> None:
    queue = Queue(x_a=1)
    assert await compare(queue.declare, {"x-a": 1}) == ((), {"x-a": 1})
    assert queue.asked == 1


@for_each([f"{START} 'x-a' {QUEUE}: received x but current is the value '9' of type 'signedint'", "something else"])
async def test_a_broker_that_never_has_enough_is_not_asked_for_ever(refusal: str) -> None:
    asked = []

    async def declare(*_: Any) -> None:
        asked.append(1)
        raise ChannelPreconditionFailed(refusal)

    await compare(declare, {"x-a": 1})
    assert 1 <= len(asked) < MAX_ROUNDS


async def test_a_missing_right_is_told() -> None:
    async def declare(*_: Any) -> None:
        raise ChannelAccessRefused("no")

    with pytest.raises(ChannelAccessRefused):
        await compare(declare, {})
