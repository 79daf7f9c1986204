"""The faults of jobs: what each does."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from functools import partial
from signal import SIGCONT, SIGSTOP

import aio_pika

from tests.faults.jobs.fault import JobFault, JobMoment, at
from tests.faults.jobs.gateway import BEFORE_STREAMS
from tests.faults.jobs.setup import Conditions, JobSetup
from tests.faults.jobs.workers import (
    PREFETCH,
    Answering,
    Manner,
    answering,
    completing,
    deadly,
    differently,
    never,
    plainly,
    twice,
)
from tests.faults.ledgers import REDIS
from tests.integration.broker_control import close_connections, memory_alarm
from tests.integration.service import eventually

AWAY, ALARM = 10.0, 3.0
"""Seconds that the gateway is away, or a consumer stopped: longer than the time-out of jobs. And of an alarm."""
LONG = 600
"""Seconds of a time-out that nobody waits for: what needs it counts as stuck."""
BURST = 5
"""How many times as many jobs come at once as may wait."""
AFTER = 1.0
"""Seconds for the answers of a late worker to be handled."""


async def kill_consumer(setup: JobSetup) -> None:
    """SIGKILL, then a new process on the same state."""
    await asyncio.to_thread(setup.consumer.kill)
    setup.consumer.launch()


async def kill_one(setup: JobSetup) -> None:
    """SIGKILL; another consumer of the same jobs and the same ledger goes on alone."""
    await asyncio.to_thread(setup.consumer.kill)


async def end_consumer(setup: JobSetup) -> None:
    """SIGTERM, then a new process on the same state."""
    status = await asyncio.to_thread(setup.consumer.stop)
    assert status == 0, f"exit code {status} after SIGTERM"
    setup.consumer.launch()


async def stop_consumer(setup: JobSetup) -> None:
    """SIGSTOP for longer than the time-out of its jobs, then SIGCONT."""
    setup.consumer.signal(SIGSTOP)
    await asyncio.sleep(AWAY)
    setup.consumer.signal(SIGCONT)


async def kill_worker(setup: JobSetup) -> None:
    """The first worker's connection ends in the middle of what it has; it comes back."""
    worker = setup.workers[0]
    worker.hold()
    await eventually(lambda: worker.has == PREFETCH, "jobs with the first worker", pause=0.01)
    setup.to_worker.reset()
    worker.go_on()


async def restart_broker(setup: JobSetup) -> None:
    """Stop and start."""
    await asyncio.to_thread(setup.broker.restart)


async def kill_broker(setup: JobSetup) -> None:
    """SIGKILL and start."""
    await asyncio.to_thread(setup.broker.kill)
    await asyncio.to_thread(setup.broker.start)


async def close_all(setup: JobSetup) -> None:
    """The broker closes every connection, the workers' too."""
    await asyncio.to_thread(close_connections, setup.broker)


async def raise_alarm(setup: JobSetup) -> None:
    """A memory alarm: neither the consumer nor a worker can publish."""
    async with memory_alarm(setup.broker):
        await asyncio.sleep(ALARM)


async def delete_queue(setup: JobSetup) -> None:
    """The queue of jobs is deleted with what is in it, and the consumer declares it again."""
    async with await aio_pika.connect(setup.broker.url) as connection:
        await (await connection.channel()).queue_delete(setup.queue)


def burst(setup: JobSetup) -> None:
    """Many more jobs at once than may wait."""
    setup.engine.create(BURST * setup.conditions.limit)


async def gateway_away(setup: JobSetup) -> None:
    """Stopped, and started again when every job that was given out before has timed out."""
    await setup.gateway.stop()
    await asyncio.sleep(AWAY)
    await setup.gateway.start()


async def overtake(setup: JobSetup) -> None:
    """The first worker stops past the deadline of its jobs; the others have got them when it answers, and are at it."""
    late = setup.workers[0]
    late.punctual = False
    late.hold()
    await eventually(lambda: late.has == PREFETCH, "jobs with the first worker", pause=0.01)
    held, done = list(late.jobs), asyncio.Event()
    keys = {activated.key for activated in held}

    async def at_it(job: Answering) -> None:
        if job.activated.key in keys:
            await done.wait()
        await plainly(job)

    answer_so(at_it, setup)
    await eventually(lambda: all(map(setup.history.is_overtaken, held)), "its jobs are with others")
    late.manner = plainly
    late.go_on()
    await asyncio.sleep(AFTER)
    answer_so(plainly, setup)
    done.set()


