"""The moments in the life of a request at which a fault strikes; the gateway or a proxy decides, not luck."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from enum import Enum

from tests.fakes.gateway import Request
from tests.faults.gateways import CREATE, LATENCY
from tests.faults.proxy import ACK, PUBLISH, Way
from tests.faults.world import World
from tests.integration.service import TIMEOUT, eventually
from zeebe_amqp.testing import Step, after

CAUGHT = 8
"""Requests that are held at the moment when the fault strikes."""


class Moment(Enum):
    """Where requests are held while the fault strikes."""

    ANY = "under load"
    CALLED = "before the call"
    EXECUTED = "executed, not answered by the gateway"
    REPLYING = "reply on its way to the broker"
    ACKING = "reply confirmed, ack on its way"


@asynccontextmanager
async def caught(world: World, moment: Moment) -> AsyncIterator[None]:
    """The body runs while at least CAUGHT requests are held at that moment; afterwards they go on."""
    if moment is Moment.ANY:
        yield
    elif moment is Moment.CALLED:
        async with _at_gateway(world):
            yield
    elif moment is Moment.EXECUTED:
        async with _executed(world):
            yield
    else:
        world.to_broker.hold(Way.UP, PUBLISH if moment is Moment.REPLYING else ACK)
        try:
            await world.to_broker.held(CAUGHT)
            yield
        finally:
            world.to_broker.release()


@asynccontextmanager
async def _at_gateway(world: World) -> AsyncIterator[None]:
    opened, reached = asyncio.Event(), asyncio.Semaphore(0)

    async def held(_: Request) -> Step:
        reached.release()
        await opened.wait()
        return after(LATENCY)

    world.inside.always(CREATE, held)
    try:
        async with asyncio.timeout(TIMEOUT):
            for _ in range(CAUGHT):
                await reached.acquire()
        yield
    finally:
        world.inside.always(CREATE, after(LATENCY))
        opened.set()


@asynccontextmanager
async def _executed(world: World) -> AsyncIterator[None]:
    world.to_gateway.hold(Way.DOWN)
    seen: list[set[str]] = [set()]

    def stuck() -> bool:
        # Twice, so that an answer that had passed already has had the time to arrive.
        seen.append(_unanswered(world))
        return len(seen[-1] & seen[-2]) >= CAUGHT

    try:
        await eventually(stuck, f"{CAUGHT} requests that were executed and not answered", pause=0.3)
        yield
    finally:
        world.to_gateway.release()


def _unanswered(world: World) -> set[str]:
    requests = world.history.requests
    return {identity for identity in world.gateway.counted() if not requests[identity].answers}
