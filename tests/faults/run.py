"""One run: requests before, during and after a fault, then the verdict."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from pathlib import Path

from scripts.rabbitmq import RabbitMQ
from scripts.redis import Redis
from tests.faults.checker import Verdict, judge
from tests.faults.fault import REDIS, Fault
from tests.faults.setup import built

SENDING = 120.0
"""Seconds after a fault within which everything must have been sent."""
LASTING = 300.0
"""Seconds of what is told as minutes."""


async def run(fault: Fault, requests: int, directory: Path, broker: RabbitMQ, lasting: float = LASTING) -> Verdict:
    """Play the fault in the middle of so many requests.

    Args:
        fault: what happens.
        requests: how many at most, a third of them before, during and after the fault.
        directory: for logs and state; exists.
        broker: runs, and does so again afterwards.
        lasting: seconds that a fault of minutes takes.

    Raises:
        AssertionError: the fault could not be played, or the consumer behaved wrongly in it.
    """
    requests = min(requests, fault.most or requests)
    third = requests // 3
    with ExitStack() as servers:
        url = ""
        if REDIS in fault.environment.values():
            url = servers.enter_context(Redis(directory / "redis", appendonly=False)).url
        environment = {name: value.format(redis=url) for name, value in fault.environment.items()}
        async with built(directory, broker, environment, fault.gateway, lasting) as setup:
            if fault.two:
                await setup.another()
            await setup.callers.send(third)
            middle = asyncio.create_task(setup.callers.send(third, padding=fault.padding))
            try:
                excused = await fault.happen(setup)
                setup.history.heal()
                await asyncio.wait_for(middle, SENDING)
            finally:
                middle.cancel()
            await setup.callers.send(requests - 2 * third)
            await setup.calm(excused)
            await setup.end()
            kept, executions = await setup.kept(), setup.gateway.counted()
    return judge(setup.history, executions, kept=kept, excused=excused, accepts=fault.accepts)
