"""Queues of jobs in memory: what goes in, and what becomes of what nobody ends."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from zeebe_amqp import Client, CompleteJob, FailJob, NotFound, UpdateJobTimeout
from zeebe_amqp.client import Delivery, Subscription, Transport
from zeebe_amqp.client.transport import NotConnected, Unroutable
from zeebe_amqp.commands import Command
from zeebe_amqp.errors import Code
from zeebe_amqp.jobs.answer_message import write_answer
from zeebe_amqp.jobs.job_message import read_job
from zeebe_amqp.jobs.names import RESULTS
from zeebe_amqp.testing import FakeConsumer, JobState, UnexpectedCommand, fail

QUEUE = "zeebe.jobs.pay"
TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture
async def transport(consumer: FakeConsumer) -> AsyncIterator[Transport]:
    """A connection to a service that pushes jobs of the type pay."""
    consumer.push_jobs("pay", delivery_limit=1)
    transport = consumer.transport()
    async with Client(transport):
        yield transport


async def taken(subscription: Subscription) -> Delivery:
    async with asyncio.timeout(20):
        found = await subscription.take()
    assert found is not None
    return found


async def answered(transport: Transport, delivery: Delivery, command: Command) -> None:
    body, properties = write_answer(command, str(delivery.correlation_id), time.time())
    await transport.publish_answer(str(delivery.reply_to), body, properties)
    await asyncio.sleep(0.01)


async def test_a_message_is_a_job_and_no_more_come_than_are_asked_for(
    consumer: FakeConsumer, transport: Transport
) -> None:
    jobs = [consumer.add_job("pay", {"n": n}, headers={"to": "door"}, retries=2) for n in range(3)]
    jobs.append(consumer.add_job("pay", {"trace": {"traceparent": TRACEPARENT}}))
    subscription = await transport.subscribe(QUEUE, 2)
    first, _ = await taken(subscription), await taken(subscription)
    found = read_job(first.body, first.headers)
    assert (found.key, found.values(), found.headers(), found.retries) == (jobs[0].key, {"n": 0}, {"to": "door"}, 2)
    assert (first.reply_to, first.redelivered) == (RESULTS, False)
    third = asyncio.create_task(taken(subscription))
    await asyncio.sleep(0.05)
    assert not third.done()
    assert await transport.look(QUEUE) == (2, 1)
    await answered(transport, first, CompleteJob(job_key=found.key, variables={"a": 1}))
    assert subscription.ack(first)
    last = await third
    assert (last.body, last.headers.get("traceparent")) == (b'{"n":2}', None)
    assert subscription.ack(last)
    assert (await taken(subscription)).headers["traceparent"] == TRACEPARENT, "as the service has it from the variable"
    assert (jobs[0].state, jobs[0].result) == (JobState.COMPLETED, {"a": 1})


async def test_what_a_worker_rejects_or_gives_back_too_often_fails_with_one_retry_less(
    consumer: FakeConsumer, transport: Transport
) -> None:
    job = consumer.add_job("pay", retries=3)
    subscription = await transport.subscribe(QUEUE, 1)
    assert subscription.nack(await taken(subscription), requeue=False)
    assert (job.retries, job.error_message) == (2, "rejected by the worker")
    first = await taken(subscription)
    assert (job.activations, first.redelivered) == (2, False)
    await subscription.close()  # a worker dies with it
    assert not subscription.ack(first)
    assert not subscription.nack(first, requeue=True)
    subscription = await transport.subscribe(QUEUE, 1)
    again = await taken(subscription)
    assert (again.correlation_id, again.redelivered) == (first.correlation_id, True)
    assert subscription.nack(again, requeue=True)
    assert (job.retries, job.error_message) == (1, "its worker returned it or died with it 2 times")
    assert consumer.count(FailJob) == 2


async def test_what_waits_past_its_time_expires_and_the_job_comes_again(
    consumer: FakeConsumer, transport: Transport
) -> None:
    job = consumer.add_job("pay")
    held, waits = await transport.subscribe(QUEUE, 1), await transport.subscribe(QUEUE, 1)
    late = await taken(held)
    other = consumer.add_job("pay")
    consumer._wire.answers.queues._fetch(consumer._wire.answers.queues._queues[QUEUE])
    consumer.advance(301)
    found = [await taken(waits)]
    assert waits.ack(found[0])
    found.append(await taken(waits))
    assert {read_job(each.body, each.headers).key for each in found} == {job.key, other.key}
    assert (job.activations, other.activations) == (2, 2)
    held.nack(late, requeue=False)  # somebody else has it
    assert (job.retries, consumer.count(FailJob)) == (3, 0)


async def test_an_answer_ends_its_job_once_and_a_lock_is_made_longer_as_often_as_that_is_said(
    consumer: FakeConsumer, transport: Transport
) -> None:
    job = consumer.add_job("pay")
    delivery = await taken(await transport.subscribe(QUEUE, 1))
    for _ in range(2):
        await answered(transport, delivery, UpdateJobTimeout(job_key=job.key, timeout="10m"))
    consumer.advance(400)
    for number in (1, 1, 2):
        await answered(transport, delivery, CompleteJob(job_key=job.key, variables={"n": number}))
    assert (job.result, job.activations) == ({"n": 1}, 1)
    assert (len(consumer.executed(UpdateJobTimeout)), consumer.dead_letters) == (2, [])
    errors = [call.reply and call.reply.error and call.reply.error.code for call in consumer.calls]
    assert errors == [None] * 4 + [Code.ALREADY_EXISTS]


async def test_an_answer_that_an_engine_refuses_for_good_fails_its_job_unless_that_has_ended(
    consumer: FakeConsumer, transport: Transport
) -> None:
    subscription = await transport.subscribe(QUEUE, 2)
    for code, retries in (("INVALID_ARGUMENT", 2), ("NOT_FOUND", 3)):
        job = consumer.add_job("pay")
        consumer.script(CompleteJob, fail(code, "no"))
        await answered(transport, await taken(subscription), CompleteJob(job_key=job.key))
        assert job.retries == retries
        assert job.error_message == ("the answer was refused: no" if retries == 2 else "")
        subscription = await transport.subscribe(QUEUE, 2)
        job.state = JobState.COMPLETED
    consumer.verify()


async def test_what_no_job_was_given_out_for_is_unexpected_and_only_answers_go_to_their_queue(
    consumer: FakeConsumer, transport: Transport
) -> None:
    body, properties = write_answer(CompleteJob(job_key=1), "1.strange", 0)
    with pytest.raises(UnexpectedCommand, match=r"no job was given out under '1\.strange'"):
        await transport.publish_answer(RESULTS, body, properties)
    with pytest.raises(AssertionError, match="an answer was not expected"):
        consumer.verify()
    for queue in ("elsewhere", QUEUE):
        with pytest.raises(Unroutable):
            await transport.publish_answer(queue, body, properties)
    with pytest.raises(Unroutable):
        await transport.subscribe("elsewhere", 1)
    consumer.disconnect()
    with pytest.raises(NotConnected):
        await transport.subscribe(QUEUE, 1)
    with pytest.raises(NotConnected):
        await transport.publish_answer(RESULTS, body, properties)
    assert await transport.look(QUEUE) is None


async def test_a_client_says_so_where_there_is_no_queue(consumer: FakeConsumer, zeebe: Client) -> None:
    assert await zeebe.look(QUEUE) is None
    with pytest.raises(NotFound, match=f"no queue '{QUEUE}'"):
        await zeebe.subscribe(QUEUE, 1)
