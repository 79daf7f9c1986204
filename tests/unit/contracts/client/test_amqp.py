"""Publishing over AMQP: whatever keeps a confirm from coming, there is one way back, a new connection."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import aio_pika
import pytest
from aiormq import Channel as RawChannel
from aiormq.exceptions import ChannelAccessRefused, ChannelPreconditionFailed, ProbableAuthenticationError

from tests.cases import check_each
from tests.unit.contracts.amqp.frames import FakeWriter, ack, closing, nack, returned, split
from zeebe_amqp import Unauthenticated, Unavailable
from zeebe_amqp.amqp.connection import Unreachable
from zeebe_amqp.amqp.hot import HotChannel
from zeebe_amqp.amqp.properties import Properties
from zeebe_amqp.amqp.refusal import BrokerRefusal
from zeebe_amqp.client import amqp
from zeebe_amqp.client.transport import ConnectionLost, Denied, NotConnected, Outgoing, Peer, Refused, Unroutable
from zeebe_amqp.errors import Code, CommandError, Outcome

REQUEST = Outgoing(body=b"{}", queue="q", correlation_id="c", request_id="r", deadline=None)


class Scene:
    """A connected transport; what ends its connection ends the channel, as a connection does."""

    def __init__(self) -> None:
        self.transport = amqp.AmqpTransport(["amqp://localhost"], confirm_timeout=0.02)
        self.reasons: list[str] = []
        self.connect()

    def connect(self) -> None:
        self.writer = FakeWriter()
        self.channel = channel = HotChannel(self.writer, 1, 4096)

        def lost(reason: str | BrokerRefusal) -> None:
            self.reasons.append(str(reason))
            self.transport._connection.refusal = reason if isinstance(reason, BrokerRefusal) else None
            channel.end("the connection was lost")

        self.transport._channel, self.transport._on_lost = channel, lost

    def message_id(self) -> str:
        """Of the first request."""
        _, header, *_ = split(self.writer.written[0])
        return str(Properties.read(header[2], 12).message_id)

    def receive(self, data: bytes) -> None:
        for kind, _, payload in split(data):
            self.channel.take(kind, payload, 0, len(payload))


@pytest.fixture
async def scene() -> Scene:
    return Scene()


async def publishing(scene: Scene) -> asyncio.Task[None]:
    task = asyncio.create_task(scene.transport.publish(REQUEST))
    await asyncio.sleep(0)
    return task


async def test_a_request_that_is_not_confirmed_renews_the_connection(scene: Scene) -> None:
    with pytest.raises(ConnectionLost):
        await scene.transport.publish(REQUEST)
    assert scene.reasons == ["a request is not confirmed for 0.02 s"]
    with pytest.raises(NotConnected):
        await scene.transport.publish(REQUEST)


async def test_a_request_that_is_not_confirmed_on_the_next_connection_renews_that_one_too(scene: Scene) -> None:
    """What looks after confirms must not stop with the channel that it began with."""
    before = await publishing(scene)
    scene.channel.end("the connection was lost")
    scene.connect()
    with pytest.raises(ConnectionLost):
        await before
    with pytest.raises(ConnectionLost):
        await scene.transport.publish(REQUEST)
    assert scene.reasons == ["a request is not confirmed for 0.02 s"]


async def test_requests_that_are_confirmed_one_after_the_other_renew_nothing(scene: Scene) -> None:
    for tag in range(1, 20):
        request = await publishing(scene)
        await asyncio.sleep(0.005)
        scene.receive(ack(tag))
        await request
    assert scene.reasons == []


async def test_a_connection_that_is_lost_tells_who_waits_for_a_confirm(scene: Scene) -> None:
    request = await publishing(scene)
    scene.channel.end("the connection was lost")
    with pytest.raises(ConnectionLost, match="the connection was lost"):
        await request
    with pytest.raises(NotConnected):
        await scene.transport.publish(REQUEST)


NOT_ALLOWED = "ACCESS_REFUSED - access to exchange 'amq.default' in vhost '/' refused for user 'ann'"
TOO_LARGE = "PRECONDITION_FAILED - message size 9 is larger than configured max size 8"


async def test_a_channel_that_ends_with_a_refusal_fails_what_has_no_confirm(scene: Scene) -> None:
    cases = (
        (403, NOT_ALLOWED, Code.PERMISSION_DENIED, False),
        (404, "NOT_FOUND - no exchange 'x' in vhost '/'", Code.NOT_FOUND, True),
        (405, "RESOURCE_LOCKED - locked", Code.PERMISSION_DENIED, False),
        (406, TOO_LARGE, Code.FAILED_PRECONDITION, True),
    )
    for status, words, code, may_be_another_s in cases:
        for waiting in (1, 2):
            scene.connect()
            requests = [await publishing(scene) for _ in range(waiting)]
            scene.receive(closing(status, words))
            for request in requests:
                with pytest.raises(Denied) as raised:
                    await request
                assert (raised.value.code, words in str(raised.value)) == (code, True), status
                assert raised.value.sent, f"{status}: what came before the refused one may have arrived"
                assert raised.value.retryable is (may_be_another_s and waiting > 1), f"{status}, {waiting} wait"


async def test_after_a_missing_right_nothing_is_written_until_the_next_connection(scene: Scene) -> None:
    for asked_before in (True, False):
        scene.connect()
        request = await publishing(scene) if asked_before else None
        scene.receive(closing(403, NOT_ALLOWED))
        if request is not None:
            await asyncio.wait({request})
        for _ in range(2):
            with pytest.raises(Denied, match=r"needs the right to write to the exchange 'amq\.default'") as raised:
                await scene.transport.publish(REQUEST)
            assert (raised.value.code, raised.value.sent) == (Code.PERMISSION_DENIED, False), asked_before


async def test_after_the_refusal_of_one_message_others_wait_for_the_next_connection(scene: Scene) -> None:
    request = await publishing(scene)
    scene.receive(closing(406, TOO_LARGE))
    await asyncio.wait({request})
    with pytest.raises(NotConnected):
        await scene.transport.publish(REQUEST)


class Library:
    """The library's channel, whose calls a test refuses."""

    def __init__(self, declare: Exception | None = None, consume: Exception | None = None) -> None:
        self.declare, self.consume = declare, consume

    async def queue_declare(self, name: str, **_: Any) -> Any:
        if self.declare is not None:
            raise self.declare
        return SimpleNamespace(queue=name)

    async def basic_consume(self, *_: Any, **__: Any) -> None:
        if self.consume is not None:
            raise self.consume


