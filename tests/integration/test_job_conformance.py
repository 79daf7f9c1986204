"""What the job queues in memory promise to workers' tests is what the real ones do: each test here runs on both."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

import pytest
from google.protobuf.message import Message

from tests.integration.broker_control import VirtualHost
from tests.integration.job_setup import JobSetup, job_setup
from tests.integration.process_helper import unique
from tests.integration.service import TIMEOUT, eventually
from tests.integration.services import request
from zeebe_amqp import BpmnError, Client, Job, JobFailure, Worker
from zeebe_amqp.client import Delivery, Subscription
from zeebe_amqp.commands import Command, CompleteJob, FailJob, ThrowError, UpdateJobTimeout
from zeebe_amqp.jobs.answer_message import write_answer
from zeebe_amqp.jobs.job_message import read_job
from zeebe_amqp.jobs.names import job_queue
from zeebe_amqp.testing import FakeConsumer, answer

LONG = "5m"
"""How long a worker has a job that is ended in time."""
SHORT = 3
"""Seconds that a worker has a job that is not."""


class InMemoryJobs:
    """The queues of the service in memory."""

    def __init__(self) -> None:
        self.job_type = unique("job")
        self._consumer = FakeConsumer()
        self.client = self._consumer.client

    async def push(self, lock: str) -> None:
        """Push jobs from now on."""
        self._consumer.push_jobs(self.job_type, timeout=lock)

    def create(self, number: int) -> None:
        """So many jobs."""
        for _ in range(number):
            self._consumer.add_job(self.job_type)

    async def pass_time(self, seconds: float) -> None:
        """Let locks end."""
        self._consumer.advance(seconds)

    def told(self) -> list[Message]:
        """What the engine did with jobs."""
        return [request(call.command)[1] for call in self._consumer.calls if call.executions and call.command]


class RealJobs:
    """The program on a real broker, with a small engine."""

    def __init__(self, setup: JobSetup) -> None:
        self.job_type = setup.job_type
        self.create = setup.create
        self._setup = setup
        setup.gateway.always("ThrowError", answer())

    async def push(self, lock: str) -> None:
        """See `InMemoryJobs`."""
        await self._setup.start(JOBS_FILE=self._setup.types_file(timeout=lock))

    def client(self) -> Client:
        """A client of it."""
        commands, polls = self._setup.consumers[0].queues
        return Client(self._setup.url, commands=commands, polls=polls)

    async def pass_time(self, seconds: float) -> None:
        """See `InMemoryJobs`."""
        await asyncio.sleep(seconds)

    def told(self) -> list[Message]:
        """See `InMemoryJobs`: here everything that it was asked for."""
        return [each.message for each in self._setup.gateway.requests if hasattr(each.message, "jobKey")]


JobService: TypeAlias = InMemoryJobs | RealJobs


@pytest.fixture(params=["memory", "real"])
async def jobs(request: pytest.FixtureRequest, tmp_path: Any) -> AsyncIterator[JobService]:
    """Both, one after the other."""
    if request.param == "memory":
        yield InMemoryJobs()
        return
    vhost: VirtualHost = request.getfixturevalue("vhost")
    async with job_setup(tmp_path, vhost.url) as setup:
        yield RealJobs(setup)


async def check_told(jobs: JobService, *commands: Command) -> None:
    """The engine is told this, in any order, and nothing else."""
    await eventually(lambda: len(jobs.told()) >= len(commands), f"the engine is told {commands}")
    expected = [request(command)[1] for command in commands]
    assert sorted(map(str, jobs.told())) == sorted(map(str, expected))


async def work(jobs: JobService, client: Client, handler: Any, number: int) -> None:
    """Work so many jobs from the queue."""
    worker = Worker(client, jobs.job_type, handler, source="queue", concurrency=1, at_most=number, extend=None)
    async with asyncio.timeout(TIMEOUT):
        await worker.run()


@asynccontextmanager
async def consuming(jobs: JobService, client: Client) -> AsyncIterator[Subscription]:
    """The messages of the queue, as they are."""
    async with asyncio.timeout(TIMEOUT):
        subscription = await client.subscribe(job_queue(jobs.job_type), 2)
        try:
            yield subscription
        finally:
            await subscription.close()


async def take(subscription: Subscription) -> tuple[Delivery, int]:
    """The next message, and its job."""
    delivery = await subscription.take()
    assert delivery is not None
    return delivery, read_job(delivery.body, delivery.headers).key


async def publish(client: Client, job: Delivery, command: Command[None]) -> None:
    """Publish an answer to a job."""
    body, properties = write_answer(command, job.correlation_id or "", time.time(), {})
    await client.publish_answer(job.reply_to or "", body, properties)


async def test_what_a_handler_says_is_what_the_engine_is_told(jobs: JobService) -> None:
    seen: list[Job] = []

    async def handle(job: Job) -> dict[str, int]:
        seen.append(job)
        if len(seen) == 2:
            raise BpmnError("no-funds", "none left", {"b": 2})
        if len(seen) == 3:
            raise JobFailure("out of paper", variables={"c": 3})
        return {"a": len(seen)}

    await jobs.push(LONG)
    jobs.create(3)
    async with jobs.client() as client:
        await work(jobs, client, handle, 4)
    assert [job.retries for job in seen] == [3, 3, 3, 2]
    first, second, third, again = (job.key for job in seen)
    assert again == third
    await check_told(
        jobs,
        CompleteJob(job_key=first, variables={"a": 1}),
        ThrowError(job_key=second, error_code="no-funds", error_message="none left", variables={"b": 2}),
        FailJob(job_key=third, retries=2, error_message="out of paper", variables={"c": 3}),
        CompleteJob(job_key=third, variables={"a": 4}),
    )


async def test_a_job_whose_lock_is_made_longer_stays_with_its_worker(jobs: JobService) -> None:
    seen: list[Job] = []

    async def handle(job: Job) -> None:
        seen.append(job)
        await job.extend("5m")
        await jobs.pass_time(SHORT + 1)

    await jobs.push(f"{SHORT}s")
    jobs.create(1)
    async with jobs.client() as client:
        await work(jobs, client, handle, 1)
    key = seen[0].key
    await check_told(jobs, UpdateJobTimeout(job_key=key, timeout="5m"), CompleteJob(job_key=key))


async def test_a_job_that_is_requeued_comes_again_as_it_was(jobs: JobService) -> None:
    seen: list[Job] = []

    async def handle(job: Job) -> None:
        seen.append(job)
        if len(seen) == 1:
            await job.requeue()

    await jobs.push(LONG)
    jobs.create(1)
    async with jobs.client() as client:
        await work(jobs, client, handle, 2)
    assert seen[0].activated == seen[1].activated
    await check_told(jobs, CompleteJob(job_key=seen[0].key))


async def test_a_message_that_is_rejected_fails_its_job(jobs: JobService) -> None:
    await jobs.push(LONG)
    jobs.create(1)
    async with jobs.client() as client, consuming(jobs, client) as subscription:
        delivery, key = await take(subscription)
        assert subscription.nack(delivery, requeue=False)
        again, same = await take(subscription)
        assert (same, again.redelivered) == (key, False)
        assert read_job(again.body, again.headers).retries == 2
    await check_told(jobs, FailJob(job_key=key, retries=2, error_message="rejected by the worker"))


async def test_the_first_answer_counts_and_what_makes_no_sense_fails_the_job(jobs: JobService) -> None:
    await jobs.push(LONG)
    jobs.create(2)
    async with jobs.client() as client, consuming(jobs, client) as subscription:
        first, key = await take(subscription)
        complete = CompleteJob(job_key=key, variables={"a": 1})
        for command in (complete, complete, FailJob(job_key=key, retries=0, error_message="no")):
            await publish(client, first, command)
        second, other = await take(subscription)
        await client.publish_answer(second.reply_to or "", *_senseless(second))
        await eventually(lambda: len(jobs.told()) == 2, "both have ended")
    [failed] = [each for each in jobs.told() if isinstance(each, type(request(FailJob(job_key=1, retries=1))[1]))]
    assert (failed.jobKey, failed.retries) == (other, 2)  # type: ignore[attr-defined]
    assert request(complete)[1] in jobs.told()


def _senseless(job: Delivery) -> tuple[bytes, Any]:
    complete = CompleteJob(job_key=1, variables={})
    _, properties = write_answer(complete, job.correlation_id or "", time.time(), {})
    return b"[]", properties


async def test_an_answer_to_a_job_that_was_given_out_again_is_not_executed(jobs: JobService) -> None:
    await jobs.push(f"{SHORT}s")
    jobs.create(1)
    async with jobs.client() as client, consuming(jobs, client) as subscription:
        old, key = await take(subscription)
        await jobs.pass_time(SHORT + 0.1)
        new, same = await take(subscription)
        assert (same, old.correlation_id != new.correlation_id) == (key, True)
        await publish(client, old, CompleteJob(job_key=key, variables={"old": 1}))
        await publish(client, new, CompleteJob(job_key=key, variables={"new": 1}))
        assert subscription.ack(old)
        assert subscription.ack(new)
        await check_told(jobs, CompleteJob(job_key=key, variables={"new": 1}))
