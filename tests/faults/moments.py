"""The moments in the life of a request at which a fault strikes; the gateway or a proxy decides, not luck."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from enum import Enum

from tests.fakes.gateway import Request, Step, answer
from tests.faults.gateways import LATENCY
from tests.faults.proxy import ACK, PUBLISH, Way
from tests.faults.setup import Setup
from tests.integration.stage import eventually

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
async def caught(setup: Setup, moment: Moment) -> AsyncIterator[None]:
    """The body runs while at least CAUGHT requests are held at that moment; afterwards they go on."""
    if moment is Moment.ANY:
        yield
    elif moment is Moment.CALLED:
        async with _at_gateway(setup):
            yield
    else:
        proxy = setup.to_gateway if moment is Moment.EXECUTED else setup.to_broker
        try:
            if moment is Moment.EXECUTED:
                proxy.hold(Way.DOWN)
                await _executed(setup)
            else:
                proxy.hold(Way.UP, PUBLISH if moment is Moment.REPLYING else ACK)
                await proxy.held(CAUGHT)
            yield
        finally:
            proxy.release()


@asynccontextmanager
async def _at_gateway(setup: Setup) -> AsyncIterator[None]:
    opened, reached = asyncio.Event(), 0

    async def held(_: Request) -> Step:
        nonlocal reached
        reached += 1
        await opened.wait()
        return after(LATENCY)

    try:
        async with setup.gateway.creating(held):
            await eventually(lambda: reached >= CAUGHT, f"{CAUGHT} requests at the gateway")
            yield
    finally:
        opened.set()


async def _executed(setup: Setup) -> None:
    """Wait for requests that were executed and are not answered."""
    requests, before = setup.history.requests, set[str]()

    def stuck() -> bool:
        nonlocal before
        earlier, before = before, {each for each in setup.gateway.counted() if not requests[each].answers}
        # Twice, so that an answer that had passed already has had the time to arrive.
        return len(earlier & before) >= CAUGHT

    await eventually(stuck, f"{CAUGHT} requests that were executed and not answered", pause=0.3)
