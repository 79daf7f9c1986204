"""One fault of jobs: what it does, at which moment in the life of a job, and how it is played."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from enum import Enum
from pathlib import Path
from typing import Any

from scripts.rabbitmq import RabbitMQ
from tests.faults.fault import CAUGHT, LASTING, SENDING
from tests.faults.jobs.checker import JobVerdict
from tests.faults.jobs.setup import Conditions, JobSetup, built
from tests.faults.ledgers import with_ledger
from tests.faults.proxy import ACK, PUBLISH, Way
from tests.integration.service import eventually

PAUSE = 0.03
"""Seconds between ten new jobs and the next ten, beside the fault."""
SETTLE = 0.2
"""Seconds for more of the same, when the first job was caught."""
TRY, TRYING = 2.0, 60.0
"""Seconds that one try to catch a job takes, and all of them."""


class JobMoment(Enum):
    """Where jobs are held while the fault strikes; the gateway, a proxy or the workers decide, not luck."""

    ANY = "under load"
    GIVEN = "given out by the engine, not at the service"
    PUBLISHING = "on its way to its queue"
    CONFIRMING = "in its queue, not confirmed"
    WORKING = "with the worker"
    ANSWERED = "answered, the command at the gateway"
    DONE = "done by the engine, unknown to the service"
    SETTLING = "done, the answer's ack on its way"


@asynccontextmanager
async def caught(setup: JobSetup, moment: JobMoment) -> AsyncIterator[None]:
    """The body runs while jobs are held at that moment; afterwards they go on."""
    async with AsyncExitStack() as stack:
        await _hold(setup, moment, stack)
        yield


async def _hold(setup: JobSetup, moment: JobMoment, stack: AsyncExitStack) -> None:
    engine, to_gateway, to_broker = setup.engine, setup.to_gateway, setup.to_broker
    match moment:
        case JobMoment.GIVEN:
            stack.callback(to_gateway.release)
            await _hold_given(setup)
        case JobMoment.PUBLISHING | JobMoment.CONFIRMING:
            stack.callback(to_broker.release)
            to_broker.hold(*((Way.UP, PUBLISH) if moment is JobMoment.PUBLISHING else (Way.DOWN, ACK)))
            await to_broker.held(1)
            await asyncio.sleep(SETTLE)
        case JobMoment.WORKING:
            for worker in setup.workers:
                stack.callback(worker.go_on)
                worker.hold()
            await eventually(lambda: sum(worker.has for worker in setup.workers) >= CAUGHT, "jobs with workers")
        case JobMoment.ANSWERED:
            stack.enter_context(setup.gateway.holding())
            await eventually(lambda: setup.gateway.waiting >= CAUGHT, "commands at the gateway", pause=0.01)
        case JobMoment.DONE:
            before = engine.ended
            stack.callback(to_gateway.release)
            to_gateway.hold(Way.DOWN)
            await eventually(lambda: engine.ended - before >= CAUGHT, "jobs that ended", pause=0.01)
        case JobMoment.SETTLING:
            stack.callback(to_broker.release)
            to_broker.hold(Way.UP, ACK)
            await to_broker.held(CAUGHT)


async def _hold_given(setup: JobSetup) -> None:
    """Hold what the gateway says until a job is held that it has given out.

    Raises:
        TimeoutError: there was none for a minute.
    """
    async with asyncio.timeout(TRYING):
        while True:
            begun = setup.engine.clock()
            setup.to_gateway.hold(Way.DOWN)
            while setup.engine.clock() < begun + TRY:
                if any(setup.engine.since(begun)):
                    return
                await asyncio.sleep(0.01)
            # Nothing had been asked for: the service had no room just then, and what would make some is held, too.
            setup.to_gateway.release()
            await asyncio.sleep(SETTLE)


@dataclass(frozen=True)
class JobFault:
    """One row of the table of jobs.

    `strike` does the fault and undoes it, at once or awaited. `two`: another consumer works beside the one that is
    struck; a name in braces in the environment of the `conditions` stands for the URL of a private server. `quick`:
    part of every test run.
    """

    name: str
    strike: Callable[[JobSetup], Any]
    moment: JobMoment = JobMoment.ANY
    conditions: Conditions = field(default_factory=Conditions)
    two: bool = False
    quick: bool = False

    @property
    def title(self) -> str:
        """Its name and its moment."""
        name = f"jobs: {self.name}"
        return name if self.moment is JobMoment.ANY else f"{name}: {self.moment.value}"

    async def play(self, jobs: int, directory: Path, broker: RabbitMQ, lasting: float = LASTING) -> JobVerdict:
        """Strike in the middle of so many jobs, a third of them before, during and after it.

        `broker` runs, and does so again afterwards; nothing of jobs takes minutes, so `lasting` changes nothing.

        Raises:
            AssertionError: the fault could not be played, or the consumer behaved wrongly in it.
        """
        del lasting
        third = jobs // 3
        with with_ledger(self.conditions.environment, directory) as (environment, _):
            async with built(directory, broker, replace(self.conditions, environment=environment)) as setup:
                if self.two:
                    await setup.another()
                await setup.create(third)
                await setup.calm(third // 2)
                middle = asyncio.create_task(setup.create(third, PAUSE))
                try:
                    await self._happen(setup)
                    setup.history.heal()
                    await asyncio.wait_for(middle, SENDING)
                finally:
                    middle.cancel()
                await setup.create(jobs - 2 * third)
                return await setup.verdict()

    async def _happen(self, setup: JobSetup) -> None:
        async with caught(setup, self.moment):
            struck = self.strike(setup)
            if inspect.isawaitable(struck):
                await struck

    def problems(self, verdict: JobVerdict) -> list[str]:
        """Every broken promise."""
        return verdict.problems()


def at(fault: JobFault, *moments: JobMoment, quick: JobMoment | None = None) -> list[JobFault]:
    """The fault at each of the moments; without any, at every one."""
    return [replace(fault, moment=moment, quick=moment is quick) for moment in moments or JobMoment]
