"""A worker of our client at a real queue: its answers, what it gives back, and a broker that takes connections away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from tests.cases import for_each
from tests.integration.broker_control import User, VirtualHost
from tests.integration.played_jobs import REJECTED, PlayedJobs
from tests.integration.running_worker import Running
from tests.integration.service import TIMEOUT, eventually
from zeebe_amqp import BpmnError, Client, Job, JobFailure, NotFound, PermissionDenied, Worker
from zeebe_amqp.client import ConnectionLost, Delivery, Subscription
from zeebe_amqp.client.amqp import AmqpTransport
from zeebe_amqp.commands import CompleteJob, FailJob, ThrowError, UpdateJobTimeout
from zeebe_amqp.jobs.names import job_queue

TYPE = "charge-card"
CLIENT = "zeebe-amqp-client"
"""How the connections of clients are named."""


@pytest.fixture
async def jobs(vhost: VirtualHost) -> AsyncIterator[PlayedJobs]:
    """The queues without the service."""
    async with PlayedJobs(vhost.url, TYPE) as queue:
        yield queue


@pytest.fixture
async def client(vhost: VirtualHost, jobs: PlayedJobs) -> AsyncIterator[Client]:
    async with Client(vhost.url) as client:
        yield client


@pytest.fixture
def stranger(vhost: VirtualHost) -> Iterator[User]:
    """A user who may do nothing at first."""
    user = User(vhost.node)
    yield user
    user.delete()


async def taken(subscription: Subscription) -> Delivery:
    async with asyncio.timeout(TIMEOUT):
        found = await subscription.take()
    assert found is not None
    return found


# --- answers ----------------------------------------------------------------------------------------------------------


async def charge(job: Job) -> dict[str, Any]:
    match job.variables["amount"]:
        case 1:
            raise BpmnError("late", "two days", {"days": 2})
        case 2:
            raise JobFailure("no van", retries=1, back_off="1m")
        case 3:
            await job.requeue()
        case 4:
            raise ValueError("broken")
    return {"charged": job.variables["amount"]}


async def test_a_worker_s_answers_are_what_its_handler_said(client: Client, jobs: PlayedJobs) -> None:
    async with Running(client, charge, TYPE, back_off="2s"):
        keys = [await jobs.give({"amount": amount}) for amount in range(5)]
        found = {each.key: each for each in [await jobs.ended() for _ in keys]}
    [done, thrown, failed, returned, raised] = [found[key] for key in keys]
    assert isinstance(done.command, CompleteJob)
    assert isinstance(thrown.command, ThrowError)
    assert (thrown.command.error_code, thrown.command.error_message) == ("late", "two days")
    assert isinstance(failed.command, FailJob)
    assert (failed.command.retries, failed.command.error_message) == (1, "no van")
    assert isinstance(raised.command, FailJob)
    assert (raised.command.retries, raised.command.error_message) == (2, "ValueError: broken")
    assert (returned.command, returned.death) == (None, "delivery_limit")
    assert await jobs.waiting() == 0


async def test_a_lock_is_made_longer_and_what_is_late_is_left(client: Client, jobs: PlayedJobs) -> None:
    async def slow(job: Job) -> None:
        seen.append(job.key)
        await asyncio.sleep(2)

    seen: list[int] = []
    async with Running(client, slow, TYPE, timeout="2s"):
        await jobs.give({}, deadline=-1)
        key = await jobs.give({}, deadline=1.5)
        first, *others = [await jobs.ended() for _ in range(2)]
        while not isinstance(others[-1].command, CompleteJob):
            others.append(await jobs.ended())
    assert isinstance(first.command, UpdateJobTimeout)
    assert {each.key for each in (first, *others)} == {key}
    assert (seen, await jobs.waiting()) == ([key], 0)


# --- what goes back ---------------------------------------------------------------------------------------------------


async def test_what_was_not_taken_goes_back_and_what_was_is_ended(client: Client, jobs: PlayedJobs) -> None:
    keys = [await jobs.give({"n": number}) for number in range(5)]
    subscription = await client.subscribe(job_queue(TYPE), 4)
    first, second = [await taken(subscription) for _ in range(2)]
    await asyncio.sleep(0.2)  # so that the others are here, too
    await subscription.cancel()
    assert await subscription.take() is None
    async with asyncio.timeout(TIMEOUT):
        while await jobs.waiting() != 3:  # noqa: ASYNC110 - the broker's counts
            await asyncio.sleep(0.05)
    assert subscription.ack(first)
    assert subscription.nack(second, requeue=False)
    assert await jobs.ended() == (keys[1], None, REJECTED)
    again = await client.subscribe(job_queue(TYPE), 1)
    third = await taken(again)
    assert (third.redelivered, third.body) == (True, b'{"n": 2}')
    await again.close()
    assert not again.ack(third)
    await asyncio.gather(*(each.close() for each in (again, subscription)))
    async with Running(client, lambda _: None, TYPE):
        assert {(await jobs.ended()).key for _ in range(3)} == set(keys[2:])


async def test_a_queue_that_is_not_there_or_may_not_be_read_or_is_deleted_ends_no_connection(
    client: Client, jobs: PlayedJobs, vhost: VirtualHost, stranger: User
) -> None:
    with pytest.raises(NotFound, match=r"no queue 'zeebe.jobs.nothing'"):
        await client.subscribe("zeebe.jobs.nothing", 1)
    assert await client.look("zeebe.jobs.nothing") is None
    assert await client.look(job_queue(TYPE)) == (0, 0)
    await stranger.allow("", ".*", "", vhost=vhost.name)
    async with Client(f"{stranger.url()}/{vhost.name}") as other:
        with pytest.raises(PermissionDenied, match="needs the right to read from the queue"):
            await other.subscribe(job_queue(TYPE), 1)
        assert await other.look(job_queue(TYPE)) == (0, 0)
    subscription = await client.subscribe(job_queue(TYPE), 1)
    waiting = asyncio.create_task(subscription.take())
    await jobs._channel.queue_delete(job_queue(TYPE))
    async with asyncio.timeout(TIMEOUT):
        assert await waiting is None
    await subscription.cancel()
    await subscription.close()
    assert await client.look(job_queue(TYPE)) is None


async def test_a_subscription_ends_with_its_connection(client: Client, jobs: PlayedJobs, vhost: VirtualHost) -> None:
    subscription = await client.subscribe(job_queue(TYPE), 1)
    await jobs.give({})
    delivery = await taken(subscription)
    await asyncio.to_thread(vhost.cut_off, CLIENT)
    async with asyncio.timeout(TIMEOUT):
        assert await subscription.take() is None
        await subscription.cancel()
        await subscription.close()
    assert not subscription.ack(delivery)
    assert not subscription.nack(delivery, requeue=True)
    assert await jobs.waiting() == 1
    await jobs.purge()


@for_each([0, 1, 2])
async def test_a_job_that_runs_while_the_connection_is_lost_is_run_once_and_answered_once(
    losses: int, client: Client, jobs: PlayedJobs, vhost: VirtualHost, caplog: pytest.LogCaptureFixture
) -> None:
    async def ship(job: Job) -> None:
        runs.append(job.key)
        begun.set()
        await go.wait()

    caplog.clear()
    runs: list[int] = []
    begun, go = asyncio.Event(), asyncio.Event()
    async with Running(client, ship, TYPE, concurrency=2):
        key = await jobs.give({})
        await begun.wait()
        for number in range(1, losses + 1):
            await asyncio.to_thread(vhost.cut_off, CLIENT)
            await eventually(lambda number=number: caplog.text.count("no more jobs come") == number, "it is noticed")
            await jobs.has_worker()
        go.set()
        assert (await jobs.ended()).key == key
        last = await jobs.give({})  # nothing of the first one is behind
        assert (await jobs.ended()).key == last
    assert (runs, await jobs.waiting()) == ([key, last], 0)


async def test_an_answer_whose_confirm_is_lost_is_published_again_and_the_job_is_run_once(
    client: Client, jobs: PlayedJobs, vhost: VirtualHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The broker has the answer, and the connection is gone before it could say so."""

    async def lose(transport: AmqpTransport, *message: Any) -> None:
        await publish(transport, *message)
        if not lost:
            lost.append(True)
            await asyncio.to_thread(vhost.cut_off, CLIENT)
            raise ConnectionLost("before the confirm")

    publish, lost, runs = AmqpTransport.publish_answer, list[bool](), list[int]()
    monkeypatch.setattr(AmqpTransport, "publish_answer", lose)
    async with Running(client, lambda job: runs.append(job.key), TYPE):
        key = await jobs.give({})
        assert [(await jobs.ended()).key for _ in range(2)] == [key, key]
        last = await jobs.give({})  # nothing of the first one is behind
        assert (await jobs.ended()).key == last
    assert (runs, await jobs.waiting()) == ([key, last], 0)


async def test_a_worker_that_dies_leaves_its_jobs_to_another(
    client: Client, jobs: PlayedJobs, vhost: VirtualHost
) -> None:
    begun = asyncio.Event()

    async def hang(_: Job) -> None:
        begun.set()
        await asyncio.Event().wait()

    async with Client(vhost.url) as dying:
        task = asyncio.create_task(Worker(dying, TYPE, hang).run())
        key = await jobs.give({})
        await begun.wait()
        task.cancel()
        await asyncio.wait({task})
    async with Running(client, lambda _: None, TYPE):
        found = await jobs.ended()
    assert (found.key, type(found.command)) == (key, CompleteJob)
