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
    Outcome,
    OutcomeUnknown,
    PermissionDenied,
    PublishMessage,
    ResourceExhausted,
    SetVariables,
    Topology,
    Unavailable,
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
    async with (
        Responder(rabbitmq.url, FINE) as responder,
        Client(rabbitmq.url, commands=responder.queue, reply_queue=named(queue)) as client,
    ):
        before = time.time()
        assert (await client.call(Topology(), timeout=20, request_id="mine")).cluster_size == 1
        [request] = responder.requests
    assert (request.body, request.content_type) == (
        b'{"operation":"topology","data":{},"metadata":{}}',
        wire.CONTENT_TYPE,
    )
    assert request.headers[wire.REQUEST_ID] == "mine"
    assert before + 19 < int(str(request.headers[wire.DEADLINE])) / 1000 < time.time() + 20
    assert request.expiration is None  # it would end as a dead letter instead of with an answer
    assert len({request.message_id, request.correlation_id, "mine"}) == 3
    assert (request.app_id, request.delivery_mode, request.type) == ("zeebe-amqp-client", 2, None)
    assert request.timestamp is not None
    prefix = {None: wire.DIRECT_REPLY_TO, "": "amq.gen-"}.get(queue, str(queue))
    assert str(request.reply_to).startswith(prefix)


async def test_a_request_that_is_forgotten_has_no_address_and_no_end(rabbitmq: Broker) -> None:
    async with Responder(rabbitmq.url) as responder, Client(rabbitmq.url, commands=responder.queue) as client:
        identity = await client.send(PublishMessage(message_name="paid"))
        [request] = await responder.arrived(1)
    assert (request.reply_to, request.expiration, request.headers) == (None, None, {wire.REQUEST_ID: identity})


async def test_bytes_are_sent_as_they_are(rabbitmq: Broker) -> None:
    async with Responder(rabbitmq.url, b"\xff") as responder, Client(rabbitmq.url, polls=responder.queue) as client:
        headers = {"fileName": "a.bpmn", "count": 7}
        reply = await client.call_raw(
            b"\x00", type="deploy-process", content_type="application/xml", headers=headers, long_poll=True
        )
        [request] = responder.requests
    assert (reply, request.body) == (b"\xff", b"\x00")
    assert (request.type, request.content_type) == ("deploy-process", "application/xml")
    assert headers.items() <= request.headers.items()


async def test_two_thousand_calls_are_in_flight_at_once_and_each_gets_its_own_answer(rabbitmq: Broker) -> None:
    async with Responder(rabbitmq.url) as responder, Client(rabbitmq.url, commands=responder.queue) as client:
        calls = [
            asyncio.create_task(client.call(SetVariables(element_instance_key=key, variables={}), timeout=120))
            for key in range(1, 2001)
        ]
        requests = await responder.arrived(2000)
        assert not any(call.done() for call in calls)
        for request in reversed(requests):
            key = int(request.body.split(b'"elementInstanceKey":')[1].split(b",")[0])
            await responder.reply(request, result("set-variables", {"key": key}))
        assert [found.key for found in await asyncio.gather(*calls)] == list(range(1, 2001))


@pytest.mark.parametrize("queue", QUEUES)
async def test_hostile_replies_neither_end_the_client_nor_a_call_of_somebody_else(
    rabbitmq: Broker, queue: str | None
) -> None:
    async with (
        Responder(rabbitmq.url) as responder,
        Client(rabbitmq.url, commands=responder.queue, reply_queue=named(queue)) as client,
    ):
        calls = [asyncio.create_task(client.call(Topology(), timeout=60, request_id=str(n))) for n in range(4)]
        asked = {str(request.headers[wire.REQUEST_ID]): request for request in await responder.arrived(4)}
        for correlation in (None, "unknown", "é" * 100):
            await responder.reply(asked["0"], FINE, correlation_id=correlation)
        await responder.reply(asked["0"], b"\xff{", content_type="text/\N{SNOWMAN}")
        await responder.reply(asked["1"], error("TEAPOT"))
        await responder.reply(asked["2"], error("NOT_FOUND"), headers={"status": ["odd"]})
        for _ in range(2):
            await responder.reply(asked["3"], FINE)
        broken, unknown, missing, fine = await asyncio.gather(*calls, return_exceptions=True)
        assert isinstance(broken, OutcomeUnknown)
        assert isinstance(unknown, CommandError)
        assert isinstance(missing, NotFound)
        assert not isinstance(fine, BaseException)


