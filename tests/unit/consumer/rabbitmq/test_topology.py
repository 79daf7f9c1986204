"""What is declared, or in passive mode checked, at the broker."""

from __future__ import annotations

from typing import Any, Self

import pytest
from aio_pika import ExchangeType
from aiormq.exceptions import ChannelAccessRefused, ChannelNotFoundEntity, ChannelPreconditionFailed

from consumer.config import Amqp
from consumer.rabbitmq.topology import declare_dead_letters, declare_requests
from zeebe_amqp.amqp.refusal import BrokerRefusal

REQUEST_ARGUMENTS = {
    "x-queue-type": "quorum",
    "x-delivery-limit": 20,
    "x-dead-letter-exchange": "zeebe.dead",
    "x-dead-letter-strategy": "at-least-once",
    "x-overflow": "reject-publish",
}


class FakeConnection:
    """A connection, its channels and their queues in one; it writes down what is declared."""

    def __init__(self, active: Exception | None = None, passive: Exception | None = None) -> None:
        self._refusals = {False: active, True: passive}
        self.declared: list[tuple[Any, ...]] = []
        self.channels = 0

    def channel(self) -> Self:
        self.channels += 1
        return self

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        pass

    async def declare_queue(
        self, name: str, *, durable: bool = False, passive: bool = False, arguments: dict[str, Any] | None = None
    ) -> Self:
        if (refusal := self._refusals[passive]) is not None:
            raise refusal
        self.declared.append(("passive" if passive else "queue", name, durable, arguments))
        return self

    async def declare_exchange(self, name: str, kind: str, *, durable: bool, passive: bool) -> Self:
        self.declared.append(("passive exchange" if passive else "exchange", name, ExchangeType(kind).value, durable))
        return self

    async def bind(self, _: object) -> None:
        self.declared.append(("bound",))


DIFFERENT = "PRECONDITION_FAILED - inequivalent arg 'x-overflow' for queue 'a' in vhost '/'"
QUEUES = ("a", "b")
ACTIVE, PASSIVE = Amqp(queues=QUEUES), Amqp(queues=QUEUES, declare="passive")


async def test_request_queues_are_durable_quorum_queues_with_a_limit_and_dead_letters() -> None:
    connection: Any = FakeConnection()
    await declare_requests(connection, ACTIVE, QUEUES)
    assert connection.declared == [("queue", name, True, REQUEST_ARGUMENTS) for name in ("a", "b")]


async def test_dead_letters_have_a_durable_fanout_and_a_durable_quorum_queue_without_limit() -> None:
    connection: Any = FakeConnection()
    await declare_dead_letters(connection, ACTIVE)
    assert connection.declared == [
        ("exchange", "zeebe.dead", "fanout", True),
        ("queue", "zeebe.dead", True, {"x-queue-type": "quorum"}),
        ("bound",),
    ]


async def test_passive_mode_looks_for_every_queue_and_binds_nothing() -> None:
    connection: Any = FakeConnection(active=ChannelAccessRefused("no right to configure"))
    await declare_dead_letters(connection, PASSIVE)
    assert [entry[0] for entry in connection.declared] == ["passive exchange", "passive"]
    await declare_requests(connection, PASSIVE, QUEUES)
    assert [entry[:2] for entry in connection.declared[2:]] == [("passive", "a"), ("passive", "b")]


async def test_passive_mode_fails_when_a_queue_is_missing() -> None:
    connection: Any = FakeConnection(passive=ChannelNotFoundEntity("NOT_FOUND - no queue 'a' in vhost '/'"))
    with pytest.raises(BrokerRefusal, match=r"no queue 'a' .*declare the queue first.*AMQP_DECLARE=passive leaves"):
        await declare_requests(connection, PASSIVE, QUEUES)


async def test_passive_mode_names_what_differs_and_goes_on_with_a_channel_for_each_queue(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A refusal closes the channel."""
    connection: Any = FakeConnection(active=ChannelPreconditionFailed("inequivalent arg 'x-overflow'"))
    await declare_requests(connection, PASSIVE, QUEUES)
    assert [record.getMessage().split()[1] for record in caplog.records] == ["'a'", "'b'"]
    assert all("inequivalent arg 'x-overflow'" in record.getMessage() for record in caplog.records)
    assert connection.channels == 3


async def test_active_mode_fails_when_a_queue_differs() -> None:
    connection: Any = FakeConnection(active=ChannelPreconditionFailed(DIFFERENT))
    for declare in (declare_requests(connection, ACTIVE, QUEUES), declare_dead_letters(connection, ACTIVE)):
        with pytest.raises(
            BrokerRefusal, match=r"'x-overflow'.*; delete the queue, or take it as it is with AMQP_DECLARE"
        ):
            await declare


async def test_a_right_that_is_missing_is_named_with_what_else_can_be_done() -> None:
    for kind, right in (("queue", "configure and read from"), ("exchange", "write to")):
        refused = ChannelAccessRefused(f"ACCESS_REFUSED - access to {kind} 'a' in vhost '/' refused for user 'ann'")
        connection: Any = FakeConnection(active=refused)
        with pytest.raises(BrokerRefusal, match=f"right to {right} the {kind} 'a'.*AMQP_DECLARE=passive"):
            await declare_requests(connection, ACTIVE, QUEUES)
