"""Publishing over AMQP: whatever keeps a confirm from coming, there is one way back, a new connection."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import aio_pika
import pytest
from aiormq.exceptions import ProbableAuthenticationError

from tests.unit.contracts.amqp.frames import FakeWriter, ack, nack, returned, split
from zeebe_amqp import Unauthenticated, Unavailable
from zeebe_amqp.amqp.hot import HotChannel
from zeebe_amqp.amqp.properties import Properties
from zeebe_amqp.client import amqp
from zeebe_amqp.client.transport import Lost, NotConnected, Outgoing, Peer, Refused, Unroutable
from zeebe_amqp.errors import CommandError, Outcome

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

        def lost(reason: str) -> None:
            self.reasons.append(reason)
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
    with pytest.raises(Lost):
        await scene.transport.publish(REQUEST)
    assert scene.reasons == ["a request is not confirmed for 0.02 s"]
    with pytest.raises(NotConnected):
        await scene.transport.publish(REQUEST)


async def test_a_request_that_is_not_confirmed_on_the_next_connection_renews_that_one_too(scene: Scene) -> None:
    """What looks after confirms must not stop with the channel that it began with."""
    before = await publishing(scene)
    scene.channel.end("the connection was lost")
    scene.connect()
    with pytest.raises(Lost):
        await before
    with pytest.raises(Lost):
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
    with pytest.raises(Lost, match="the connection was lost"):
        await request
    with pytest.raises(Lost):
        await scene.transport.publish(REQUEST)


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


@pytest.mark.parametrize(
    ("raised", "error", "said"),
    [
        (ProbableAuthenticationError("no"), Unauthenticated, r"a:5672 does not let user 'guest' .* log in"),
        (OSError("down"), Unavailable, r"no broker: a:5672: OSError: down; is it up, and the address right\?"),
    ],
    ids=["a login that is refused", "no host that answers"],
)
async def test_what_keeps_a_client_from_opening_is_an_error_of_the_client(
    monkeypatch: pytest.MonkeyPatch, raised: Exception, error: type[CommandError], said: str
) -> None:
    async def refuse(*_: Any, **__: Any) -> None:
        raise raised

    monkeypatch.setattr(aio_pika, "connect", refuse)
    with pytest.raises(error, match=said) as found:
        await amqp.AmqpTransport(["amqp://a/"]).open(cast("Peer", None))
    assert found.value.outcome is Outcome.NOT_EXECUTED
    assert found.value.retryable is (error is Unavailable)
