"""Under pressure the consumer takes less, without a gateway it takes nothing, and nobody's requests starve others'."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import aio_pika
import orjson
import pytest
import pytest_asyncio

from scripts.rabbitmq import RabbitMQ
from tests.fakes.gateway import BUSY, Request
from tests.integration.caller import Caller
from tests.integration.load import CREATE, Hold
from tests.integration.service import CONNECTIONS, TIMEOUT, ConsumerSetup, create, eventually, running_service
from zeebe_amqp.reply import Reply
from zeebe_amqp.testing import Step, after, answer, fail

pytestmark = pytest.mark.asyncio(loop_scope="module")

CONCURRENCY = 16


@pytest_asyncio.fixture(loop_scope="module")
async def service(own_rabbitmq: RabbitMQ, tmp_path: Path) -> AsyncIterator[ConsumerSetup]:
    """A consumer of one test, on the broker of this file."""
    async with running_service(
        tmp_path, own_rabbitmq.url, CONCURRENCY=str(CONCURRENCY), POLLS_CONCURRENCY=str(CONCURRENCY)
    ) as ready:
        yield ready


async def messages(service: ConsumerSetup, queue: str) -> int:
    """How many messages are ready in a queue."""
    async with await aio_pika.connect(service.url) as connection:
        channel = await connection.channel()
        declared = await channel.declare_queue(queue, passive=True)
        return int(declared.declaration_result.message_count or 0)


async def consumers(service: ConsumerSetup, queue: str) -> int:
    """How many consumers a queue has."""
    async with await aio_pika.connect(service.url) as connection:
        channel = await connection.channel()
        declared = await channel.declare_queue(queue, passive=True)
        return int(declared.declaration_result.consumer_count or 0)


async def until_consumed(service: ConsumerSetup, number: int) -> None:
    """Wait until every queue has that many consumers."""
    async with asyncio.timeout(TIMEOUT):
        for queue in service.consumer.queues:
            while await consumers(service, queue) != number:  # noqa: ASYNC110 - the broker tells nobody
                await asyncio.sleep(0.1)


async def paused(service: ConsumerSetup, caller: Caller) -> None:
    """Take the gateway away and wait until nothing is consumed any more; one request finds out."""
    await service.gateway.stop()
    reply = Reply.decode((await caller.request(create(id=uuid.uuid4().hex))).body)
    assert reply.error is not None
    assert (reply.error.code, reply.error.outcome) == ("UNAVAILABLE", "not-executed")
    await until_consumed(service, 0)


async def test_without_a_gateway_requests_stay_in_their_queue_and_are_served_when_it_is_back(
    service: ConsumerSetup,
) -> None:
    async with service.caller() as caller:
        await paused(service, caller)
        reason = service.consumer.reasons()["gateway"]
        assert "nothing is consumed until it answers" in reason
        assert service.metric("circuit_state") == 1
        calls = [asyncio.ensure_future(caller.request(create(id=number))) for number in range(20)]
        await caller.publish(create(id="forgotten"), reply_to=None)
        async with asyncio.timeout(TIMEOUT):
            while await messages(service, caller.commands) != 21:  # noqa: ASYNC110 - the broker tells nobody
                await asyncio.sleep(0.1)
        assert not any(call.done() for call in calls)
        await service.gateway.start()
        assert all(Reply.decode(reply.body).ok for reply in await asyncio.gather(*calls))
        await eventually(lambda: len(service.gateway.executions) == 21, "the forgotten request ran")
        await until_consumed(service, 1)
        await eventually(lambda: service.consumer.get("/readyz")[0] == 200, "it is ready again")
        assert set(service.gateway.executions.values()) == {1}
        assert service.metric("circuit_state") == 0


async def test_what_nobody_waits_for_survives_an_outage_that_began_while_it_was_held(service: ConsumerSetup) -> None:
    async with service.caller() as caller:
        gate = Hold(service.gateway)
        calls = [asyncio.ensure_future(caller.request(create(id=number))) for number in range(CONCURRENCY)]
        await gate.reached(CONCURRENCY)
        for number in range(10):
            await caller.publish(create(id=f"forgotten-{number}"), reply_to=None)
        await service.gateway.stop()
        await asyncio.gather(*calls)  # cut off: their outcome is unknown
        await eventually(lambda: "consuming pauses" in service.log(), "the outage is noticed")
        gate.open()
        await service.gateway.start()
        executed = service.gateway.executions
        await eventually(lambda: sum("forgotten" in str(key) for key in executed) == 10, "all ten ran")
        assert {count for key, count in executed.items() if "forgotten" in str(key)} == {1}
        assert service.dead_letters.messages == []


async def test_a_connection_that_is_opened_during_an_outage_does_not_consume(
    service: ConsumerSetup, own_rabbitmq: RabbitMQ
) -> None:
    async with service.caller() as caller:
        await paused(service, caller)
    await asyncio.to_thread(own_rabbitmq.ctl, "close_all_connections", "test")
    await eventually(lambda: service.connections() >= 2 * CONNECTIONS, "every connection opened again")
    await until_consumed(service, 0)
    await service.gateway.start()
    await until_consumed(service, 1)
    async with service.caller() as caller:
        assert (await caller.call("topology")).ok


async def test_it_ends_well_during_an_outage(service: ConsumerSetup) -> None:
    async with service.caller() as caller:
        await paused(service, caller)
    assert await asyncio.to_thread(service.consumer.stop) == 0


async def test_bad_keys_of_one_caller_stop_nobody(service: ConsumerSetup) -> None:
    text = "Expected to execute command on partition 1, but either it does not exist, or the gateway is not yet aware"
    service.gateway.always("CompleteJob", fail("UNAVAILABLE", text))
    async with service.caller() as caller:
        await asyncio.gather(*(caller.call("complete-job", {"jobKey": (1 << 51) + n}) for n in range(10)))
        assert Reply.decode((await caller.request(create(id="x"))).body).ok
    assert "consuming pauses" not in service.log()


async def test_long_polls_that_fill_their_lane_do_not_hold_up_commands(service: ConsumerSetup) -> None:
    hold = asyncio.Event()

    async def held(_: Request) -> Step:
        await hold.wait()
        return answer()

    service.gateway.always("ActivateJobs", held)
    poll = {"jobType": "j", "maxJobsToActivate": 1, "requestTimeout": "50s"}
    body = orjson.dumps({"operation": "activate-jobs", "data": poll})
    async with service.caller() as caller:
        polls = [asyncio.ensure_future(caller.request(body, queue=caller.polls)) for _ in range(4 * CONCURRENCY)]
        await eventually(lambda: service.gateway.count("ActivateJobs") == CONCURRENCY, "the lane of polls is full")
        replies = await asyncio.gather(*(caller.request(create(id=number)) for number in range(100)))
        assert all(Reply.decode(reply.body).ok for reply in replies)
        assert not any(poll.done() for poll in polls)
        hold.set()
        await asyncio.gather(*polls)


async def test_the_limit_follows_backpressure_down_and_up_again_and_relief_passes(service: ConsumerSetup) -> None:
    service.gateway.always(CREATE, after(0.02, fail("RESOURCE_EXHAUSTED", BUSY)))
    async with service.caller() as caller:
        queue = caller.commands
        assert service.metric("limit", queue=queue) == CONCURRENCY
        refused = [asyncio.ensure_future(caller.request(create(id=number))) for number in range(CONCURRENCY)]
        await eventually(lambda: service.metric("limit", queue=queue) == 1, "the limit shrank")
        assert service.metric("limit", queue=caller.polls) == CONCURRENCY
        assert (await caller.call("complete-job", {"jobKey": 1 << 51})).ok
        errors = [Reply.decode(reply.body).error for reply in await asyncio.gather(*refused)]
        assert {error.code for error in errors if error is not None} <= {"RESOURCE_EXHAUSTED"}
        service.gateway.always(CREATE, answer())
        replies = await asyncio.gather(*(caller.request(create(id=f"after-{number}")) for number in range(300)))
        assert all(Reply.decode(reply.body).ok for reply in replies)
        assert service.metric("limit", queue=queue) == CONCURRENCY


async def test_replies_that_cannot_be_delivered_and_dead_letters_are_counted(service: ConsumerSetup) -> None:
    async with service.caller() as caller:
        await caller.publish(create(id="x"), reply_to="no.such.reply")
        await caller.publish(b"not json", reply_to=None)
        await service.dead_letters.with_body(b"not json")
        await eventually(lambda: "no.such.reply" in service.log(), "a line about the dropped reply")
        assert service.metric("reply_failures_total", reason="unroutable") == 1
        await eventually(lambda: "zeebe_amqp_dead_lettered_total" in service.consumer.get("/metrics")[1], "counted")
        assert service.metric("dead_lettered_total", queue=caller.commands) == 1
