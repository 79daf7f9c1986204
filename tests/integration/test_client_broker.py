"""The client on a real broker: what it writes, and what it survives, with replies as strange as they may be."""

from __future__ import annotations

import asyncio
import time
import uuid
from typing import Any

import pytest

from tests.conftest import Broker
from tests.fakes.transport import error, result
from tests.integration import rawamqp
from tests.integration.responder import FINE, Responder
from zeebe_amqp import (
    Client,
    CommandError,
    NotFound,
    OutcomeUnknown,
    PermissionDenied,
    PublishMessage,
    ResourceExhausted,
    SetVariables,
    Topology,
    wire,
)

NOBODY = "amqp://guest:guest@127.0.0.1:1/"
"""An address where no broker is."""
QUEUES = [None, "", "test.client.replies"]
"""Direct reply-to, an exclusive queue, a named one."""


def named(queue: str | None) -> str | None:
    """A reply queue that no other test uses."""
    return f"{queue}.{uuid.uuid4().hex}" if queue else queue


@pytest.mark.parametrize("queue", QUEUES)
async def test_a_request_has_the_properties_of_the_contract(rabbitmq: Broker, queue: str | None) -> None:
    """Also where the first of several hosts does not answer."""
    async with (
        Responder(rabbitmq.url, FINE) as responder,
        Client([NOBODY, rabbitmq.url], commands=responder.queue, reply_queue=named(queue)) as client,
    ):
        before = time.time()
        assert (await client.call(Topology(), timeout=20, request_id="mine")).cluster_size == 1
        [request] = responder.requests
    assert request.body == b'{"operation":"topology","data":{},"metadata":{}}'
    assert request.headers[wire.REQUEST_ID] == "mine"
    assert before + 19 < int(str(request.headers[wire.DEADLINE])) / 1000 < time.time() + 20
    assert request.expiration is None  # it would end as a dead letter instead of with an answer
    assert len({request.message_id, request.correlation_id, "mine"}) == 3
    assert (request.app_id, request.delivery_mode, request.type) == ("zeebe-amqp-client", 2, None)
    assert (request.content_type, request.timestamp is None) == (wire.CONTENT_TYPE, False)
    prefix = {None: wire.DIRECT_REPLY_TO, "": "amq.gen-"}.get(queue, str(queue))
    assert str(request.reply_to).startswith(prefix)


async def test_two_thousand_calls_are_in_flight_at_once_and_each_gets_its_own_answer(rabbitmq: Broker) -> None:
    async with Responder(rabbitmq.url) as responder, Client(rabbitmq.url, commands=responder.queue) as client:
        commands = [SetVariables(element_instance_key=key, variables={}) for key in range(1, 2001)]
        calls = [asyncio.create_task(client.call(command, timeout=120)) for command in commands]
        requests = await responder.arrived(2000)
        assert not any(call.done() for call in calls)
        for request in reversed(requests):
            key = int(request.body.split(b'"elementInstanceKey":')[1].split(b",")[0])
            await responder.reply(request, result("set-variables", {"key": key}))
        assert [found.key for found in await asyncio.gather(*calls)] == list(range(1, 2001))


async def test_a_request_that_is_forgotten_has_no_address_and_no_end(rabbitmq: Broker) -> None:
    async with Responder(rabbitmq.url) as responder, Client(rabbitmq.url, commands=responder.queue) as client:
        identity = await client.send(PublishMessage(message_name="paid"))
        [request] = await responder.arrived(1)
    assert (request.reply_to, request.expiration, request.headers) == (None, None, {wire.REQUEST_ID: identity})


@pytest.mark.parametrize("queue", QUEUES)
async def test_hostile_replies_end_neither_the_client_nor_another_call(rabbitmq: Broker, queue: str | None) -> None:
    async with (
        Responder(rabbitmq.url) as responder,
        rawamqp.RawPublisher(rabbitmq.url) as stranger,
        Client(rabbitmq.url, commands=responder.queue, reply_queue=named(queue)) as client,
    ):
        calls = [asyncio.create_task(client.call(Topology(), timeout=60, request_id=str(n))) for n in range(4)]
        asked = {str(request.headers[wire.REQUEST_ID]): request for request in await responder.arrived(4)}
        # The AMQP library would give up the connection on a property that is not UTF-8.
        unreadable = rawamqp.content(correlation_id=rawamqp.short(b"\xff"))
        await stranger.publish(str(asked["0"].reply_to), b"{}", unreadable)
        for correlation in (None, "unknown", "é" * 100):
            await responder.reply(asked["0"], FINE, correlation_id=correlation)
        await responder.reply(asked["0"], b"\xff{", content_type="text/\N{SNOWMAN}")
        await responder.reply(asked["1"], error("TEAPOT"))
        await responder.reply(asked["2"], error("NOT_FOUND"), headers={"status": ["odd"]})
        for _ in range(2):
            await responder.reply(asked["3"], FINE)
        broken, unknown, missing, fine = await asyncio.gather(*calls, return_exceptions=True)
        assert (type(broken), type(missing)) == (OutcomeUnknown, NotFound)
        assert isinstance(unknown, CommandError)
        assert not isinstance(fine, BaseException)
        assert len(responder.requests) == 4, "nothing was sent again"


async def test_a_deleted_reply_queue_costs_no_call(rabbitmq: Broker) -> None:
    async with (
        Responder(rabbitmq.url) as responder,
        Client(rabbitmq.url, commands=responder.queue, reply_queue=named("test.replies")) as client,
    ):
        call = asyncio.create_task(client.call(Topology(), timeout=60))
        [request] = await responder.arrived(1)
        await responder.channel.queue_delete(str(request.reply_to), if_unused=False, if_empty=False)
        _, again = await responder.arrived(2)
        await responder.reply(again, FINE)
        assert (await call).cluster_size == 1
    assert again.headers[wire.REQUEST_ID] == request.headers[wire.REQUEST_ID]


async def test_a_queue_that_takes_no_more_or_is_another_client_s_alone_is_told_at_once(rabbitmq: Broker) -> None:
    full, replies = named("test.full"), named("test.replies")
    async with (
        Responder(rabbitmq.url) as responder,
        Client(rabbitmq.url, commands=str(full), reply_queue=replies) as client,
    ):
        arguments: dict[str, Any] = {"x-max-length": 0, "x-overflow": "reject-publish"}
        await responder.channel.declare_queue(full, exclusive=True, arguments=arguments)
        with pytest.raises(ResourceExhausted, match="the broker rejected the request") as raised:
            await client.call(Topology(), timeout=3600)
        with pytest.raises(PermissionDenied, match="in exclusive use; another client reads it"):
            await Client(rabbitmq.url, reply_queue=replies).__aenter__()
    assert raised.value.retryable
