"""Two replicas give out jobs, and one of them is started again in the middle: no job waits for its time-out."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.integration.broker_control import VirtualHost
from tests.integration.job_setup import job_setup
from tests.integration.service import eventually

JOBS = 2000


async def test_two_replicas_and_a_restart_stall_nothing(vhost: VirtualHost, tmp_path: Path) -> None:
    """A job times out after ten minutes, long after the test: one that somebody forgot would never end."""
    async with job_setup(tmp_path, vhost.url) as setup:
        file = setup.types_file(timeout="10m")
        first = await setup.start(JOBS_FILE=file)
        await setup.start(JOBS_FILE=file)
        setup.create(JOBS)
        async with setup.queue() as queue, queue.worker() as done:
            await eventually(lambda: len(setup.jobs) < JOBS * 2 / 3, "a third of the jobs have ended")
            await asyncio.to_thread(first.stop)
            await asyncio.to_thread(first.start)
            await eventually(lambda: not setup.jobs, "all jobs end")
            assert len(done) == JOBS
            assert setup.gateway.count("FailJob") == 0
            assert await queue.depth() == 0


async def test_what_the_gateway_is_about_to_answer_to_a_replica_that_stops_is_given_out(
    vhost: VirtualHost, tmp_path: Path
) -> None:
    await stop_while_it_answers(tmp_path, vhost, seconds=0.4, given_out=1)


async def test_what_a_slow_gateway_answers_too_late_is_free_again(vhost: VirtualHost, tmp_path: Path) -> None:
    await stop_while_it_answers(tmp_path, vhost, seconds=60.0, given_out=0)


async def stop_while_it_answers(tmp_path: Path, vhost: VirtualHost, seconds: float, given_out: int) -> None:
    """Stop a replica while the gateway takes its time to answer with the only job."""
    async with job_setup(tmp_path, vhost.url) as setup:
        setup.cluster.activation_seconds = seconds
        setup.create(1)  # before it asks: a poll that waits for long is ended early
        consumer = await setup.start(ready=False, JOBS_FILE=setup.types_file(timeout="10m"))
        await eventually(lambda: setup.locked, "the engine has activated the job")
        async with setup.queue() as queue:
            await asyncio.to_thread(consumer.stop)
            assert (await queue.depth(), setup.locked) == (given_out, given_out)
