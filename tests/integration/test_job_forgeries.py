"""Messages about jobs from who means harm, or writes AMQP as nobody does: they end no job, and nobody waits."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import aio_pika

from consumer.jobs.signed_id import JobId, SignedIds
from tests.conftest import Broker, Engine
from tests.integration.test_jobs_answered import IDS, Worker, working
from zeebe_amqp.jobs.names import RESULTS, UNDONE

ANOTHER = SignedIds([b"another key of somebody else, 32 bytes"])
FORGED = 2000
"""Forged answers in a row."""
MAX_LOG = 100_000
"""Bytes of the log after all of them: fifty for each, at most."""
ODD: list[Any] = [1, True, 1.5, bytearray(b"complete"), {"a": 1}, ["complete"], "Complete", "x" * 60_000]
"""Values of a header that say no outcome."""
DEATHS: list[Any] = [
    *(1, "rejected", True, 1.5, [], [1], [None], [[]], [{}], {"reason": "rejected"}),
    *([{"reason": 1}], [{"reason": ["rejected"]}], [{"reason": bytearray(b"rejected")}], [{"reason": "x" * 60_000}]),
    [{"count": 1, "reason": "another"}] * 1000,
]
"""Accounts of deaths that tell no reason."""


def signed(job: aio_pika.abc.AbstractIncomingMessage) -> JobId:
    found = IDS.read(job.correlation_id)
    assert found is not None
    return found


async def send(worker: Worker, queue: str, correlation_id: str | None, body: bytes = b"{}", **more: Any) -> None:
    message = aio_pika.Message(body, correlation_id=correlation_id, **more)
    await worker.caller.channel.default_exchange.publish(message, queue, timeout=30)


async def test_a_death_without_a_reason_of_the_brokers_fails_no_job(
    rabbitmq: Broker, zeebe: Engine, tmp_path: Path
) -> None:
    async with working(rabbitmq, zeebe, tmp_path) as worker:
        job = await worker.job()
        for death in DEATHS:
            await send(worker, UNDONE, job.correlation_id, headers={"x-death": death})
        await worker.counted("jobs_refused_total", len(DEATHS), reason="rejected")
        await worker.counted("jobs_refused_total", 0, reason="forged")
        assert (await worker.call(job, {"paid": True})).error is None, "the job was still there"
        await job.ack()
        assert "Traceback" not in worker.consumer.log.read_text()


async def test_an_outcome_of_another_type_fails_the_job_and_says_so(
    rabbitmq: Broker, zeebe: Engine, tmp_path: Path
) -> None:
    async with working(rabbitmq, zeebe, tmp_path) as worker:
        for odd in ODD[:2]:
            job = await worker.job()
            reply = await worker.call(job, b"{}", headers={"outcome": odd})
            assert (reply.operation, reply.error) == ("fail-job", None)
            await job.ack()
        job = await worker.job()
        assert job.headers["retries"] == 1
        gone = signed(job)._replace(key=signed(job).key + 2**20)
        for number, odd in enumerate(ODD):
            other = IDS.write(gone._replace(key=gone.key + number))
            for headers in ({"outcome": odd}, {"job-result": odd}):
                reply = await worker.call(job, b"{}", headers=headers, correlation_id=other)
                assert reply.operation == "fail-job"
                assert reply.error is not None
                assert reply.error.code in ("NOT_FOUND", "ALREADY_EXISTS")
        assert (await worker.call(job, b"{}")).error is None
        await job.ack()
        assert "Traceback" not in worker.consumer.log.read_text()


async def test_many_forged_answers_keep_no_other_waiting(rabbitmq: Broker, zeebe: Engine, tmp_path: Path) -> None:
    async with working(rabbitmq, zeebe, tmp_path) as worker:
        job = await worker.job()
        before = worker.consumer.log.stat().st_size

        async def flood() -> None:
            for number in range(FORGED):
                # One id again and again, and others.
                of = signed(job)._replace(key=number + 1 if number % 2 else 1)
                await send(worker, RESULTS, ANOTHER.write(of))

        flooding = asyncio.create_task(flood())
        answered = 0
        while not flooding.done():
            reply = await worker.call(job, {"timeout": "10m"}, type="extend")
            assert reply.error is None
            answered += 1
        await flooding
        assert answered > 0
        await worker.counted("jobs_refused_total", FORGED, reason="forged")
        assert (await worker.call(job, b"{}")).error is None
        await job.ack()
        assert worker.consumer.log.stat().st_size - before < MAX_LOG
