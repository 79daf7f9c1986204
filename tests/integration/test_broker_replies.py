"""Replies as they stand on the wire: to whom, with which properties, how often."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import aio_pika
import orjson
import pytest
import pytest_asyncio
from aio_pika.abc import AbstractIncomingMessage

from tests.fakes.gateway import Request
from tests.integration.caller import Caller
from tests.integration.rawamqp import RawPublisher, content
from tests.integration.service import CONNECTIONS, TIMEOUT, ConsumerSetup, create, eventually
from zeebe_amqp import __version__
from zeebe_amqp.reply import Reply
from zeebe_amqp.testing import Step, after, answer, fail

pytestmark = pytest.mark.asyncio(loop_scope="module")

SETTINGS = {"AMQP_PREFETCH": "4"}
TOPOLOGY = orjson.dumps({"operation": "topology"})
PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
DIRECT = "amq.rabbitmq.reply-to"


@pytest_asyncio.fixture(loop_scope="module")
async def caller(service: ConsumerSetup) -> AsyncIterator[Caller]:
    """A caller of that consumer; what the gateway counted before is forgotten."""
    service.gateway.reset()
    async with service.caller() as connected:
        yield connected


async def fully_acked(caller: Caller) -> None:
    """Wait until the request queue is empty, and nothing of it is held by the consumer."""
    async with caller.connection.channel() as channel:
        for _ in range(600):
            found = (await channel.declare_queue(caller.commands, passive=True)).declaration_result
            if not found.message_count:
                break
            await asyncio.sleep(0.05)
    assert not found.message_count


async def test_what_the_connected_gateway_is_too_old_to_say_is_null(caller: Caller) -> None:
    data = await caller.result("create-instance", {"bpmnProcessId": "order"})
    assert (data["tags"], data["businessId"]) == (None, None)
    assert data["version"] is not None


# --- properties -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("correlation", ["c", "ä" * 127, "x" * 255, '{"a": 1}', " ", "0"])
async def test_any_correlation_id_comes_back_unchanged(caller: Caller, correlation: str) -> None:
    assert (await caller.request(TOPOLOGY, correlation_id=correlation)).correlation_id == correlation


async def test_a_result_has_the_properties_of_the_contract(caller: Caller) -> None:
    reply = await caller.request(TOPOLOGY, message_id="m-1", priority=7, delivery_mode=1)
    assert (reply.content_type, reply.type) == ("application/json", "topology.result")
    assert reply.app_id == f"zeebe-amqp-consumer/{__version__}"
    assert (reply.priority, reply.delivery_mode, reply.expiration) == (7, 1, None)
    assert reply.message_id
    assert isinstance(reply.timestamp, datetime)
    assert abs((datetime.now(UTC) - reply.timestamp).total_seconds()) < 300
    headers = dict(reply.headers)
    assert int(str(headers.pop("duration-ms"))) >= 0
    assert headers == {"status": "ok", "request-id": "m-1"}


async def test_an_error_has_the_properties_of_the_contract(caller: Caller) -> None:
    reply = await caller.request(b'{"operation": "create-instance"}', headers={"request-id": "r-1"}, delivery_mode=2)
    assert (reply.type, reply.delivery_mode) == ("create-instance.error", 2)
    assert (reply.headers["status"], reply.headers["error-code"]) == ("error", "INVALID_ARGUMENT")
    assert reply.headers["request-id"] == "r-1"


async def test_every_reply_has_a_message_id_of_its_own(caller: Caller) -> None:
    replies = await asyncio.gather(*(caller.request(TOPOLOGY, message_id="same") for _ in range(10)))
    assert len({reply.message_id for reply in replies}) == 10


@pytest.mark.parametrize(("days", "bound"), [(0.01, 864), (200, 86_400), (100_000, 86_400)])
async def test_a_reply_expires_with_its_caller_but_never_later_than_a_broker_accepts(
    service: ConsumerSetup, caller: Caller, days: float, bound: float
) -> None:
    """A lifetime of months is refused by the broker, and the refusal closes the publishing channel."""
    reply = await caller.request(TOPOLOGY, headers={"deadline": int((time.time() + days * 86_400) * 1000)})
    assert 0 < float(str(reply.expiration)) <= bound
    assert service.connections() == CONNECTIONS


@pytest.mark.parametrize("expiration", [120, 10_000.5])
async def test_the_lifetime_of_the_request_does_not_bound_its_reply(caller: Caller, expiration: float) -> None:
    """On the wire a lifetime is text of milliseconds; what is no such text closes the channel."""
    assert (await caller.request(TOPOLOGY, expiration=expiration)).expiration is None


async def test_a_past_deadline_is_answered_and_not_executed(service: ConsumerSetup, caller: Caller) -> None:
    message = await caller.request(create(late=1), headers={"deadline": int(time.time() * 1000) - 5000})
    error = Reply.decode(message.body).error
    assert error is not None
    assert (error.code, error.outcome, message.expiration) == ("DEADLINE_EXCEEDED", "not-executed", 1.0)
    assert not service.gateway.count("CreateProcessInstance")


async def test_the_trace_of_the_request_passes_through(caller: Caller) -> None:
    trace = {"traceparent": PARENT, "tracestate": "vendor=x", "baggage": "a=1"}
    reply = await caller.request(TOPOLOGY, headers=trace)
    assert {name: reply.headers[name] for name in trace} == trace


async def test_a_trace_in_bytes_passes_through_as_text(caller: Caller) -> None:
    trace = {"traceparent": PARENT, "tracestate": "vendor=x", "baggage": "a=1"}
    reply = await caller.request(TOPOLOGY, headers={name: bytearray(text.encode()) for name, text in trace.items()})
    assert {name: reply.headers[name] for name in trace} == trace


@pytest.mark.parametrize("odd", [7, b"\xff", True, ["a"], {"a": "b"}, None, "x" * 1000, 1.5])
async def test_a_trace_that_is_not_text_of_the_standard_is_as_if_absent(caller: Caller, odd: Any) -> None:
    """Tracing libraries raise on a `traceparent` of another type."""
    names = ("traceparent", "tracestate", "baggage")
    reply = await caller.request(TOPOLOGY, headers={name: odd for name in names if not isinstance(odd, bytes)})
    assert Reply.decode(reply.body).ok
    assert not set(names) & set(reply.headers)


async def test_a_rejection_of_the_engine_longer_than_headers_may_be_arrives_with_its_code(
    service: ConsumerSetup, caller: Caller
) -> None:
    """With the usual limit on response headers, a status text of 8 KiB and more turns into another error."""
    service.gateway.script("CreateProcessInstance", fail("INVALID_ARGUMENT", "too many errors: " + "e" * 40_000))
    error = Reply.decode((await caller.request(create(long=1))).body).error
    assert error is not None
    assert (error.code, error.source) == ("INVALID_ARGUMENT", "gateway")
    assert error.message.startswith("too many errors: eee")
    assert len(error.message.encode()) <= 2048 + 10


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


async def test_a_direct_reply_whose_caller_has_gone_is_dropped_and_disturbs_nobody(
    service: ConsumerSetup, caller: Caller
) -> None:
    gate = asyncio.Event()

    async def held(_: Request) -> Step:
        await gate.wait()
        return answer()

    service.gateway.script("CreateProcessInstance", held)
    async with service.caller() as leaver:
        await direct(leaver.channel)
        await leaver.publish(create(leaver=1), reply_to=DIRECT)
        await eventually(lambda: service.gateway.count("CreateProcessInstance"), "the command is at the gateway")
    gate.set()
    await fully_acked(caller)
    assert (await caller.call("topology")).ok
    assert service.gateway.count("CreateProcessInstance") == 1
    assert service.connections() == CONNECTIONS


@pytest.mark.parametrize("address", ["no.such.reply.queue", f"no.such.reply.{'x' * 241}", "amq.gen-no-such-queue"])
async def test_a_reply_that_nobody_can_receive_is_dropped_and_its_request_is_done(
    service: ConsumerSetup, caller: Caller, address: str
) -> None:
    await caller.publish(create(nobody=address), reply_to=address)
    await eventually(lambda: service.gateway.count("CreateProcessInstance"), "the command ran")
    assert (await caller.call("topology")).ok
    await fully_acked(caller)
    assert service.gateway.count("CreateProcessInstance") == 1
    assert service.connections() == CONNECTIONS


@pytest.mark.parametrize(
    "address",
    [
        f"{DIRECT}.",
        f"{DIRECT}.garbage",
        f"{DIRECT}.g1h2AA==.x",
        f"{DIRECT}.{'x' * (254 - len(DIRECT))}",
        f"{DIRECT}.ä€.g2dkAA",
    ],
)
async def test_an_address_that_only_looks_like_direct_reply_to_is_refused(
    service: ConsumerSetup, caller: Caller, address: str
) -> None:
    """Publishing to some of them makes the broker close the connection, with every other reply on it."""
    body = create(forged=address)
    await caller.publish(body, reply_to=address)
    assert (await service.dead_letters.with_body(body)).headers["error-code"] == "PERMISSION_DENIED"
    assert (await caller.call("topology")).ok
    assert service.gateway.count("CreateProcessInstance") == 0
    assert service.connections() == CONNECTIONS


async def test_a_reply_without_a_queue_is_logged(service: ConsumerSetup, caller: Caller) -> None:
    await caller.publish(TOPOLOGY, reply_to="no.such.reply.logged")
    await eventually(lambda: "no.such.reply.logged" in service.log(), "a line about the dropped reply")


async def test_an_exclusive_queue_that_the_broker_named_gets_its_reply(caller: Caller) -> None:
    queue = await caller.channel.declare_queue(exclusive=True)
    assert queue.name.startswith("amq.gen-")
    await caller.publish(TOPOLOGY, reply_to=queue.name, correlation_id="own")
    assert (await caller.get(queue.name)).correlation_id == "own"


async def test_an_allowed_queue_name_of_255_bytes_gets_its_reply(caller: Caller) -> None:
    name = f"test.replies.{uuid.uuid4().hex}".ljust(255, "x")
    await caller.channel.declare_queue(name, auto_delete=True, exclusive=True)
    await caller.publish(TOPOLOGY, reply_to=name)
    assert Reply.decode((await caller.get(name)).body).ok


async def test_one_message_id_on_two_requests_does_not_mix_up_their_replies(caller: Caller) -> None:
    """Returned replies are told apart by message id: copied from the requests, two in flight would be mixed up."""
    for _ in range(10):
        await caller.publish(TOPOLOGY, message_id="twin", reply_to="no.such.reply.twin", correlation_id="lost")
        reply = await caller.request(TOPOLOGY, message_id="twin")
        assert Reply.decode(reply.body).ok
    await fully_acked(caller)
    assert not [reply for reply in caller.arrived if reply.correlation_id == "lost"]


async def test_more_hostile_messages_than_the_prefetch_do_not_stand_in_the_way(caller: Caller) -> None:
    """A delivery that is never settled holds its place in the prefetch for ever."""
    for number in range(50):
        await caller.publish(b"not json %d" % number, reply_to=None)
        await caller.publish(b"not json %d" % number, reply_to="no.such.reply.hostile")
    assert (await caller.call("topology")).ok
    await fully_acked(caller)


# --- once -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("identity", [{"message_id": "id"}, {"headers": {"request-id": "id"}}])
async def test_a_request_sent_twice_is_executed_once_and_answered_twice(
    service: ConsumerSetup, caller: Caller, identity: dict[str, Any]
) -> None:
    body = create(twice=uuid.uuid4().hex)
    unique = orjson.loads(orjson.dumps(identity).replace(b'id"}', uuid.uuid4().hex.encode() + b'"}'))
    first, second = await caller.request(body, **unique), await caller.request(body, **unique)
    assert first.body == second.body
    assert ("replayed" in first.headers, second.headers["replayed"]) == (False, True)
    assert sum(service.gateway.executions.values()) == 1


async def test_requests_sent_many_times_at_once_are_executed_once(service: ConsumerSetup, caller: Caller) -> None:
    service.gateway.always("CreateProcessInstance", after(0.2))
    body, identity = create(many=1), uuid.uuid4().hex
    replies = await asyncio.gather(*(caller.request(body, message_id=identity) for _ in range(10)))
    assert len({reply.body for reply in replies}) == 1
    assert sum("replayed" not in reply.headers for reply in replies) == 1
    assert sum(service.gateway.executions.values()) == 1


async def test_one_identity_on_two_requests_is_refused(service: ConsumerSetup, caller: Caller) -> None:
    identity = uuid.uuid4().hex
    assert Reply.decode((await caller.request(create(which="one"), message_id=identity)).body).ok
    error = Reply.decode((await caller.request(create(which="two"), message_id=identity)).body).error
    assert error is not None
    assert (error.code, error.source, error.outcome) == ("ALREADY_EXISTS", "consumer", "not-executed")
    assert sum(service.gateway.executions.values()) == 1


async def test_one_identity_of_two_users_is_two_identities(service: ConsumerSetup, caller: Caller) -> None:
    body, identity = create(which="mine"), uuid.uuid4().hex
    await caller.request(body, message_id=identity)
    assert "replayed" not in (await caller.request(body, message_id=identity, user_id="guest")).headers
    assert sum(service.gateway.executions.values()) == 2


async def test_requests_without_an_identity_are_all_executed(service: ConsumerSetup, caller: Caller) -> None:
    body = create(which="any")
    async with RawPublisher(service.url) as raw:  # the library gives an id to every message
        for _ in range(5):
            await raw.publish(caller.commands, body, content())
    await eventually(lambda: sum(service.gateway.executions.values()) == 5, "all ran")
