"""Jobs go from an engine to the queue of their type, as messages that any AMQP client can work."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from consumer.jobs.signed_id import JobId, SignedIds, hash_type
from scripts.consumer import SIGNING_KEY, Consumer
from tests.conftest import Broker, Engine
from tests.integration.caller import Caller
from tests.integration.engine_features import detect_features
from tests.integration.job_queue import JobQueue
from tests.integration.process_helper import KEY, ProcessHelper, unique
from tests.integration.service import delete, eventually, metric, new_consumer
from zeebe_amqp.jobs.job_message import read_job

VARIABLES = {"card": "4711", "amount": 9_007_199_254_740_993}


@pytest.fixture
async def given_out(rabbitmq: Broker, zeebe: Engine, tmp_path: Path) -> AsyncIterator[tuple[str, Consumer]]:
    """A type of jobs, and a consumer that gives them out."""
    name = unique("job")
    consumer = new_consumer(tmp_path, rabbitmq.url, zeebe.address, {"JOBS": name})
    await asyncio.to_thread(consumer.start)
    yield name, consumer
    await asyncio.to_thread(consumer.stop)
    await delete(rabbitmq.url, consumer.queues)


async def test_a_job_is_a_request_for_any_amqp_client_and_its_reply_completes_it(
    rabbitmq: Broker, zeebe: Engine, given_out: tuple[str, Consumer]
) -> None:
    job_type, consumer = given_out
    async with Caller(rabbitmq.url, *consumer.queues) as caller, JobQueue(rabbitmq.url, job_type) as queue:
        process = ProcessHelper(caller, detect_features(zeebe.address))
        process.job_type = job_type
        await process.deploy(headers={"currency": "€"})
        instance = await process.instance(variables=VARIABLES)
        message = await queue.take()
        job = read_job(message.body, message.headers)
        assert message.body == b'{"card":"4711","amount":9007199254740993}'
        assert (job.type, job.process_instance_key, job.bpmn_process_id) == (job_type, instance, process.id)
        assert (job.key, job.element_id, job.retries, job.headers()) == (KEY, "work", 3, {"currency": "€"})
        assert message.headers["job-key-text"] == str(job.key)
        assert (message.type, message.reply_to) == (job_type, "zeebe.jobs.results")
        assert (message.content_type, message.delivery_mode) == ("application/json", 2)
        assert message.message_id == f"{job.key}-{job.deadline}"
        # The message goes when the engine gives the job to somebody else.
        assert message.expiration is not None
        assert abs(time.time() + float(message.expiration) - job.deadline / 1000) < 300
        signed = SignedIds([SIGNING_KEY.encode()]).read(message.correlation_id)
        assert signed == JobId(job.key, job.deadline, 3, hash_type(job_type))
        await queue.answer(message, paid=True)
        await eventually(lambda: metric(consumer, "jobs_answered_total", type=job_type), "an answer is counted")
        assert metric(consumer, "jobs_out_total", type=job_type) == [1]
        assert metric(consumer, "jobs_limit", type=job_type) == [100]
        assert consumer.reasons() == {}
