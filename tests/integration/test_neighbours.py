"""One caller's trouble stays with that caller: whoever shares the queues is served as if nothing were wrong.

The gateway is the fake one: it holds commands for as long as a test wants, and counts what runs.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable

import aio_pika
import pytest
import pytest_asyncio

from tests.cases import check_each
from tests.fakes.gateway import Request
from tests.integration.broker_control import VirtualHost
from tests.integration.caller import Caller
from tests.integration.load import CREATE, Hold
from tests.integration.service import (
    CONNECTIONS,
    ConsumerSetup,
    create,
    eventually,
    metric,
    running_service,
)
from zeebe_amqp.errors import Code, Error, Outcome
from zeebe_amqp.reply import Reply
from zeebe_amqp.testing import Step, answer

pytestmark = pytest.mark.asyncio(loop_scope="module")

CONCURRENCY = 16
FULL = {"x-max-length": 1, "x-overflow": "reject-publish"}
FLOOD = 500


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(vhost: VirtualHost, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ConsumerSetup]:
    """The consumer of all tests."""
    settings = {"CONCURRENCY": str(CONCURRENCY), "REPLY_RETRY": "2s"}
    async with running_service(tmp_path_factory.mktemp("neighbours"), vhost.url, **settings) as ready:
        yield ready


@pytest.fixture
def service(shared: ConsumerSetup) -> ConsumerSetup:
    """That consumer, with a gateway that has counted nothing yet."""
    shared.gateway.reset()
    return shared


@pytest_asyncio.fixture(loop_scope="module")
async def caller(service: ConsumerSetup) -> AsyncIterator[Caller]:
    """The neighbour."""
    async with service.caller() as connected:
        yield connected


def dropped(service: ConsumerSetup) -> float:
    """How many replies were dropped because their queue refused them."""
    return sum(metric(service.consumer, "reply_failures_total", reason="refused"))


async def refusing_queues(caller: Caller, number: int) -> list[str]:
    """Queues that are full and refuse whatever comes."""
    names = [f"test.replies.full.{uuid.uuid4().hex}" for _ in range(number)]
    for name in names:
        await caller.channel.declare_queue(name, arguments=FULL, exclusive=True)
        await caller.channel.default_exchange.publish(aio_pika.Message(b"unread"), name)
    return names


async def longest_wait(caller: Caller, reply_to: Callable[[int], str]) -> float:
    """Seconds that a neighbour waits at most, behind a flood of requests whose replies go to `reply_to`."""

    async def wait() -> float:
        started = time.perf_counter()
        assert Reply.decode((await caller.request(create(id=uuid.uuid4().hex))).body).ok
        return time.perf_counter() - started

    flood = [caller.publish(create(id=uuid.uuid4().hex), reply_to=reply_to(number)) for number in range(FLOOD)]
    _, *waits = await asyncio.gather(asyncio.gather(*flood), *(wait() for _ in range(20)))
    return max(waits)


async def test_reply_queues_that_refuse_hold_up_nobody_and_what_was_dropped_is_there_for_who_asks_again(
    service: ConsumerSetup, caller: Caller
) -> None:
    undisturbed = await longest_wait(caller, lambda _: caller.reply_to)

    async def hold_up_nobody(queues: int) -> None:
        names, before = await refusing_queues(caller, queues), len(service.gateway.executions)
        refused = dropped(service)
        await caller.publish(create(id=names[0]), reply_to=names[0], message_id=names[0])
        disturbed = await longest_wait(caller, lambda number: names[number % queues])
        print(f"longest wait of a neighbour: {undisturbed:.3f} s undisturbed, {disturbed:.3f} s beside full queues")
        assert disturbed <= 10 * undisturbed
        assert service.consumer.get("/readyz")[0] == 200
        await eventually(lambda: dropped(service) == refused + FLOOD + 1, "all were dropped")
        assert len(service.gateway.executions) - before > FLOOD
        assert set(service.gateway.executions.values()) == {1}
        assert service.dead_letters.messages == []
        assert f"reply queue '{names[0]}': it is full" in service.log()
        await eventually(lambda: service.metric("in_flight") == 0, "nothing is held any more")
        executed = service.gateway.count(CREATE)
        again = await caller.request(create(id=names[0]), message_id=names[0])
        assert (Reply.decode(again.body).ok, again.headers["replayed"]) == (True, True)
        assert service.gateway.count(CREATE) == executed

    await check_each({"one full queue": (1,), f"{FLOOD} full queues": (FLOOD,)}, hold_up_nobody)


async def assert_served(caller: Caller) -> None:
    """A hundred ordinary commands are answered."""
    replies = await asyncio.gather(*(caller.request(create(id=number)) for number in range(100)))
    assert all(Reply.decode(reply.body).ok for reply in replies)


def crowded(reply: Reply) -> Error:
    """The error of what was refused because too much waits already."""
    error = reply.error
    assert error is not None, reply.data
    assert (error.code, error.outcome, error.retryable) == (Code.RESOURCE_EXHAUSTED, Outcome.NOT_EXECUTED, True)
    assert "zeebe.polls" in error.message
    return error


WITH_RESULT = "CreateProcessInstanceWithResult"
AWAITED = {"bpmnProcessId": "p", "withResult": True, "requestTimeout": "50s"}


SHARE = CONCURRENCY // 4
"""Places of commands for what one user has waiting: half of those for what waits, which are half of all."""


async def test_what_waits_on_purpose_takes_a_share_of_the_places_of_commands(
    service: ConsumerSetup, caller: Caller
) -> None:
    async def takes_a_share(rpc: str, data: object) -> None:
        hold, operation = Hold(service.gateway, rpc), "activate-jobs" if rpc == "ActivateJobs" else "create-instance"
        calls = [asyncio.ensure_future(caller.call(operation, data)) for _ in range(4 * CONCURRENCY)]
        await hold.reached(SHARE)
        await eventually(lambda: sum(call.done() for call in calls) == 4 * CONCURRENCY - SHARE, "refusals")
        for call in calls:
            if call.done():
                crowded(call.result())
        await assert_served(caller)
        hold.open()
        assert sum(reply.ok for reply in await asyncio.gather(*calls)) == SHARE
        assert (await caller.call(operation, data)).ok, "there is room again"

    poll = {"jobType": "j", "maxJobsToActivate": 1, "requestTimeout": "50s"}
    await check_each([("ActivateJobs", poll), (WITH_RESULT, AWAITED)], takes_a_share)


async def test_what_waits_is_not_refused_when_it_is_delivered_again(
    service: ConsumerSetup, caller: Caller, vhost: VirtualHost
) -> None:
    """It runs, and its redelivery takes no place of its own, whether it has an id or not."""
    hold, opened = Hold(service.gateway, WITH_RESULT), service.connections()

    def call(number: int) -> Awaitable[Reply]:
        identity = {"message_id": f"wait-{number}"} if number % 2 else {}
        return caller.call("create-instance", {**AWAITED, "variables": {"number": number}}, **identity)

    calls = [asyncio.ensure_future(call(number)) for number in range(SHARE)]
    await hold.reached(SHARE)
    await asyncio.to_thread(vhost.cut_off_services)
    await eventually(lambda: service.connections() >= opened + CONNECTIONS, "every connection opened again")
    await assert_served(caller)
    hold.open()
    assert [reply.ok for reply in await asyncio.gather(*calls)] == [True] * len(calls)
    assert service.gateway.count(WITH_RESULT) == len(calls)


async def test_jobs_that_are_there_are_handed_out_while_500_polls_wait(service: ConsumerSetup, caller: Caller) -> None:
    idle = asyncio.Event()

    async def react(request: Request) -> Step:
        if request.message.type.startswith("idle"):
            await idle.wait()
        return answer()

    service.gateway.always("ActivateJobs", react)

    def poll(job_type: str) -> Awaitable[Reply]:
        data = {"jobType": job_type, "maxJobsToActivate": 1, "requestTimeout": "50s"}
        return caller.call("activate-jobs", data, queue=caller.polls)

    waiting = [asyncio.ensure_future(poll(f"idle-{number}")) for number in range(500)]
    await eventually(lambda: service.gateway.count("ActivateJobs") == 500, "all polls are at the gateway")
    for number in range(50):
        assert (await poll(f"work-{number}")).ok
    assert not any(call.done() for call in waiting)
    idle.set()
    assert all(reply.ok for reply in await asyncio.gather(*waiting))
