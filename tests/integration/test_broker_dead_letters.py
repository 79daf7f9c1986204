"""Dead letters: what could not be handled and has no one to tell, kept so that it can be sent again."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import aio_pika
import orjson
import pytest
import pytest_asyncio

from tests.cases import for_each
from tests.integration.caller import Caller
from tests.integration.load import CREATE
from tests.integration.service import CONNECTIONS, TIMEOUT, ConsumerSetup, create, eventually
from zeebe_amqp import wire
from zeebe_amqp.testing import fail

pytestmark = pytest.mark.asyncio(loop_scope="module")

SETTINGS = {"REPLY_ALLOW": "test.replies.*"}
DIRECT = wire.DIRECT_REPLY_TO
REJECTED = "Command 'CREATE' rejected with code 'NOT_FOUND': no such process"


@pytest_asyncio.fixture(loop_scope="module")
async def caller(service: ConsumerSetup) -> AsyncIterator[Caller]:
    """A caller of that consumer; what the gateway counted and what was dead before is forgotten."""
    service.gateway.reset()
    service.dead_letters.messages.clear()
    async with service.caller() as connected:
        yield connected
        assert service.connections() == CONNECTIONS


async def test_a_dead_letter_keeps_all_of_its_request_but_its_lifetime(service: ConsumerSetup, caller: Caller) -> None:
    """Only its owner may send a `user_id`: copied, it would be refused, and the refusal closes the channel."""
    sent = datetime.fromtimestamp(1_700_000_000, UTC)
    kept: dict[str, Any] = {"content_type": "application/json", "priority": 3, "type": "t", "app_id": "a"}
    kept |= {"correlation_id": "c", "timestamp": sent}
    headers: dict[str, Any] = {"text": "ä", "number": 2**40, "list": [1, "x", None], "table": {"a": True}, "time": sent}
    lost: dict[str, Any] = {"message_id": "m", "user_id": "guest", "expiration": 600}
    await caller.publish(b"\x00\xff not json", reply_to=None, headers=headers, **kept, **lost)
    dead = await service.dead_letters.with_body(b"\x00\xff not json")
    assert {name: getattr(dead, name) for name in kept} == kept
    assert (dead.delivery_mode, dead.user_id, dead.expiration) == (2, None, None)
    headers[wire.ORIGINAL_USER_ID] = "guest"
    assert {name: dead.headers[name] for name in headers} == headers


async def test_a_request_with_which_its_consumer_dies_each_time_is_dead_after_the_limit(
    service: ConsumerSetup, caller: Caller
) -> None:
    """Whatever a broker counts besides: lost connections it always counts."""
    queue = f"test.{uuid.uuid4().hex}"
    await caller.channel.declare_queue(queue, durable=True, arguments=wire.queue_arguments(queue))
    dead = await caller.channel.declare_queue(exclusive=True)
    await dead.bind(wire.DEAD_LETTER)
    await caller.publish(b"poison", queue=queue)
    for _ in range(1 + wire.REQUEST_QUEUE["x-delivery-limit"]):
        assert await dead.get(no_ack=True, fail=False) is None
        async with await aio_pika.connect(service.url) as dying, dying.channel() as channel:
            taken = await channel.get_queue(queue, ensure=False)
            while await taken.get(fail=False) is None:  # noqa: ASYNC110 - the broker tells nobody
                await asyncio.sleep(0.01)
    async with dead.iterator(no_ack=True, timeout=TIMEOUT) as arriving:
        letter = await anext(arriving)
    assert (letter.body, letter.headers["x-first-death-reason"]) == (b"poison", "delivery_limit")
    await caller.channel.queue_delete(queue)


@for_each(["create-instance", "publish-message"])
async def test_a_dead_letter_published_again_is_executed(
    operation: str, service: ConsumerSetup, caller: Caller
) -> None:
    """As it is, under the same request id; also one of the bare form."""
    service.gateway.reset()
    service.gateway.script(CREATE, fail("NOT_FOUND", REJECTED))
    service.gateway.script("PublishMessage", fail("INVALID_ARGUMENT", REJECTED))
    bare, again = operation == "publish-message", uuid.uuid4().hex
    body = orjson.dumps({"messageName": again, "correlationKey": "k"}) if bare else create(again=again)
    await caller.publish(body, reply_to=None, type=operation if bare else None)
    dead = await service.dead_letters.with_body(body)
    assert not service.gateway.executions
    await caller.publish(dead.body, reply_to=None, headers=dict(dead.headers), type=dead.type)
    await eventually(lambda: sum(service.gateway.executions.values()) == 1, "the command ran")


async def test_a_refused_reply_address_is_neither_served_nor_written_to(service: ConsumerSetup, caller: Caller) -> None:
    """Through the default exchange whoever may publish a request could have us write to any queue there is.

    Publishing to what only looks like direct reply-to makes the broker close the connection, with all replies on it.
    """
    other = await caller.channel.declare_queue("billing.orders", exclusive=True)
    forged = [".", ".garbage", ".g1h2AA==.x", f".{'x' * (254 - len(DIRECT))}", ".ä€.g2dkAA"]
    addresses = [caller.commands, caller.polls, wire.DEAD_LETTER, other.name, *(DIRECT + end for end in forged)]
    for address in addresses:
        body = create(refused=address)
        await caller.publish(body, reply_to=address)
        headers = (await service.dead_letters.with_body(body)).headers
        assert (headers["error-code"], headers["error-source"]) == ("PERMISSION_DENIED", "consumer")
        assert headers["error-outcome"] == "not-executed"
        assert address[:50] in str(headers["error-message"])
        assert address != other.name or "REPLY_ALLOW" in str(headers["error-message"])
    assert (await caller.call("topology")).ok
    assert not service.gateway.executions
    left = await caller.channel.declare_queue(other.name, passive=True)
    assert not left.declaration_result.message_count
    assert len(service.dead_letters.messages) == len(addresses)
