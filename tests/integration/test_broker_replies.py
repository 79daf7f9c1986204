"""Replies as they stand on the wire: to whom, with which properties, how often."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import aio_pika
import orjson
import pytest
import pytest_asyncio
from aio_pika.abc import AbstractIncomingMessage

from tests.cases import check_each
from tests.integration.caller import Caller
from tests.integration.load import CREATE, Hold
from tests.integration.service import CONNECTIONS, TIMEOUT, ConsumerSetup, create, eventually
from zeebe_amqp import __version__, wire
from zeebe_amqp.reply import Reply

pytestmark = pytest.mark.asyncio(loop_scope="module")

SETTINGS = {"AMQP_PREFETCH": "4"}
TOPOLOGY = orjson.dumps({"operation": "topology"})
DIRECT = wire.DIRECT_REPLY_TO


@pytest_asyncio.fixture(loop_scope="module")
async def caller(service: ConsumerSetup) -> AsyncIterator[Caller]:
    """A caller of that consumer; what the gateway counted before is forgotten."""
    service.gateway.reset()
    async with service.caller() as connected:
        yield connected


async def fully_acked(caller: Caller) -> None:
    """Wait until the request queue is empty, and nothing of it is held by the consumer."""
    async with caller.connection.channel() as channel, asyncio.timeout(30):
        while (await channel.declare_queue(caller.commands, passive=True)).declaration_result.message_count:  # noqa: ASYNC110
            await asyncio.sleep(0.05)


# --- properties -------------------------------------------------------------------------------------------------------


async def test_a_reply_has_the_properties_of_the_contract(caller: Caller) -> None:
    trace = {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "tracestate": "v=x"}
    reply = await caller.request(
        TOPOLOGY, message_id="m-1", priority=7, delivery_mode=1, expiration=120, headers={**trace, "baggage": "a=1"}
    )
    assert (reply.content_type, reply.type) == ("application/json", "topology.result")
    assert reply.app_id == f"zeebe-amqp-consumer/{__version__}"
    assert (reply.priority, reply.delivery_mode, reply.expiration) == (7, 1, None)
    assert reply.message_id not in (None, "m-1")
    assert isinstance(reply.timestamp, datetime)
    assert abs((datetime.now(UTC) - reply.timestamp).total_seconds()) < 300
    headers = dict(reply.headers)
    assert int(str(headers.pop("duration-ms"))) >= 0
    assert headers == {"status": "ok", "request-id": "m-1", **trace, "baggage": "a=1"}
    error = await caller.request(b'{"operation": "create-instance"}', headers={"request-id": "r-1"}, delivery_mode=2)
    assert (error.type, error.delivery_mode) == ("create-instance.error", 2)
    told = {name: error.headers[name] for name in ("status", "error-code", "request-id")}
    assert told == {"status": "error", "error-code": "INVALID_ARGUMENT", "request-id": "r-1"}


async def test_what_the_connected_gateway_is_too_old_to_say_is_null(caller: Caller) -> None:
    data = await caller.result("create-instance", {"bpmnProcessId": "order"})
    assert (data["tags"], data["businessId"], data["version"]) == (None, None, 1)


async def test_a_reply_expires_with_its_caller_within_what_brokers_take(service: ConsumerSetup, caller: Caller) -> None:
    """A lifetime of months is refused by the broker, and the refusal closes the publishing channel."""
    for days, bound in ((0.01, 864), (200, 86_400), (100_000, 86_400)):
        reply = await caller.request(TOPOLOGY, headers={"deadline": int((time.time() + days * 86_400) * 1000)})
        assert 0 < float(str(reply.expiration)) <= bound
    message = await caller.request(create(late=1), headers={"deadline": int(time.time() * 1000) - 5000})
    error = Reply.decode(message.body).error
    assert error is not None
    assert (error.code, error.outcome, message.expiration) == ("DEADLINE_EXCEEDED", "not-executed", 1.0)
    assert not service.gateway.count(CREATE)
    assert service.connections() == CONNECTIONS


# --- addresses --------------------------------------------------------------------------------------------------------


async def direct(channel: aio_pika.abc.AbstractChannel) -> asyncio.Queue[AbstractIncomingMessage]:
    """What arrives at the channel's own direct reply-to address."""
    arrived: asyncio.Queue[AbstractIncomingMessage] = asyncio.Queue()
    queue = await channel.get_queue(DIRECT, ensure=False)
    await queue.consume(arrived.put, no_ack=True)
    return arrived