async def test_a_reply_queue_that_is_refused_is_told_with_what_else_can_be_done() -> None:
    no_right = ChannelAccessRefused("ACCESS_REFUSED - access to queue 'q' in vhost '/' refused for user 'ann'")
    differs = ChannelPreconditionFailed(
        "PRECONDITION_FAILED - inequivalent arg 'durable' for queue 'q' in vhost '/': …"
    )
    cases = (
        (Library(declare=no_right), Code.PERMISSION_DENIED, r"to configure the queue 'q'.*direct reply-to"),
        (Library(consume=no_right), Code.PERMISSION_DENIED, r"to read from the queue 'q'.*direct reply-to"),
        (Library(declare=differs), Code.FAILED_PRECONDITION, "delete the queue, or name another `reply_queue`"),
    )
    for library, code, said in cases:
        transport = amqp.AmqpTransport(["amqp://localhost"], reply_queue="q")
        with pytest.raises(BrokerRefusal, match=said) as raised:
            await transport._consume(cast("RawChannel", library))
        assert raised.value.code is code, said


async def test_our_own_reader_that_the_broker_has_not_missed_yet_is_waited_for() -> None:
    """After a lost connection that takes it up to half a minute."""
    in_use = Library(consume=ChannelAccessRefused("ACCESS_REFUSED - queue 'q' in vhost '/' in exclusive use"))
    transport = amqp.AmqpTransport(["amqp://localhost"], reply_queue="q")
    with pytest.raises(BrokerRefusal, match="another client reads it"):
        await transport._consume(cast("RawChannel", in_use))
    await transport._consume(cast("RawChannel", Library()))
    with pytest.raises(Unreachable, match="in exclusive use"):
        await transport._consume(cast("RawChannel", in_use))


async def test_what_the_broker_says_of_a_request_is_told_as_that(scene: Scene) -> None:
    first, second = await publishing(scene), await publishing(scene)
    scene.receive(returned(scene.message_id()) + ack(1) + nack(2))
    with pytest.raises(Unroutable, match="NO_ROUTE"):
        await first
    with pytest.raises(Refused, match="nack"):
        await second


async def test_while_the_broker_reads_nothing_nothing_more_is_written(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    takes = asyncio.Event()
    scene.writer.is_writable = False
    monkeypatch.setattr(scene.writer, "writable", takes.wait)
    request = await publishing(scene)
    assert scene.writer.written == []
    takes.set()
    await asyncio.sleep(0)
    scene.receive(ack(1))
    await request


async def test_what_keeps_a_client_from_opening_is_an_error_of_the_client(monkeypatch: pytest.MonkeyPatch) -> None:
    async def is_told(raised: Exception, error: type[CommandError], said: str) -> None:
        async def refuse(*_: Any, **__: Any) -> None:
            raise raised

        monkeypatch.setattr(aio_pika, "connect", refuse)
        with pytest.raises(error, match=said) as found:
            await amqp.AmqpTransport(["amqp://a/"]).open(cast("Peer", None))
        assert found.value.outcome is Outcome.NOT_EXECUTED
        assert found.value.retryable is (error is Unavailable)

    no_login = (ProbableAuthenticationError("no"), Unauthenticated, r"a:5672 does not let user 'guest' .* log in")
    await check_each([no_login, (OSError("down"), Unavailable, r"no broker: a:5672: OSError: down")], is_told)
