"""Publishing over AMQP: whatever keeps a confirm from coming, there is one way back, a new connection."""

from __future__ import annotations

import asyncio
from typing import Any
from unittest.mock import AsyncMock

import aio_pika
import pytest
from aiormq.exceptions import ChannelAccessRefused, ChannelPreconditionFailed, ProbableAuthenticationError

from tests.cases import for_each
from tests.unit.contracts.amqp.broker import MemoryChannel, ack, closing, nack, returned, split
from zeebe_amqp import Unauthenticated, Unavailable
from zeebe_amqp.amqp.connection import Unreachable
from zeebe_amqp.amqp.properties import Properties
from zeebe_amqp.amqp.refusal import BrokerRefusal
from zeebe_amqp.client.amqp import AmqpTransport
from zeebe_amqp.client.transport import ConnectionLost, Denied, NotConnected, Outgoing, Refused, Unroutable
from zeebe_amqp.errors import Code, CommandError, Outcome

REQUEST = Outgoing(body=b"{}", queue="q", correlation_id="c", request_id="r", deadline=None, priority=9)
NOT_ALLOWED = "ACCESS_REFUSED - access to exchange 'amq.default' in vhost '/' refused for user 'ann'"
TOO_LARGE = "PRECONDITION_FAILED - message size 9 is larger than configured max size 8"


OTHER_NAME = "PRECONDITION_FAILED - user_id property set to 'ann' but authenticated user was 'ben'"


class Connected(AmqpTransport):
    """A transport that has a channel; what ends its connection ends the channel, as a connection does."""

    def __init__(self, **options: Any) -> None:
        super().__init__(["amqp://ann:secret@localhost"], confirm_timeout=0.02, **options)
        self.reasons: list[str] = []
        self.connect()

    def connect(self) -> MemoryChannel:
        """A channel of a new connection."""
        self.channel = channel = MemoryChannel()

        def lost(reason: str | BrokerRefusal) -> None:
            self.reasons.append(str(reason))
            self._connection.refusal = reason if isinstance(reason, BrokerRefusal) else None
            channel.end("the connection was lost")

        self._channel, self._on_lost, self._connection.refusal = channel, lost, None
        return channel

    async def begin(self) -> asyncio.Task[None]:
        """A request that has been written."""
        task = asyncio.create_task(self.publish(REQUEST))
        await asyncio.sleep(0)
        return task


@pytest.fixture
async def transport() -> Connected:
    return Connected()


async def test_a_request_without_a_confirm_renews_the_connection_and_the_next_one(transport: Connected) -> None:
    """What looks after confirms must not stop with the channel that it began with."""
    before = await transport.begin()
    transport.channel.end("the connection was lost")
    transport.connect()
    with pytest.raises(ConnectionLost, match="the connection was lost"):
        await before
    for number in (1, 2):
        with pytest.raises(ConnectionLost):
            await transport.publish(REQUEST)
        assert transport.reasons == ["a request is not confirmed for 0.02 s"] * number
        with pytest.raises(NotConnected):
            await transport.publish(REQUEST)
        transport.connect()


async def test_requests_that_are_confirmed_one_after_the_other_renew_nothing(transport: Connected) -> None:
    for tag in range(1, 20):
        request = await transport.begin()
        await asyncio.sleep(0.005)
        transport.channel.receive(ack(tag))
        await request
    assert transport.reasons == []


@for_each([
    *((403, NOT_ALLOWED, Code.PERMISSION_DENIED, waiting) for waiting in (0, 1, 2)),
    *((404, "NOT_FOUND - no exchange 'x' in vhost '/'", Code.NOT_FOUND, waiting) for waiting in (1, 2)),
    *((405, "RESOURCE_LOCKED - locked", Code.PERMISSION_DENIED, waiting) for waiting in (1, 2)),
    *((406, TOO_LARGE, Code.FAILED_PRECONDITION, waiting) for waiting in (1, 2)),
])  # fmt: skip
async def test_a_refusal_that_ends_the_channel_fails_what_has_no_confirm(
    status: int, words: str, code: Code, waiting: int, transport: Connected
) -> None:
    channel = transport.connect()
    requests = [await transport.begin() for _ in range(waiting)]
    channel.receive(closing(status, words))
    no_right = code is Code.PERMISSION_DENIED
    for request in requests:
        with pytest.raises(Denied) as raised:
            await request
        assert (raised.value.code, words in str(raised.value)) == (code, True)
        assert raised.value.sent, "what came before the refused one may have arrived"
        assert raised.value.retryable is (waiting > 1 and not no_right), "it may be about the other"
    # Another message may be taken, on the next connection.
    for _ in range(2):
        with pytest.raises(Denied if no_right else NotConnected) as later:
            await transport.publish(REQUEST)
        if isinstance(later.value, Denied):
            assert (later.value.code, later.value.sent, words in str(later.value)) == (code, False, True)


