"""Fetching jobs: as many as may wait, never more than the queue takes, and none that nobody can give out."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import aio_pika

from consumer.zeebe.protocol import gateway_pb2 as pb
from scripts.rabbitmq import RabbitMQ
from tests.fakes.gateway import stream
from tests.integration.broker_control import VirtualHost, memory_alarm
from tests.integration.job_setup import JobSetup, job_setup
from tests.integration.service import eventually, metric
from zeebe_amqp.jobs.names import job_queue_arguments
from zeebe_amqp.testing import fail

LIMIT = 20


async def test_a_queue_that_nobody_takes_from_holds_no_more_than_the_limit_of_each_replica(
    vhost: VirtualHost, tmp_path: Path
) -> None:
    async with job_setup(tmp_path, vhost.url) as setup:
        file = setup.types_file(limit=LIMIT)
        first = await setup.start(JOBS_FILE=file)
        setup.create(5 * LIMIT)
        async with setup.queue() as queue:
            await eventually(lambda: LIMIT * 0.8 <= setup.locked <= LIMIT, "the limit is reached")
            await setup.start(JOBS_FILE=file)
            setup.create(5 * LIMIT)
            await asyncio.sleep(3)
            assert LIMIT * 0.8 <= setup.locked <= 2 * LIMIT
            assert await queue.depth() == setup.locked
            assert metric(first, "jobs_waiting", type=setup.job_type)[0] >= LIMIT * 0.8
            async with queue.worker():
                await eventually(lambda: not setup.jobs, "all jobs end")
            assert metric(first, "jobs_workers", type=setup.job_type)[0] <= 1
        assert setup.gateway.count("FailJob") == 0


async def test_a_job_that_its_full_queue_refuses_goes_back_with_the_retries_it_had(
    vhost: VirtualHost, tmp_path: Path
) -> None:
    """An operator may have made it smaller: such a queue is used as it is."""
    async with job_setup(tmp_path, vhost.url) as setup, await aio_pika.connect(vhost.url) as connection:
        arguments = {**job_queue_arguments(LIMIT, 3), "x-max-length": 2}
        channel = await connection.channel()
        # Its letters have a place, or nothing that expires there would ever go.
        await channel.declare_exchange("zeebe.jobs.dead", "fanout", durable=True)
        await channel.declare_queue(setup.queue().name, durable=True, arguments=dict(arguments))
        consumer = await setup.start(JOBS_FILE=setup.types_file(limit=LIMIT))
        setup.create(LIMIT)
        async with setup.queue() as queue:
            await eventually(lambda: setup.gateway.count("FailJob") >= 5, "jobs go back")
            assert {request.message.retries for request in setup.gateway.of("FailJob")} == {3}
            assert "takes no more" in consumer.reasons()[f"jobs.{setup.job_type}"]
            assert "event=queue.differs" in consumer.log.read_text()
            assert metric(consumer, "jobs_returned_total", type=setup.job_type)[0] >= 5
            # It rests in between.
            before = setup.gateway.count("ActivateJobs")
            await asyncio.sleep(2)
            assert setup.gateway.count("ActivateJobs") - before < 10
            async with queue.worker(1):
                await eventually(lambda: not setup.jobs, "all jobs end")
            await eventually(lambda: consumer.reasons() == {}, "it recovers")
        assert {job.retries for job in setup.jobs} == set()


async def test_jobs_are_pushed_beside_the_polls_as_long_as_there_is_room(vhost: VirtualHost, tmp_path: Path) -> None:
    async with job_setup(tmp_path, vhost.url) as setup:
        pushed = [
            pb.ActivatedJob(key=n, type=setup.job_type, retries=3, deadline=_soon(), variables="{}")
            for n in range(1, 31)
        ]
        setup.gateway.script("StreamActivatedJobs", stream(*pushed, open_for=60))
        setup.gateway.always("StreamActivatedJobs", stream(open_for=60))
        setup.gateway.always("ActivateJobs", stream(open_for=5))
        consumer = await setup.start(JOBS_FILE=setup.types_file(limit=LIMIT, timeout="10m", fetch_variables=["n"]))
        async with setup.queue() as queue:
            await eventually(
                lambda: metric(consumer, "jobs_out_total", type=setup.job_type)[0] >= LIMIT // 2, "there is no room"
            )
            [request] = setup.gateway.of("StreamActivatedJobs")
            assert (request.message.type, request.message.timeout) == (setup.job_type, 600_000)
            assert [*request.message.fetchVariable] == ["n", "trace"]
            await asyncio.sleep(2)
            assert metric(consumer, "jobs_out_total", type=setup.job_type)[0] <= LIMIT
            async with queue.worker():
                await eventually(lambda: completed(setup) == set(range(1, 31)), "the stream is read on")
            assert setup.gateway.count("StreamActivatedJobs") == 1


def completed(setup: JobSetup) -> set[int]:
    return {request.message.jobKey for request in setup.gateway.of("CompleteJob")}


def _soon() -> int:
    return int(time.time() * 1000) + 600_000


async def test_a_stream_that_breaks_is_opened_again_and_none_where_there_are_no_streams(
    vhost: VirtualHost, tmp_path: Path
) -> None:
    async with job_setup(tmp_path, vhost.url) as setup:
        setup.gateway.script("StreamActivatedJobs", *[stream(end=fail("INTERNAL", "broken"))] * 2)
        setup.gateway.always("StreamActivatedJobs", fail("UNIMPLEMENTED", "no streams"))
        consumer = await setup.start(JOBS=setup.job_type)
        async with setup.queue() as queue:
            await eventually(lambda: setup.gateway.count("StreamActivatedJobs") == 3, "it is opened again")
            setup.create(3)
            async with queue.worker() as done:
                await eventually(lambda: len(done) == 3, "polls bring jobs")
            assert consumer.log.read_text().count("event=jobs.stream_broken") == 2
            assert setup.gateway.count("StreamActivatedJobs") == 3
            assert consumer.reasons() == {}


async def test_what_is_wrong_with_one_type_disturbs_no_other(vhost: VirtualHost, tmp_path: Path) -> None:
    async with job_setup(tmp_path, vhost.url) as setup, await aio_pika.connect(vhost.url) as connection:
        channel = await connection.channel()
        await channel.declare_queue("zeebe.jobs.different", durable=True)
        consumer = await setup.start(JOBS=f"different,{setup.job_type}", ready=False)
        async with setup.queue() as queue:
            setup.create(3)
            async with queue.worker() as done:
                await eventually(lambda: len(done) == 3, "the other type is given out")
            await eventually(consumer.reasons, "the problem is told")
            assert [*consumer.reasons()] == ["jobs.different"]
            assert "inequivalent arg" in consumer.reasons()["jobs.different"]
            await channel.queue_delete("zeebe.jobs.different")
            await eventually(lambda: consumer.reasons() == {}, "somebody mended it")


async def test_what_the_engine_refuses_is_told_by_type(vhost: VirtualHost, tmp_path: Path) -> None:
    async with job_setup(tmp_path, vhost.url) as setup:
        setup.gateway.always("ActivateJobs", fail("PERMISSION_DENIED", "no rights to jobs"))
        setup.gateway.always("StreamActivatedJobs", fail("PERMISSION_DENIED", "no rights to jobs"))
        consumer = await setup.start(ready=False, JOBS=setup.job_type)
        async with setup.queue():
            problem = {f"jobs.{setup.job_type}": "no rights to jobs"}
            await eventually(lambda: consumer.reasons() == problem, "the problem is told")
            setup.gateway.reset()
            await eventually(lambda: consumer.reasons() == {}, "it is over")


async def test_a_service_that_stops_gives_out_what_has_arrived(vhost: VirtualHost, tmp_path: Path) -> None:
    async with job_setup(tmp_path, vhost.url) as setup:
        job = pb.ActivatedJob(key=7, type=setup.job_type, retries=3, deadline=_soon(), variables="{}")
        response = pb.ActivateJobsResponse(jobs=[job])
        setup.gateway.always("ActivateJobs", stream(response, open_for=60))
        setup.gateway.always("StreamActivatedJobs", stream(open_for=60))
        consumer = await setup.start(JOBS=setup.job_type)
        async with setup.queue() as queue:
            await eventually(lambda: setup.gateway.count("ActivateJobs") == 1, "a poll is out")
            await asyncio.sleep(0.5)
            assert await queue.depth() == 0
            assert await asyncio.to_thread(consumer.stop) == 0
            assert await queue.depth() == 1
            assert setup.gateway.count("ActivateJobs") == 1


async def test_while_the_broker_takes_nothing_nothing_is_fetched(own_rabbitmq: RabbitMQ, tmp_path: Path) -> None:
    async with job_setup(tmp_path, own_rabbitmq.url) as setup:
        consumer = await setup.start(JOBS_FILE=setup.types_file(limit=LIMIT))
        async with setup.queue() as queue:
            setup.create(1)
            await eventually(lambda: metric(consumer, "jobs_out_total", type=setup.job_type) == [1], "one is given out")
            async with memory_alarm(own_rabbitmq):
                await eventually(lambda: "broker.publish.jobs" in consumer.reasons(), "the alarm is told")
                setup.create(50)
                await asyncio.sleep(12)
                # A poll that was out when the alarm began may have got some; they went back.
                assert setup.locked == 1
                polls = setup.gateway.count("ActivateJobs")
                await asyncio.sleep(2)
                assert setup.gateway.count("ActivateJobs") == polls
            async with queue.worker():
                await eventually(lambda: not setup.jobs, "all jobs end")
            assert {request.message.retries for request in setup.gateway.of("FailJob")} <= {3}
