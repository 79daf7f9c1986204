"""Jobs of the service in memory, and workers of them."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from zeebe_amqp import ActivateJobs, BpmnError, Client, CompleteJob, Job, JobFailure, Jobs, Worker, commands
from zeebe_amqp.commands.jobs import ActivatedJob
from zeebe_amqp.errors import FailedPrecondition, NotFound
from zeebe_amqp.testing import FakeConsumer, JobState, UnexpectedCommand, answer, disconnect, fail
from zeebe_amqp.testing.jobs import FACTS


def poll(count: int = 10, **options: Any) -> ActivateJobs:
    return ActivateJobs(job_type="pay", max_jobs_to_activate=count, **options)


async def charge(job: Job) -> dict[str, int]:
    amount = job.variables["amount"]
    if amount > 1000:
        raise BpmnError("too-much", "above the limit", {"limit": 1000})
    if amount < 0:
        raise JobFailure("negative", back_off="1h", variables={"bad": True})
    return {"charged": amount}


async def test_workers_work_all_jobs_and_stop(consumer: FakeConsumer) -> None:
    good = [consumer.add_job("pay", {"amount": number}) for number in range(20)]
    much, bad = consumer.add_job("pay", {"amount": 5000}), consumer.add_job("pay", {"amount": -1}, retries=2)
    first: Client
    async with consumer.client() as first, consumer.client() as second:
        await asyncio.gather(*(consumer.work(Worker(zeebe, "pay", charge, concurrency=2)) for zeebe in (first, second)))
        await consumer.work(Worker(first, "pay", charge, request_timeout="15m"))  # without jobs at once
    for amount, job in enumerate(good):
        assert (job.state, job.result, job.activations) == (JobState.COMPLETED, {"charged": amount}, 1)
    assert (much.state, much.error_code, much.error_message) == (JobState.THROWN, "too-much", "above the limit")
    assert much.result == {"limit": 1000}
    assert (bad.state, bad.error_message, bad.retries) == (JobState.FAILED, "negative", 0)
    assert (bad.result, bad.activations) == ({"bad": True}, 2)
    consumer.verify()


async def test_what_keeps_a_worker_from_its_end_is_raised(consumer: FakeConsumer, zeebe: Client) -> None:
    consumer.add_job("other")
    with pytest.raises(AssertionError, match=r"still open after 0.05 s: \d+ of type 'other'"):
        await consumer.work(Worker(zeebe, "pay", charge), timeout=0.05)
    consumer.always(ActivateJobs, fail("PERMISSION_DENIED"))
    with pytest.raises(Exception, match="PERMISSION_DENIED"):
        await consumer.work(Worker(zeebe, "pay", charge))


async def test_a_poll_waits_for_a_job_or_its_end(consumer: FakeConsumer, zeebe: Client) -> None:
    assert await zeebe.call(poll()) == await zeebe.call(poll(request_timeout="20ms")) == ()
    ending = asyncio.create_task(zeebe.call(poll(request_timeout="10m")))
    while not ending.done():
        consumer.end_polls()
        await asyncio.sleep(0.001)
    assert await ending == ()
    async with Jobs(zeebe, "pay", request_timeout="10m") as jobs:
        waiting = asyncio.create_task(anext(jobs))
        await asyncio.sleep(0.01)
        added = consumer.add_job("pay", {"amount": 1, "other": 2}, headers={"account": "main"}, element_id="charge")
        job = await waiting
        assert (job.key, job.headers, job.activated.element_id) == (added.key, {"account": "main"}, "charge")
        await job.complete()
    assert added.result == {}


async def test_jobs_are_handed_out_as_asked(consumer: FakeConsumer, zeebe: Client) -> None:
    for number in range(3):
        consumer.add_job("pay", {"number": number, "secret": 1})
    consumer.add_job("other")
    before = time.time()
    first = await zeebe.call(poll(2, timeout="1m", worker_name="me", fetch_variables=("number",)))
    assert [job.values() for job in first] == [{"number": 0}, {"number": 1}]
    assert {job.worker for job in first} == {"me"}
    assert before + 59 < first[0].deadline / 1000 < time.time() + 61
    assert [job.values()["number"] for job in await zeebe.call(poll())] == [2]
    assert await zeebe.call(poll()) == ()


async def test_a_lock_ends_when_the_test_lets_time_pass(consumer: FakeConsumer, zeebe: Client) -> None:
    job = consumer.add_job("pay")
    await zeebe.call(poll())
    await zeebe.call(commands.UpdateJobTimeout(job_key=job.key, timeout="10m"))
    consumer.advance(301)
    assert await zeebe.call(poll()) == ()
    consumer.advance(300)
    assert [each.key for each in await zeebe.call(poll())] == [job.key]
    assert job.activations == 2


async def test_jobs_that_ended_are_not_found_and_others_not_expected(consumer: FakeConsumer, zeebe: Client) -> None:
    with pytest.raises(UnexpectedCommand, match="complete-job was not expected"):
        await zeebe.call(CompleteJob(job_key=consumer.key()))
    job = consumer.add_job("pay")
    await zeebe.call(CompleteJob(job_key=job.key))
    for command in (CompleteJob(job_key=job.key), commands.ThrowError(job_key=job.key, error_code="a")):
        with pytest.raises(NotFound, match=r"rejected with code 'NOT_FOUND': Expected to .* no such job") as raised:
            await zeebe.call(command)
        assert (raised.value.details or {})["rejection"] == "NOT_FOUND"


async def test_a_job_that_was_given_up_needs_somebody(consumer: FakeConsumer, zeebe: Client) -> None:
    job = consumer.add_job("pay")
    await zeebe.call(commands.FailJob(job_key=job.key, retries=0, error_message="no"))
    with pytest.raises(FailedPrecondition, match="it is in state 'FAILED'"):
        await zeebe.call(CompleteJob(job_key=job.key))
    await zeebe.call(commands.UpdateJobRetries(job_key=job.key, retries=2))
    assert await zeebe.call(poll()) == ()
    assert (job.state, job.retries) == (JobState.FAILED, 2)


async def test_scripts_go_before_jobs(consumer: FakeConsumer, zeebe: Client) -> None:
    job = consumer.add_job("pay", {"amount": 1})
    consumer.script(ActivateJobs, answer([]))
    consumer.script(CompleteJob, disconnect())
    assert await zeebe.call(poll()) == ()
    await consumer.work(Worker(zeebe, "pay", charge))
    assert (job.state, consumer.count(CompleteJob)) == (JobState.COMPLETED, 2)


def test_every_fact_of_a_job_can_be_said_and_no_other(consumer: FakeConsumer) -> None:
    with pytest.raises(TypeError, match="element is not accepted; accepted are process_instance_key, "):
        consumer.add_job("pay", element="charge")
    said_otherwise = {"key", "type", "custom_headers", "worker", "retries", "deadline", "variables"}
    assert set(FACTS) | said_otherwise == set(ActivatedJob.__struct_fields__)
