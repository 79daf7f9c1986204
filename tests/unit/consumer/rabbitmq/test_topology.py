"""What is declared, or in passive mode checked, at the broker."""

from __future__ import annotations

from typing import Any
from unittest.mock import DEFAULT, AsyncMock, call

import pytest
from aio_pika import ExchangeType
from aiormq.exceptions import ChannelAccessRefused, ChannelNotFoundEntity, ChannelPreconditionFailed

from consumer.config import Amqp
from consumer.config.values import AuditSink
from consumer.rabbitmq.topology import declare_audit, declare_dead_letters, declare_requests
from tests.cases import for_each
from zeebe_amqp.amqp.refusal import BrokerRefusal

DEAD_LETTERS = {"x-dead-letter-exchange": "zeebe.dead", "x-dead-letter-strategy": "at-least-once"}
ARGUMENTS = {"x-queue-type": "quorum", "x-delivery-limit": 20, "x-overflow": "reject-publish", **DEAD_LETTERS}
QUEUES = ("a", "b")
ACTIVE, PASSIVE = Amqp(queues=QUEUES), Amqp(queues=QUEUES, declare="passive")
DIFFERS = ChannelPreconditionFailed("PRECONDITION_FAILED - inequivalent arg 'x-overflow' for queue 'a' in vhost '/'")
MISSING = ChannelNotFoundEntity("NOT_FOUND - no queue 'a' in vhost '/'")


def forbidden(kind: str) -> Exception:
    return ChannelAccessRefused(f"ACCESS_REFUSED - access to {kind} 'a' in vhost '/' refused for user 'ann'")


def refused_to_who_declares(error: Exception) -> Any:
    """The same queue is found by whoever only looks."""

    def declare(*_: str, passive: bool = False, **__: Any) -> Any:
        if not passive:
            raise error
        return DEFAULT

    return declare


async def test_request_queues_are_durable_quorum_queues_with_dead_letters(connection: Any, channel: AsyncMock) -> None:
    await declare_requests(connection, ACTIVE, QUEUES)
    expected = [call(name, durable=True, arguments=ARGUMENTS, passive=False) for name in ("a", "b")]
    assert channel.declare_queue.mock_calls == expected


async def test_dead_letters_have_a_durable_fanout_and_quorum_queue(connection: Any, channel: AsyncMock) -> None:
    await declare_dead_letters(connection, ACTIVE)
    exchange, queue = channel.declare_exchange, channel.declare_queue
    exchange.assert_awaited_once_with("zeebe.dead", ExchangeType.FANOUT, durable=True, passive=False)
    quorum = {"x-queue-type": "quorum"}
    queue.assert_awaited_once_with("zeebe.dead", durable=True, arguments=quorum, passive=False)
    queue.return_value.bind.assert_awaited_once_with(exchange.return_value)


@for_each([(ChannelAccessRefused("no right to configure"), []), (DIFFERS, ["'a'", "'b'"])])
async def test_passive_mode_looks_for_every_queue_and_names_what_differs(
    refused: Exception, differ: list[str], connection: Any, channel: AsyncMock, caplog: Any
) -> None:
    """With a channel for each comparison: a refusal closes it. It binds nothing."""
    caplog.clear()
    connection.reset_mock()
    channel.reset_mock()
    channel.declare_queue.side_effect = refused_to_who_declares(refused)
    await declare_dead_letters(connection, PASSIVE)
    await declare_requests(connection, PASSIVE, QUEUES)
    assert [each.kwargs["passive"] for each in channel.declare_exchange.mock_calls] == [True]
    looked = [each.args[0] for each in channel.declare_queue.await_args_list if each.kwargs.get("passive")]
    assert (looked, connection.channel.call_count) == (["zeebe.dead", "a", "b"], 4)
    channel.declare_queue.return_value.bind.assert_not_called()
    assert [record.getMessage().split()[1] for record in caplog.records] == differ
    assert all("inequivalent arg 'x-overflow'" in record.getMessage() for record in caplog.records)


@for_each([
    (DIFFERS, ACTIVE, "'x-overflow'.*; delete the queue, or take it as it is with AMQP_DECLARE"),
    (MISSING, PASSIVE, "no queue 'a' .*declare the queue first.*AMQP_DECLARE=passive leaves"),
    (forbidden("queue"), ACTIVE, "right to configure and read from the queue 'a'.*AMQP_DECLARE=passive"),
    (forbidden("exchange"), ACTIVE, "right to write to the exchange 'a'.*AMQP_DECLARE=passive"),
])  # fmt: skip
async def test_a_refusal_says_what_to_do(refused: Any, amqp: Amqp, words: str, connection: Any, channel: Any) -> None:
    channel.declare_queue.side_effect = refused
    with pytest.raises(BrokerRefusal, match=words):
        await declare_requests(connection, amqp, QUEUES)
    with pytest.raises(BrokerRefusal, match="AMQP_DECLARE=passive"):
        await declare_dead_letters(connection, amqp)


@for_each([ACTIVE, PASSIVE])
async def test_the_stream_of_the_audit_is_declared_and_an_exchange_only_looked_for(
    amqp: Amqp, connection: Any, channel: AsyncMock
) -> None:
    channel.reset_mock()
    await declare_audit(connection, amqp, AuditSink("exchange", "records"))
    channel.declare_exchange.assert_awaited_once_with("records", passive=True)
    channel.declare_queue.assert_not_called()
    await declare_audit(connection, amqp, AuditSink("stream", "records"))
    channel.declare_queue.assert_awaited_once_with(
        "records", durable=True, arguments={"x-queue-type": "stream"}, passive=amqp is PASSIVE
    )


async def test_an_exchange_of_the_audit_that_is_missing_names_the_setting(connection: Any, channel: AsyncMock) -> None:
    channel.declare_exchange.side_effect = ChannelNotFoundEntity("NOT_FOUND - no exchange 'records' in vhost '/'")
    with pytest.raises(BrokerRefusal, match=r"no exchange 'records'.*AUDIT names it"):
        await declare_audit(connection, ACTIVE, AuditSink("exchange", "records"))
