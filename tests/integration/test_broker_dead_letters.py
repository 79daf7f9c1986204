"""Dead letters: what could not be handled and has no one to tell, kept so that it can be sent again."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
import pytest_asyncio
from aio_pika.abc import AbstractIncomingMessage

from tests.integration.caller import Caller
from tests.integration.service import CONNECTIONS, TIMEOUT, ConsumerSetup, create, eventually
from zeebe_amqp import wire
from zeebe_amqp.reply import Reply
from zeebe_amqp.testing import fail

pytestmark = pytest.mark.asyncio(loop_scope="module")

SETTINGS = {"REPLY_ALLOW": "test.replies.*"}
REJECTED = "Command 'CREATE' rejected with code 'NOT_FOUND': no such process"


@pytest_asyncio.fixture(loop_scope="module")
async def caller(service: ConsumerSetup) -> AsyncIterator[Caller]:
    """A caller of that consumer; what the gateway counted and what was buried before is forgotten."""
    service.gateway.reset()
    service.dead_letters.messages.clear()
    async with service.caller() as connected:
        yield connected


async def test_a_success_that_nobody_waits_for_is_done_and_leaves_nothing(
    service: ConsumerSetup, caller: Caller
) -> None:
    await caller.publish(create(forget=1), reply_to=None)
    await eventually(lambda: service.gateway.count("CreateProcessInstance"), "the command ran")
    assert (await caller.call("topology")).ok
    assert not service.dead_letters.messages
    assert len(caller.arrived) == 1


async def test_a_rejection_that_nobody_waits_for_is_buried_with_the_engines_words(
    service: ConsumerSetup, caller: Caller
) -> None:
    service.gateway.script("CreateProcessInstance", fail("NOT_FOUND", REJECTED))
    body = create(rejected=1)
    await caller.publish(body, reply_to=None)
    headers = dict((await service.dead_letters.with_body(body)).headers)
    failed_at = datetime.fromisoformat(str(headers.pop("failed-at")))
    assert abs((datetime.now(UTC) - failed_at).total_seconds()) < 300
    assert headers.pop("request-id")
    assert headers == {
        "operation": "create-instance",
        "error-code": "NOT_FOUND",
        "error-message": REJECTED,
        "error-source": "gateway",
        "error-outcome": "not-executed",
    }


async def test_a_dead_letter_keeps_body_properties_and_headers(service: ConsumerSetup, caller: Caller) -> None:
    body = b"\x00\xff not json"
    sent = datetime.fromtimestamp(1_700_000_000, UTC)
    kept: dict[str, Any] = {"content_type": "application/json", "priority": 3, "type": "t", "app_id": "a"}
    headers: dict[str, Any] = {"text": "ä", "number": 2**40, "list": [1, "x", None], "table": {"a": True}, "time": sent}
    await caller.publish(
        body, reply_to=None, correlation_id="c", message_id="m", timestamp=sent, headers=headers, expiration=600, **kept
    )
    dead = await service.dead_letters.with_body(body)
    assert {name: getattr(dead, name) for name in kept} == kept
    assert (dead.correlation_id, dead.timestamp, dead.delivery_mode) == ("c", sent, 2)
    assert {name: dead.headers[name] for name in headers} == headers


async def test_a_dead_letter_does_not_expire(service: ConsumerSetup, caller: Caller) -> None:
    await caller.publish(b"lasting", reply_to=None, expiration=600)
    assert (await service.dead_letters.with_body(b"lasting")).expiration is None


async def test_a_dead_letter_keeps_the_validated_sender_in_a_header(service: ConsumerSetup, caller: Caller) -> None:
    """Only its owner may send a `user_id`: copied, it would be refused, and the refusal closes the channel."""
    await caller.publish(b"by guest", reply_to=None, user_id="guest")
    dead = await service.dead_letters.with_body(b"by guest")
    assert (dead.user_id, dead.headers["original-user-id"]) == (None, "guest")
    assert service.connections() == CONNECTIONS


async def test_a_dead_letter_with_the_largest_headers_is_buried_with_the_reason(
    service: ConsumerSetup, caller: Caller
) -> None:
    """Headers that do not fit into a frame close the connection of whoever publishes them."""
    await caller.publish(b"large", reply_to=None, headers={f"h{n}": "x" * 1000 for n in range(120)})
    headers = (await service.dead_letters.with_body(b"large")).headers
    assert headers["error-code"] == "INVALID_ARGUMENT"
    assert 50 < len(headers) < 75
    assert service.connections() == CONNECTIONS


def as_it_is(dead: AbstractIncomingMessage) -> dict[str, Any]:
    """The properties of a dead letter for sending it again, under the same request id."""
    return {
        "headers": dict(dead.headers),
        "content_type": dead.content_type,
        "type": dead.type,
        "priority": dead.priority,
    }


async def test_a_dead_letter_published_again_is_executed(service: ConsumerSetup, caller: Caller) -> None:
    service.gateway.script("CreateProcessInstance", fail("NOT_FOUND", REJECTED))
    body = create(again=uuid.uuid4().hex)
    await caller.publish(body, reply_to=None)
    dead = await service.dead_letters.with_body(body)
    assert not service.gateway.executions
    await caller.publish(dead.body, reply_to=None, **as_it_is(dead))
    await eventually(lambda: sum(service.gateway.executions.values()) == 1, "the command ran")


async def test_a_dead_letter_of_the_bare_form_published_again_is_executed(
    service: ConsumerSetup, caller: Caller
) -> None:
    service.gateway.script("PublishMessage", fail("INVALID_ARGUMENT", REJECTED))
    body = orjson.dumps({"messageName": uuid.uuid4().hex, "correlationKey": "k"})
    await caller.publish(body, reply_to=None, type="publish-message")
    dead = await service.dead_letters.with_body(body)
    await caller.publish(dead.body, reply_to=None, **as_it_is(dead))
    await eventually(lambda: sum(service.gateway.executions.values()) == 1, "the command ran")


@pytest.mark.parametrize("of", ["commands", "polls", "dead", "other"])
async def test_a_reply_address_that_the_policy_refuses_is_neither_executed_nor_written_to(
    service: ConsumerSetup, caller: Caller, of: str
) -> None:
    """Through the default exchange whoever may publish a request could have us write to any queue there is."""
    queues = {"commands": caller.commands, "polls": caller.polls, "dead": wire.DEAD_LETTER, "other": "billing.orders"}
    body = create(refused=of)
    if of == "other":
        await caller.channel.declare_queue("billing.orders", exclusive=True)
    await caller.publish(body, reply_to=queues[of])
    headers = (await service.dead_letters.with_body(body)).headers
    assert (headers["error-code"], headers["error-source"]) == ("PERMISSION_DENIED", "consumer")
    assert headers["error-outcome"] == "not-executed"
    assert str(queues[of]) in str(headers["error-message"])
    assert of != "other" or "REPLY_ALLOW" in str(headers["error-message"])
    assert not service.gateway.executions
    if of == "other":
        left = await caller.channel.declare_queue("billing.orders", passive=True)
        assert not left.declaration_result.message_count
    assert len(service.dead_letters.messages) == 1


async def test_an_allowed_reply_address_is_written_to(caller: Caller) -> None:
    assert (await caller.call("topology")).ok


async def test_the_case_of_a_reply_address_does_not_matter(caller: Caller) -> None:
    queue = await caller.channel.declare_queue(f"Test.Replies.{uuid.uuid4().hex}", exclusive=True)
    arrived: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    async def take(reply: AbstractIncomingMessage) -> None:
        arrived.set_result(reply.body)

    await queue.consume(take, no_ack=True)
    await caller.publish(b'{"operation": "topology"}', reply_to=queue.name)
    async with asyncio.timeout(TIMEOUT):
        assert Reply.decode(await arrived).ok
