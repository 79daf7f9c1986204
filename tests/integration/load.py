"""Requests under way while something breaks: held at the gateway, or many of them, counted."""

from __future__ import annotations

import asyncio
import resource
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress

import orjson

from scripts import guard
from scripts.consumer import Consumer
from tests.fakes.gateway import FakeGateway, Request
from tests.faults.callers import Callers
from tests.faults.checker import History, judge
from tests.integration.service import TIMEOUT, ConsumerSetup, eventually
from zeebe_amqp.testing import Step, after, answer

CREATE = "CreateProcessInstance"


class Hold:
    """Holds the requests of an RPC that arrive at the gateway until it is opened."""

    def __init__(self, gateway: FakeGateway, rpc: str = CREATE) -> None:
        self._open = asyncio.Event()
        self._gateway, self._rpc = gateway, rpc
        gateway.always(rpc, self._held)
        self.open = self._open.set

    async def _held(self, _: Request) -> Step:
        await self._open.wait()
        return answer()

    async def reached(self, number: int = 1) -> None:
        """Wait until that many requests are at the gateway."""
        await eventually(lambda: self._gateway.count(self._rpc) >= number, f"{number} requests at the gateway")


@contextmanager
def no_file_grows(consumer: Consumer) -> Iterator[None]:
    """As if the disk of the consumer were full."""
    assert consumer.process is not None
    [pid, *_] = guard.children(consumer.process.pid)
    before = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (1, before[1]))
    try:
        yield
    finally:
        with suppress(ProcessLookupError):  # it may have ended
            resource.prlimit(pid, resource.RLIMIT_FSIZE, before)


@asynccontextmanager
async def loaded(service: ConsumerSetup, number: int = 300) -> AsyncIterator[None]:
    """Load of which a third is confirmed when the body begins; each request must be answered rightly, and run once."""
    service.gateway.reset()
    service.gateway.always(CREATE, after(0.03))
    history = History()

    def confirmed() -> int:
        return sum(request.confirmed is not None for request in history.requests.values())

    def executions() -> Counter[str]:
        return Counter(
            {orjson.loads(str(sent))["id"]: count for (_, sent), count in service.gateway.executions.items()}
        )

    async with Callers(service.url, service.consumer.queues[0], history) as callers:
        sending = asyncio.create_task(callers.send(number))
        try:
            await eventually(lambda: confirmed() > number / 3, "a third of the requests confirmed")
            yield
            await asyncio.wait_for(sending, TIMEOUT)
        finally:
            sending.cancel()
        await eventually(lambda: not history.open(executions()), "everything is answered")
    assert confirmed() == number
    problems = judge(history, executions()).problems()
    assert problems == [], problems