async def test_a_reply_whose_properties_cannot_be_read_costs_neither_call_nor_connection(rabbitmq: Broker) -> None:
    async with (
        Responder(rabbitmq.url) as responder,
        rawamqp.RawPublisher(rabbitmq.url) as stranger,
        Client(rabbitmq.url, commands=responder.queue, reply_queue=named("test.replies")) as client,
    ):
        call = asyncio.create_task(client.call(Topology(), timeout=60))
        [request] = await responder.arrived(1)
        # The AMQP library would give up the connection on a property that is not UTF-8.
        header = rawamqp.content(correlation_id=rawamqp.short(b"\xff"))
        await stranger.publish(str(request.reply_to), b"{}", header)
        await responder.reply(request, FINE)
        assert (await call).cluster_size == 1
        assert len(responder.requests) == 1, "nothing was sent again"


async def test_a_deleted_reply_queue_costs_no_call(rabbitmq: Broker) -> None:
    async with (
        Responder(rabbitmq.url) as responder,
        Client(rabbitmq.url, commands=responder.queue, reply_queue=named("test.replies")) as client,
    ):
        call = asyncio.create_task(client.call(Topology(), timeout=60))
        [request] = await responder.arrived(1)
        await responder.channel.queue_delete(str(request.reply_to), if_unused=False, if_empty=False)
        again = (await responder.arrived(2))[1]
        await responder.reply(again, FINE)
        assert (await call).cluster_size == 1
    assert again.headers[wire.REQUEST_ID] == request.headers[wire.REQUEST_ID]


async def test_a_missing_request_queue_is_told_at_once_and_harms_nobody(rabbitmq: Broker) -> None:
    async with Responder(rabbitmq.url) as responder, Client(rabbitmq.url, commands="nowhere") as client:
        with pytest.raises(Unavailable, match="queue 'nowhere' does not exist") as raised:
            await client.call(Topology(), timeout=3600)
        assert raised.value.outcome is Outcome.NOT_EXECUTED
        with pytest.raises(Unavailable):
            await client.send(Topology())
        polling = client.call_raw(b"{}", timeout=3600)
        with pytest.raises(Unavailable):
            await polling
    assert responder.requests == []


async def test_a_queue_that_takes_no_more_is_told_at_once(rabbitmq: Broker) -> None:
    full = f"test.{uuid.uuid4().hex}"
    async with Responder(rabbitmq.url) as responder, Client(rabbitmq.url, commands=full) as client:
        arguments: dict[str, Any] = {"x-max-length": 0, "x-overflow": "reject-publish"}
        await responder.channel.declare_queue(full, exclusive=True, arguments=arguments)
        with pytest.raises(ResourceExhausted, match="the broker rejected the request") as raised:
            await client.call(Topology(), timeout=3600)
    assert raised.value.retryable


async def test_a_reply_queue_is_one_clients_alone(rabbitmq: Broker) -> None:
    queue = named("test.replies")
    async with Client(rabbitmq.url, reply_queue=queue):
        with pytest.raises(PermissionDenied, match="in exclusive use; another client reads it"):
            await Client(rabbitmq.url, reply_queue=queue).__aenter__()


async def test_without_a_broker_opening_says_where_it_looked() -> None:
    with pytest.raises(
        Unavailable,
        match=r"no broker: 127\.0\.0\.1:1: .* \(nothing listens there: is the broker up, and the port right\?\)",
    ):
        await Client(NOBODY).__aenter__()


async def test_of_several_hosts_the_first_that_answers_is_taken(rabbitmq: Broker) -> None:
    async with (
        Responder(rabbitmq.url, FINE) as responder,
        Client([NOBODY, rabbitmq.url], commands=responder.queue) as client,
    ):
        assert (await client.call(Topology())).cluster_size == 1
