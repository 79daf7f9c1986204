"""One fault: what it does, at which moment in the life of a request, what it excuses, and how it is played."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from enum import Enum
from pathlib import Path
from types import MappingProxyType
from typing import Any

from scripts.rabbitmq import RabbitMQ
from scripts.rabbitmq_cluster import RabbitMQCluster
from tests.fakes.gateway import Request
from tests.faults.checker import Verdict
from tests.faults.gateways import CREATE, LATENCY, InsideGateway
from tests.faults.ledgers import with_ledger
from tests.faults.proxy import ACK, PUBLISH, Way
from tests.faults.setup import Setup, built
from tests.integration.service import eventually
from zeebe_amqp.errors import Code
from zeebe_amqp.testing import Step, after

SENDING = 120.0
"""Seconds after a fault within which everything must have been sent."""
LASTING = 300.0
"""Seconds of what is told as minutes."""
CAUGHT = 8
"""Requests that are held at the moment when the fault strikes."""


class Moment(Enum):
    """Where requests are held while the fault strikes; the gateway or a proxy decides, not luck."""

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
        return
    proxy, opened = setup.to_gateway if moment is Moment.EXECUTED else setup.to_broker, asyncio.Event()
    try:
        match moment:
            case Moment.CALLED:
                await _at_gateway(setup, opened)
            case Moment.EXECUTED:
                proxy.hold(Way.DOWN)
                await _executed(setup)
            case Moment.REPLYING | Moment.ACKING:
                proxy.hold(Way.UP, PUBLISH if moment is Moment.REPLYING else ACK)
                await proxy.held(CAUGHT)
        yield
    finally:
        proxy.release()
        opened.set()


async def _at_gateway(setup: Setup, opened: asyncio.Event) -> None:
    """Wait for requests at the gateway, which are answered when it is opened."""
    reached = 0

    async def held(_: Request) -> Step:
        nonlocal reached
        reached += 1
        await opened.wait()
        return after(LATENCY)

    setup.gateway.always(CREATE, held)
    await eventually(lambda: reached >= CAUGHT, f"{CAUGHT} requests at the gateway")


async def _executed(setup: Setup) -> None:
    """Wait for requests that were executed and are not answered."""
    requests, before = setup.history.requests, set[str]()

    def stuck() -> bool:
        nonlocal before
        earlier, before = before, {each for each in setup.gateway.counted() if not requests[each].answers}
        # Twice, so that an answer that had passed already has had the time to arrive.
        return len(earlier & before) >= CAUGHT

    await eventually(stuck, f"{CAUGHT} requests that were executed and not answered", pause=0.3)


@dataclass(frozen=True)
class Fault:
    """One row of the table.

    `strike` does the fault and undoes it, at once or awaited; it may return the identities of requests that need no
    answer any more.
    `accepts` are the errors that callers may get because of it. `forgiving`: running twice was never promised.
    `gateway`: the kind that it needs, a real engine where the fault is the engine's. `two`: another consumer works
    beside the one that is struck. `quick`: part of every test run. A name in braces in the `environment` stands for
    the URL of a private server (`ledgers`); unless the environment names a ledger, it is the default one, a file.
    `padding`: bytes by which the requests beside the fault are larger. `prepare` is awaited before the first request.
    `most`: no more requests than that, however many are asked for.
    """

    name: str
    strike: Callable[[Setup], Any]
    prepare: Callable[[Setup], Awaitable[object]] | None = None
    moment: Moment = Moment.ANY
    accepts: frozenset[Code] = frozenset()
    environment: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    gateway: Callable[[Path], Any] = InsideGateway
    two: bool = False
    quick: bool = False
    forgiving: bool = False
    padding: int = 0
    most: int | None = None

    @property
    def title(self) -> str:
        """Its name and its moment."""
        return self.name if self.moment is Moment.ANY else f"{self.name}: {self.moment.value}"

    async def happen(self, setup: Setup) -> Collection[str]:
        """Strike at the moment; the identities of the requests that it excuses."""
        async with caught(setup, self.moment):
            struck = self.strike(setup)
            return (await struck if inspect.isawaitable(struck) else struck) or frozenset()

    async def play(
        self, requests: int, directory: Path, broker: RabbitMQ | RabbitMQCluster, lasting: float = LASTING
    ) -> Verdict:
        """Strike in the middle of so many requests, a third of them before, during and after it.

        `broker` runs, and does so again afterwards; `lasting` seconds is what a fault of minutes takes.

        Raises:
            AssertionError: the fault could not be played, or the consumer behaved wrongly in it.
        """
        requests = min(requests, self.most or requests)
        third = requests // 3
        with with_ledger(self.environment, directory) as (environment, server):
            async with built(directory, broker, environment, self.gateway, lasting) as setup:
                setup.ledger = server
                if self.two:
                    await setup.another()
                if self.prepare:
                    await self.prepare(setup)
                await setup.callers.send(third)
                middle = asyncio.create_task(setup.callers.send(third, padding=self.padding))
                try:
                    excused = await self.happen(setup)
                    setup.history.heal()
                    await asyncio.wait_for(middle, SENDING)
                finally:
                    middle.cancel()
                await setup.callers.send(requests - 2 * third)
                return await setup.verdict(excused, self.accepts)

    def problems(self, verdict: Verdict) -> list[str]:
        """Every broken promise."""
        return verdict.problems(forgiving=self.forgiving)


def at(fault: Fault, *moments: Moment, quick: Moment | None = None) -> list[Fault]:
    """The fault at each of the moments; without any, at every one."""
    return [replace(fault, moment=moment, quick=moment is quick) for moment in moments or Moment]
