"""Jobs end as the messages of their workers say, and as AMQP's own words for what goes wrong say."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aio_pika
import orjson
from aio_pika.abc import AbstractIncomingMessage

from consumer.jobs.signed_id import JobId, SignedIds, hash_type
from scripts.consumer import SIGNING_KEY, Consumer
from tests.conftest import Broker, Engine
from tests.integration import processes, rawamqp
from tests.integration.caller import Caller
from tests.integration.engine_features import detect_features
from tests.integration.job_queue import JobQueue, depth
from tests.integration.process_helper import ProcessHelper, unique
from tests.integration.service import delete, eventually, metric, new_consumer
from zeebe_amqp.jobs.names import RESULTS, UNDONE
from zeebe_amqp.reply import Reply
from zeebe_amqp.wire import DEAD_LETTER

IDS = SignedIds([SIGNING_KEY.encode()])


@dataclass
class Worker:
    """A worker of one type of jobs, and what is around it."""

    consumer: Consumer
    queue: JobQueue
    caller: Caller
    process: ProcessHelper
    job_type: str

    async def job(self) -> AbstractIncomingMessage:
        """The next job."""
        return await self.queue.take()

    async def answer(self, job: AbstractIncomingMessage, body: Any = b"", **properties: Any) -> None:
        """Answer a job, whatever that comes to; the job itself stays unacknowledged."""
        body = body if isinstance(body, bytes) else orjson.dumps(body)
        properties = {"correlation_id": job.correlation_id, **properties}
        await self.caller.channel.default_exchange.publish(aio_pika.Message(body, **properties), RESULTS, timeout=30)

    async def call(self, job: AbstractIncomingMessage, body: Any = b"", **properties: Any) -> Reply:
        """Answer a job, and wait for the reply of the command."""
        body = body if isinstance(body, bytes) else orjson.dumps(body)
        properties = {"correlation_id": job.correlation_id, "queue": RESULTS, **properties}
        return Reply.decode((await self.caller.request(body, **properties)).body)

    async def counted(self, name: str, value: int = 1, **labels: str) -> None:
        """Wait until so much is counted."""
        await eventually(lambda: metric(self.consumer, name, **labels) == [value], f"{name} {labels} is {value}")

    async def ended(self, job: AbstractIncomingMessage) -> bool:
        """Whether the engine has the job no more."""
        job_key = job.headers["job-key"]
        reply = await self.caller.call("update-job-retries", {"jobKey": job_key, "retries": 3})
        return reply.error is not None and reply.error.code == "NOT_FOUND"


@asynccontextmanager
async def working(
    rabbitmq: Broker, zeebe: Engine, directory: Path, *, caught: str = "", **table: Any
) -> AsyncIterator[Worker]:
    """A worker of a type whose table in the file says this, and one instance of its process."""
    job_type = unique("job")
    file = directory / "jobs.toml"
    lines = [f"{name} = {orjson.dumps(value).decode()}" for name, value in table.items()]
    file.write_text("\n".join([f"[jobs.{job_type}]", *lines]))
    consumer = new_consumer(directory, rabbitmq.url, zeebe.address, {"JOBS_FILE": str(file)})
    await asyncio.to_thread(consumer.start)
    try:
        async with Caller(rabbitmq.url, *consumer.queues) as caller, JobQueue(rabbitmq.url, job_type) as queue:
            process = ProcessHelper(caller, detect_features(zeebe.address))
            process.job_type = job_type
            dead = await depth(caller.connection, DEAD_LETTER)
            await process.deploy_text(
                processes.forgiving(process.id, job_type, caught) if caught else processes.work(process.id, job_type)
            )
            await process.instance()
            yield Worker(consumer, queue, caller, process, job_type)
            assert await depth(caller.connection, DEAD_LETTER) == dead, "nothing of it is a dead letter"
            assert consumer.reasons() == {}
    finally:
        await asyncio.to_thread(consumer.stop)
        await delete(rabbitmq.url, consumer.queues)


async def test_each_outcome_does_what_it_says(rabbitmq: Broker, zeebe: Engine, tmp_path: Path) -> None:
    async with working(rabbitmq, zeebe, tmp_path) as worker:
        job = await worker.job()
        extended = await worker.call(job, {"timeout": "10m"}, type="extend")
        assert (extended.operation, extended.error) == ("update-job-timeout", None)
        failed = await worker.call(job, {"errorMessage": "no card", "retries": 7}, type="fail")
        assert (failed.operation, failed.error) == ("fail-job", None)
        await job.ack()
        again = await worker.job()
        assert again.headers["retries"] == 7
        unusable = await worker.call(again, b"[1]")
        assert (unusable.operation, unusable.error) == ("fail-job", None)
        await again.ack()
        last = await worker.job()
        assert last.headers["retries"] == 6
        assert (await worker.call(last, {"paid": True}, type=f"{worker.job_type}.result")).error is None
        await last.ack()
        assert await worker.ended(last)
        for outcome in ("extend", "fail", "unusable", "complete"):
            await worker.counted("jobs_answered_total", type=worker.job_type, outcome=outcome)


async def test_a_bpmn_error_is_caught_by_the_process(rabbitmq: Broker, zeebe: Engine, tmp_path: Path) -> None:
    async with working(rabbitmq, zeebe, tmp_path, caught="NO_FUNDS") as worker:
        job = await worker.job()
        thrown = {"errorCode": "NO_FUNDS", "variables": {"detail": "card"}}
        reply = await worker.call(job, thrown, headers={"outcome": "error"}, type="com.example.Failure")
        assert (reply.operation, reply.error) == ("throw-error", None)
        await job.ack()
        assert await worker.ended(job)
        await worker.counted("jobs_answered_total", type=worker.job_type, outcome="error")


async def test_an_answer_that_came_before_is_answered_again_and_another_one_refused(
    rabbitmq: Broker, zeebe: Engine, tmp_path: Path
) -> None:
    async with working(rabbitmq, zeebe, tmp_path) as worker:
        job = await worker.job()
        first = await worker.caller.request(b'{"a":1}', correlation_id=job.correlation_id, queue=RESULTS)
        same = await worker.caller.request(b'{"a":1}', correlation_id=job.correlation_id, queue=RESULTS)
        assert (first.body, first.headers.get("replayed")) == (same.body, None)
        assert same.headers["replayed"] is True
        other = await worker.call(job, b'{"a":2}')
        assert other.error is not None
        assert (other.error.code, other.error.details) == ("ALREADY_EXISTS", {"field": "correlation_id"})
        await worker.answer(job, b'{"a":3}')
        await worker.counted("jobs_refused_total", 2, reason="doubled")
        await job.ack()


async def test_a_rejected_job_takes_a_retry_and_comes_again(rabbitmq: Broker, zeebe: Engine, tmp_path: Path) -> None:
    async with working(rabbitmq, zeebe, tmp_path) as worker:
        for retries in (3, 2):
            job = await worker.job()
            assert job.headers["retries"] == retries
            await job.reject(requeue=False)
        await (await worker.job()).ack()
        await worker.counted("jobs_undone_total", 2, type=worker.job_type, reason="rejected")


async def test_a_job_with_which_workers_end_takes_a_retry_when_it_was_delivered_often_enough(
    rabbitmq: Broker, zeebe: Engine, tmp_path: Path
) -> None:
    async with working(rabbitmq, zeebe, tmp_path, delivery_limit=2) as worker:
        deliveries = 0
        while True:
            # Its connection ends, as with a worker that dies.
            connection = await aio_pika.connect(rabbitmq.url)
            channel = await connection.channel()
            queue = await channel.get_queue(worker.queue.name)
            message = None
            while message is None:
                message = await queue.get(fail=False)
            if message.headers["retries"] == 2:
                await message.ack()
                await connection.close()
                break
            deliveries += 1
            await connection.close()
        await worker.counted("jobs_undone_total", type=worker.job_type, reason="delivery_limit")
        assert deliveries == 3


async def test_a_job_that_nobody_takes_is_given_out_again_with_all_its_retries(
    rabbitmq: Broker, zeebe: Engine, tmp_path: Path
) -> None:
    async with working(rabbitmq, zeebe, tmp_path, timeout="5s") as worker:
        first = await worker.job()
        assert first.headers["retries"] == 3
        await first.nack(requeue=True)
        await eventually(
            lambda: (metric(worker.consumer, "jobs_expired_total", type=worker.job_type) or [0])[0] >= 1, "it expired"
        )
        job = await worker.job()
        assert (job.headers["job-key"], job.headers["retries"]) == (first.headers["job-key"], 3)
        await job.ack()
        assert metric(worker.consumer, "jobs_undone_total", type=worker.job_type) == [0, 0]


async def test_the_answer_of_an_earlier_worker_is_refused_once_another_one_has_the_job(
    rabbitmq: Broker, zeebe: Engine, tmp_path: Path
) -> None:
    async with working(rabbitmq, zeebe, tmp_path, timeout="2s") as worker:
        slow = await worker.job()
        job = await worker.job()
        assert job.headers["job-key"] == slow.headers["job-key"]
        await asyncio.to_thread(worker.consumer.stop)  # and it is remembered
        await asyncio.to_thread(worker.consumer.start)
        late = await worker.call(slow, {"by": "slow"})
        assert late.error is not None
        assert (late.error.code, late.error.source) == ("FAILED_PRECONDITION", "consumer")
        await slow.reject(requeue=False)
        await worker.counted("jobs_late_total", 2, type=worker.job_type)
        await job.ack()


async def test_a_late_answer_counts_while_nobody_else_has_the_job(
    rabbitmq: Broker, zeebe: Engine, tmp_path: Path
) -> None:
    async with working(rabbitmq, zeebe, tmp_path, timeout="3s", limit=1) as worker:
        job = await worker.job()
        # What waits in the queue keeps the service from fetching: it is full with another job.
        await worker.process.instance()
        await eventually(lambda: metric(worker.consumer, "jobs_out_total", type=worker.job_type) == [2], "it is full")
        copied = {**job.headers, "deadline": 1}
        assert (await worker.call(job, {"paid": True}, headers=copied)).error is None
        await job.ack()


async def test_what_is_too_large_for_the_engine_fails_the_job(rabbitmq: Broker, zeebe: Engine, tmp_path: Path) -> None:
    async with working(rabbitmq, zeebe, tmp_path) as worker:
        job = await worker.job()
        reply = await worker.call(job, {"a": "x" * (4 * 1024 * 1024)})
        assert reply.error is not None
        assert (reply.error.code, (reply.error.details or {})["instead"]) == ("RESOURCE_EXHAUSTED", "fail-job")
        await job.ack()
        again = await worker.job()
        assert again.headers["retries"] == 2
        assert (await worker.call(again, b" " * (9 * 1024 * 1024))).error is None
        await again.ack()
        last = await worker.job()
        assert last.headers["retries"] == 1
        await last.ack()
        await worker.counted("jobs_answered_total", 2, type=worker.job_type, outcome="unusable")


async def test_hostile_messages_end_no_job_and_stop_nothing(rabbitmq: Broker, zeebe: Engine, tmp_path: Path) -> None:
    async with working(rabbitmq, zeebe, tmp_path) as worker:
        job = await worker.job()
        signed = IDS.read(job.correlation_id)
        assert signed is not None
        forged = SignedIds([b"another key of somebody else, 32 bytes"]).write(signed)
        for queue in (RESULTS, UNDONE):
            for correlation_id in (None, "", "x", forged, (job.correlation_id or "").replace(".3.", ".9.")):
                message = aio_pika.Message(
                    b"{}", correlation_id=correlation_id, headers={"x-death": [{"reason": "rejected"}]}
                )
                await worker.caller.channel.default_exchange.publish(message, queue, timeout=30)
        await worker.counted("jobs_refused_total", 10, reason="forged")
        # A real id of a job that never was, and a reason that no broker gives.
        gone = IDS.write(JobId(signed.key + 2**20, signed.deadline, 3, hash_type(worker.job_type)))
        reply = await worker.call(job, b"{}", correlation_id=gone)
        assert reply.error is not None
        assert reply.error.code == "NOT_FOUND"
        await worker.caller.channel.default_exchange.publish(
            aio_pika.Message(b"", correlation_id=job.correlation_id), UNDONE
        )
        async with rawamqp.RawPublisher(rabbitmq.url) as raw:
            for queue in (RESULTS, UNDONE):
                broken = rawamqp.content(
                    correlation_id=rawamqp.short((job.correlation_id or "").encode()), type=rawamqp.short(b"\xff\xfe")
                )
                await raw.publish(queue, b"{}", broken)
        await worker.counted("jobs_refused_total", 4, reason="rejected")
        await worker.counted("jobs_refused_total", 10, reason="forged")
        assert not await worker.ended(job)
        assert (await worker.call(job, b"{}")).error is None
        await job.ack()
        log = worker.consumer.log.read_text()
        assert (job.correlation_id or "!") not in log
        assert "Traceback" not in log


async def test_an_answer_with_a_copy_of_its_jobs_properties_completes_it(
    rabbitmq: Broker, zeebe: Engine, tmp_path: Path
) -> None:
    async with working(rabbitmq, zeebe, tmp_path) as worker:
        job = await worker.job()
        copied = {"reply_to": job.reply_to, "message_id": job.message_id, "headers": job.headers}
        await worker.answer(job, b"{}", **copied)
        await worker.counted("jobs_answered_total", type=worker.job_type, outcome="complete")
        await job.ack()
        await asyncio.sleep(0)
        assert await worker.ended(job)