async def test_a_direct_reply_arrives_once_and_is_not_taken_for_lost(service: ConsumerSetup, caller: Caller) -> None:
    """Such a reply, published as mandatory, is both delivered and returned by some brokers."""
    arrived = await direct(caller.channel)
    for number in range(5):
        await caller.publish(TOPOLOGY, reply_to=DIRECT, correlation_id=f"direct-{number}")
    replies = [await asyncio.wait_for(arrived.get(), TIMEOUT) for _ in range(5)]
    assert {reply.correlation_id for reply in replies} == {f"direct-{number}" for number in range(5)}
    assert (await caller.call("topology")).ok
    assert arrived.empty()
    assert DIRECT not in "".join(line for line in service.log().splitlines() if "WARNING" in line)


async def test_a_direct_reply_whose_caller_has_gone_is_dropped(service: ConsumerSetup, caller: Caller) -> None:
    gate = Hold(service.gateway)
    async with service.caller() as leaver:
        await direct(leaver.channel)
        await leaver.publish(create(leaver=1), reply_to=DIRECT)
        await gate.reached()
    gate.open()
    await fully_acked(caller)
    assert (await caller.call("topology")).ok
    assert service.gateway.count(CREATE) == 1
    assert service.connections() == CONNECTIONS


async def test_a_reply_that_nobody_can_receive_is_dropped(service: ConsumerSetup, caller: Caller) -> None:
    addresses = ["no.such.reply.queue", f"no.such.reply.{'x' * 241}", "amq.gen-no-such-queue"]
    for address in addresses:
        await caller.publish(create(nobody=address), reply_to=address)
    await eventually(lambda: all(address in service.log() for address in addresses), "lines about dropped replies")
    assert (await caller.call("topology")).ok
    await fully_acked(caller)
    assert service.gateway.count(CREATE) == len(addresses)
    assert service.connections() == CONNECTIONS


async def test_a_queue_that_the_broker_named_or_the_policy_allows_gets_its_reply(caller: Caller) -> None:
    async def gets_its_reply(name: str) -> None:
        queue = await caller.channel.declare_queue(name or None, exclusive=True)
        assert queue.name == name or queue.name.startswith("amq.gen-")
        await caller.publish(TOPOLOGY, reply_to=queue.name, correlation_id="own")
        reply = await caller.get(queue.name)
        assert (reply.correlation_id, Reply.decode(reply.body).ok) == ("own", True)

    unique = uuid.uuid4().hex
    await check_each(["", f"Test.Replies.{unique}", f"test.replies.{unique}".ljust(255, "x")], gets_its_reply)


async def test_one_message_id_on_two_requests_does_not_mix_up_their_replies(caller: Caller) -> None:
    """Returned replies are told apart by message id: copied from the requests, two in flight would be mixed up."""
    for _ in range(10):
        await caller.publish(TOPOLOGY, message_id="twin", reply_to="no.such.reply.twin", correlation_id="lost")
        assert Reply.decode((await caller.request(TOPOLOGY, message_id="twin")).body).ok
    await fully_acked(caller)
    assert not [reply for reply in caller.arrived if reply.correlation_id == "lost"]


async def test_more_hostile_messages_than_the_prefetch_do_not_stand_in_the_way(caller: Caller) -> None:
    """A delivery that is never settled holds its place in the prefetch for ever."""
    for number in range(50):
        await caller.publish(b"not json %d" % number, reply_to=None)
        await caller.publish(b"not json %d" % number, reply_to="no.such.reply.hostile")
    assert (await caller.call("topology")).ok
    await fully_acked(caller)


# --- identities -------------------------------------------------------------------------------------------------------


async def test_a_message_id_is_an_identity_of_its_user_alone(service: ConsumerSetup, caller: Caller) -> None:
    body, identity = create(which="mine"), uuid.uuid4().hex
    first, again = [await caller.request(body, message_id=identity) for _ in range(2)]
    assert (again.body, "replayed" in first.headers, again.headers["replayed"]) == (first.body, False, True)
    assert "replayed" not in (await caller.request(body, message_id=identity, user_id="guest")).headers
    assert sum(service.gateway.executions.values()) == 2
