"""One run: requests before, during and after a fault, then the verdict."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from functools import partial
from pathlib import Path

from scripts.rabbitmq import RabbitMQ
from scripts.redis import Redis
from tests.faults.checker import Verdict, judge
from tests.faults.fault import Fault
from tests.faults.world import World, built

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
    play = partial(_judged, fault, min(requests, fault.most or requests), directory, broker, lasting)
    if not fault.redis:
        return await play(fault.environment)
    redis = await asyncio.to_thread(Redis(directory / "redis", appendonly=False).start)
    try:
        environment = {name: value.format(redis=redis.url) for name, value in fault.environment.items()}
        return await play(environment)
    finally:
        await asyncio.to_thread(redis.stop)


async def _judged(
    fault: Fault, requests: int, directory: Path, broker: RabbitMQ, lasting: float, environment: Mapping[str, str]
) -> Verdict:
    async with built(directory, broker, environment, fault.gateway, lasting) as world:
        if fault.two:
            await world.another()
        excused = await _played(fault, requests // 3, world)
        await world.callers.send(requests - 2 * (requests // 3))
        await world.calm(excused)
        await world.end()
        kept = await world.kept()
        executions = world.gateway.counted()
    return judge(world.history, executions, kept=kept, excused=excused, accepts=fault.accepts)


async def _played(fault: Fault, number: int, world: World) -> Collection[str]:
    """Strike while a second third is being sent; what needs no answer any more."""
    await world.callers.send(number)
    middle = asyncio.create_task(world.callers.send(number, padding=fault.padding))
    try:
        world.history.strike()
        excused = await fault.happen(world)
        world.history.heal()
        await asyncio.wait_for(middle, SENDING)
    finally:
        middle.cancel()
    return excused