async def be_late(setup: JobSetup) -> None:
    """The first worker stops past the deadline of its jobs while the others go on."""
    late = setup.workers[0]
    late.punctual = False
    late.hold()
    await eventually(lambda: late.has == PREFETCH, "jobs with the first worker", pause=0.01)
    await asyncio.sleep(AWAY)
    late.go_on()


def answer_so(manner: Manner, setup: JobSetup) -> None:
    """From now on every worker answers so."""
    for worker in setup.workers:
        worker.manner = manner


async def never_answer(setup: JobSetup) -> None:
    """The first worker takes what it can get, and works for ever."""
    worker = setup.workers[0]
    worker.manner = never
    await eventually(lambda: worker.has == PREFETCH, "jobs with the first worker", pause=0.01)


SHARED = Conditions(environment={"LEDGER": REDIS})
POLLED = Conditions(version=BEFORE_STREAMS)
UNHURRIED = Conditions(timeout=LONG, plan=answering)
UNHURRIED_POLLS = replace(UNHURRIED, version=BEFORE_STREAMS)
"""Who ends a stream loses what is being pushed at that moment until it times out; a poll loses nothing."""

JOB_FAULTS: tuple[JobFault, ...] = (
    *at(JobFault("consumer killed", kill_consumer), quick=JobMoment.PUBLISHING),
    *at(
        JobFault("consumer killed (polls only)", kill_consumer, conditions=POLLED),
        JobMoment.ANY,
        JobMoment.GIVEN,
        JobMoment.CONFIRMING,
    ),
    *at(
        JobFault("one of two consumers killed", kill_one, conditions=SHARED, two=True),
        JobMoment.ANY,
        JobMoment.PUBLISHING,
        JobMoment.ANSWERED,
    ),
    JobFault("consumer ended (SIGTERM)", end_consumer),
    JobFault("consumer ended (polls only), time-out 10 min", end_consumer, conditions=UNHURRIED_POLLS),
    JobFault(
        "one of two consumers ended (polls only), time-out 10 min",
        end_consumer,
        conditions=replace(UNHURRIED_POLLS, environment={"LEDGER": REDIS}),
        two=True,
    ),
    JobFault("burst of five times the limit, time-out 10 min", burst, conditions=UNHURRIED, quick=True),
    JobFault("consumer stopped 10 s (SIGSTOP)", stop_consumer),
    JobFault("worker killed with its jobs", kill_worker, quick=True),
    JobFault(
        "workers die with the same job again and again", lambda _: None, conditions=Conditions(plan=deadly, prefetch=1)
    ),
    *at(JobFault("broker restarted", restart_broker), JobMoment.ANY, JobMoment.WORKING),
    *at(JobFault("broker killed", kill_broker), JobMoment.ANY, JobMoment.CONFIRMING, JobMoment.WORKING),
    *at(
        JobFault("all connections closed", close_all),
        JobMoment.ANY,
        JobMoment.CONFIRMING,
        JobMoment.WORKING,
        quick=JobMoment.ANY,
    ),
    JobFault("memory alarm", raise_alarm),
    JobFault("queue of jobs deleted", delete_queue),
    JobFault("gateway away longer than the time-out", gateway_away),
    JobFault("gateway away longer than the time-out (polls only)", gateway_away, conditions=POLLED),
    *at(
        JobFault("gateway connection reset", lambda setup: setup.to_gateway.reset()),
        JobMoment.GIVEN,
        JobMoment.ANSWERED,
        JobMoment.DONE,
    ),
    JobFault("worker stopped past the deadline, others have its jobs", overtake, quick=True),
    JobFault("worker stopped past the deadline, others go on", be_late),
    JobFault("every answer twice", partial(answer_so, twice), quick=True),
    JobFault("every answer followed by another", partial(answer_so, differently)),
    JobFault("a worker never answers", never_answer, conditions=Conditions(plan=completing), quick=True),
)
"""Every fault of jobs at every moment that matters."""
