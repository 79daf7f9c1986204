"""Under pressure the consumer takes less, without a gateway it takes nothing, and nobody's requests starve others'."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator

import aio_pika
import orjson
import pytest
import pytest_asyncio

from tests.fakes.gateway import BUSY
from tests.integration.broker_control import VirtualHost
from tests.integration.caller import Caller
from tests.integration.load import CREATE, Hold
from tests.integration.service import CONNECTIONS, TIMEOUT, ConsumerSetup, create, eventually, running_service
from zeebe_amqp.reply import Reply
from zeebe_amqp.testing import after, answer, fail

pytestmark = pytest.mark.asyncio(loop_scope="module")

CONCURRENCY = 16
PAUSES = "consuming pauses"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(vhost: VirtualHost, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ConsumerSetup]:
    """The consumer of all tests."""
    settings = {"CONCURRENCY": str(CONCURRENCY), "POLLS_CONCURRENCY": str(CONCURRENCY)}
    async with running_service(tmp_path_factory.mktemp("pressure"), vhost.url, **settings) as ready:
        yield ready


@pytest.fixture
def service(shared: ConsumerSetup) -> ConsumerSetup:
    """That consumer, with a gateway that has counted nothing yet."""
    shared.gateway.reset()
    return shared


async def until(service: ConsumerSetup, what: str, number: int, *queues: str) -> None:
    """Wait until each queue, or every one of the service's, has that many ready messages or consumers."""
    async with (
        asyncio.timeout(TIMEOUT),
        await aio_pika.connect(service.url) as connection,
        connection.channel() as channel,
    ):
        for queue in queues or service.consumer.queues:
            while True:
                found = (await channel.declare_queue(queue, passive=True)).declaration_result
                if getattr(found, what) == number:
                    break
                await asyncio.sleep(0.1)


async def paused(service: ConsumerSetup, caller: Caller) -> None:
    """Take the gateway away and wait until nothing is consumed any more; one request finds out."""
    await service.gateway.stop()
    reply = Reply.decode((await caller.request(create(id=uuid.uuid4().hex))).body)
    assert reply.error is not None
    assert (reply.error.code, reply.error.outcome) == ("UNAVAILABLE", "not-executed")
    await until(service, "consumer_count", 0)


async def test_without_a_gateway_requests_stay_in_their_queue_and_are_served_when_it_is_back(
    service: ConsumerSetup, vhost: VirtualHost
) -> None:
    """Nor does a connection consume that is opened meanwhile."""
    async with service.caller() as caller:
        await paused(service, caller)
        assert "nothing is consumed until it answers" in service.consumer.reasons()["gateway"]
        assert service.metric("circuit_state") == 1
        opened = service.connections()
        await asyncio.to_thread(vhost.cut_off_services)
        await eventually(lambda: service.connections() >= opened + CONNECTIONS, "every connection opened again")
        calls = [asyncio.ensure_future(caller.request(create(id=number))) for number in range(20)]
        await caller.publish(create(id="forgotten"), reply_to=None)
        await until(service, "message_count", 21, caller.commands)
        await until(service, "consumer_count", 0)
        assert not any(call.done() for call in calls)
        await service.gateway.start()
        assert all(Reply.decode(reply.body).ok for reply in await asyncio.gather(*calls))
        await eventually(lambda: len(service.gateway.executions) == 21, "the forgotten request ran")
        await until(service, "consumer_count", 1)
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
        noticed = service.log().count(PAUSES)
        await service.gateway.stop()
        await asyncio.gather(*calls)  # cut off: their outcome is unknown
        await eventually(lambda: service.log().count(PAUSES) > noticed, "the outage is noticed")
        gate.open()
        await service.gateway.start()
        executed = service.gateway.executions
        await eventually(lambda: sum("forgotten" in str(key) for key in executed) == 10, "all ten ran")
        assert {count for key, count in executed.items() if "forgotten" in str(key)} == {1}
        assert service.dead_letters.messages == []


async def test_long_polls_that_fill_their_lane_do_not_hold_up_commands(service: ConsumerSetup) -> None:
    """What is more than one user may have waiting there is refused at once."""
    hold = Hold(service.gateway, "ActivateJobs")
    poll = {"jobType": "j", "maxJobsToActivate": 1, "requestTimeout": "50s"}
    body = orjson.dumps({"operation": "activate-jobs", "data": poll})
    async with service.caller() as caller:
        polls = [asyncio.ensure_future(caller.request(body, queue=caller.polls)) for _ in range(4 * CONCURRENCY)]
        await hold.reached(CONCURRENCY)
        replies = await asyncio.gather(*(caller.request(create(id=number)) for number in range(100)))
        assert all(Reply.decode(reply.body).ok for reply in replies)
        await eventually(lambda: sum(poll.done() for poll in polls) == 3 * CONCURRENCY, "the others are refused")
        hold.open()
        answers = [Reply.decode(reply.body) for reply in await asyncio.gather(*polls)]
        assert sum(answer.ok for answer in answers) == CONCURRENCY


async def test_the_limit_follows_backpressure_down_and_up_again_and_relief_passes(service: ConsumerSetup) -> None:
    service.gateway.always(CREATE, after(0.02, fail("RESOURCE_EXHAUSTED", BUSY)))
    async with service.caller() as caller:
        queue = caller.commands
        assert service.metric("limit", queue=queue) == CONCURRENCY
        refused = [asyncio.ensure_future(caller.request(create(id=number))) for number in range(CONCURRENCY)]
        await eventually(lambda: service.metric("limit", queue=queue) == 1, "the limit shrank")
        assert service.metric("limit", queue=caller.polls) == 2 * CONCURRENCY
        assert (await caller.call("complete-job", {"jobKey": 1 << 51})).ok
        errors = [Reply.decode(reply.body).error for reply in await asyncio.gather(*refused)]
        assert {error.code for error in errors if error is not None} <= {"RESOURCE_EXHAUSTED"}
        service.gateway.always(CREATE, answer())
        replies = await asyncio.gather(*(caller.request(create(id=f"after-{number}")) for number in range(300)))
        assert all(Reply.decode(reply.body).ok for reply in replies)
        assert service.metric("limit", queue=queue) == CONCURRENCY