@for_each([(None, ConnectionLost), ("ann", Denied)])
async def test_requests_under_a_name_that_is_not_ours_are_sent_again_without_it_unless_it_was_given(
    given: str | None, raised: type[Exception]
) -> None:
    """None of them was taken."""
    transport = Connected(user_id=given)
    requests = [await transport.begin() for _ in range(2)]
    transport.channel.receive(closing(406, OTHER_NAME))
    for request in requests:
        with pytest.raises(raised) as error:
            await request
        if isinstance(error.value, Denied):
            assert (error.value.code, error.value.sent) == (Code.PERMISSION_DENIED, False)
            assert "'ann'" in str(error.value)
            assert "'ben'" in str(error.value)
    again = transport.connect()
    request = await transport.begin()
    _, (_, _, header), _ = split(again.written[0])
    read = Properties.read(header, 12)
    assert (read.user_id, read.priority) == (given, REQUEST.priority)
    again.receive(ack(1))
    await request


def library(declare: Exception | None = None, consume: Exception | None = None) -> Any:
    """The library's channel, whose calls are refused."""
    channel = AsyncMock()
    channel.queue_declare.side_effect, channel.basic_consume.side_effect = declare, consume
    return channel


NO_RIGHT = ChannelAccessRefused("ACCESS_REFUSED - access to queue 'q' in vhost '/' refused for user 'ann'")
DIFFERS = ChannelPreconditionFailed("PRECONDITION_FAILED - inequivalent arg 'durable' for queue 'q' in vhost '/'")


@for_each([
    (NO_RIGHT, None, Code.PERMISSION_DENIED, r"to configure the queue 'q'.*direct reply-to"),
    (None, NO_RIGHT, Code.PERMISSION_DENIED, r"to read from the queue 'q'.*direct reply-to"),
    (DIFFERS, None, Code.FAILED_PRECONDITION, "delete the queue, or name another `reply_queue`"),
])  # fmt: skip
async def test_a_reply_queue_that_is_refused_is_told_with_what_else_can_be_done(
    declare: Exception | None, consume: Exception | None, code: Code, said: str
) -> None:
    with pytest.raises(BrokerRefusal, match=said) as raised:
        await AmqpTransport(["amqp://localhost"], reply_queue="q")._consume(library(declare, consume))
    assert raised.value.code is code


async def test_our_own_reader_that_the_broker_has_not_missed_yet_is_waited_for() -> None:
    """After a lost connection that takes it up to half a minute."""
    in_use = library(consume=ChannelAccessRefused("ACCESS_REFUSED - queue 'q' in vhost '/' in exclusive use"))
    transport = AmqpTransport(["amqp://localhost"], reply_queue="q")
    with pytest.raises(BrokerRefusal, match="another client reads it"):
        await transport._consume(in_use)
    await transport._consume(library())
    with pytest.raises(Unreachable, match="in exclusive use"):
        await transport._consume(in_use)


async def test_what_the_broker_says_of_a_request_is_told_as_that(transport: Connected) -> None:
    first, second = await transport.begin(), await transport.begin()
    _, (_, _, header), _ = split(transport.channel.written[0])
    transport.channel.receive(returned(Properties.read(header, 12).message_id) + ack(1) + nack(2))
    with pytest.raises(Unroutable, match="NO_ROUTE"):
        await first
    with pytest.raises(Refused, match="nack"):
        await second


async def test_while_the_broker_reads_nothing_nothing_more_is_written(transport: Connected) -> None:
    takes = asyncio.Event()
    transport.channel.writer.is_writable, transport.channel.writer.writable = False, takes.wait
    request = await transport.begin()
    assert transport.channel.written == []
    takes.set()
    await asyncio.sleep(0)
    transport.channel.receive(ack(1))
    await request


@for_each([
    (ProbableAuthenticationError("no"), Unauthenticated, r"a:5672 does not let user 'guest' .* log in"),
    (OSError("down"), Unavailable, r"no broker: a:5672: OSError: down"),
])  # fmt: skip
async def test_what_keeps_a_client_from_opening_is_an_error_of_the_client(
    raised: Exception, error: type[CommandError], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aio_pika, "connect", AsyncMock(side_effect=raised))
    with pytest.raises(error, match=said) as found:
        await AmqpTransport(["amqp://a/"]).open(AsyncMock())
    assert (found.value.outcome, found.value.retryable) == (Outcome.NOT_EXECUTED, error is Unavailable)
