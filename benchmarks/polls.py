"""What requests that wait cost: `python -m benchmarks.polls`, memory of the service with none, 500 and 1000 of them.

The gateway is the fake one: it holds the polls, as a broker does that has no jobs.
"""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

from rich.console import Console

from scripts import guard
from scripts.process import memory_of
from scripts.rabbitmq import RabbitMQ
from tests.integration.caller import Caller
from tests.integration.load import Hold
from tests.integration.service import ConsumerSetup, running_service

POLL = b'{"operation":"activate-jobs","data":{"jobType":"idle","maxJobsToActivate":1,"requestTimeout":"50s"}}'
STEP, STEPS = 500, 2
MIB = 1 << 20


def resident(service: ConsumerSetup) -> float:
    """MiB that the service has in memory."""
    assert service.consumer.process is not None
    (program,) = guard.children(service.consumer.process.pid)
    return memory_of(program) / MIB


async def measure(service: ConsumerSetup, console: Console) -> None:
    """Send polls in steps, and read the memory when all wait at the gateway."""
    hold = Hold(service.gateway, "ActivateJobs")
    async with service.caller() as caller:
        console.print(f"none: {resident(service):.1f} MiB")
        waiting: list[asyncio.Future[object]] = []
        for step in range(1, STEPS + 1):
            waiting += [asyncio.ensure_future(_poll(caller)) for _ in range(STEP)]
            await hold.reached(len(waiting))
            console.print(f"{step * STEP} polls: {resident(service):.1f} MiB")
        hold.open()
        await asyncio.gather(*waiting)


async def _poll(caller: Caller) -> object:
    return await caller.request(POLL, queue=caller.polls)


async def main() -> None:
    """Measure beside a broker of our own."""
    with tempfile.TemporaryDirectory() as directory, RabbitMQ(Path(directory) / "rabbitmq") as broker:
        async with running_service(Path(directory), broker.url) as service:
            await measure(service, Console())


if __name__ == "__main__":
    asyncio.run(main())
