"""The request of all benchmarks, its queue and its event loop."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import uvloop
from aiormq.abc import AbstractChannel

from benchmarks.figures import PERCENTILES, Figures
from benchmarks.machine import own_cpu
from zeebe_amqp import wire

PROCESS = "order"
VARIABLES: dict[str, Any] = {
    "orderId": "2026-004711",
    "customer": {"id": 90210, "name": "Grace Hopper", "mail": "grace@example.com", "since": "2019-04-30"},
    "lines": [
        {"article": "A-1001", "quantity": 2, "price": 12.5},
        {"article": "B-2002", "quantity": 1, "price": 349.0},
        {"article": "C-3003", "quantity": 12, "price": 0.99},
    ],
    "address": {"street": "1 Harbour Road", "city": "Bristol", "code": "BS1 4RN", "country": "GB"},
    "currency": "GBP",
    "total": 385.88,
    "gift": False,
}
BODY = json.dumps(
    {"operation": "create-instance", "data": {"bpmnProcessId": PROCESS, "variables": VARIABLES}}, separators=(",", ":")
)
"""About 500 bytes, as an order has."""
EXPECTED = '"bpmnProcessId":'
"""In every answer of the service and its peers, and in an echo; in no error."""
PREFETCH = 100
"""Of every program that consumes."""


def run(program: Coroutine[Any, Any, None]) -> None:
    """Run a program on the event loop that the service uses."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(program)


async def declare(channel: AbstractChannel, queue: str) -> None:
    """Declare a request queue as the service does."""
    await channel.queue_declare(queue, durable=True, arguments=wire.queue_arguments(queue))


async def timed(run: Callable[[], Awaitable[object]], seconds: float, in_flight: int) -> Figures:
    """The figures of something that this process does by itself; first a while unmeasured."""
    await _repeat(run, seconds / 4, in_flight)
    used, started = own_cpu(), time.perf_counter()
    took = sorted(await _repeat(run, seconds, in_flight))
    rate = len(took) / (time.perf_counter() - started)
    percentiles = {f"p{each:g}": took[int(each / 100 * (len(took) - 1))] for each in PERCENTILES}
    return {"rate": rate, "cpu": (own_cpu() - used) / len(took) * 1e6, **percentiles}


async def _repeat(run: Callable[[], Awaitable[object]], seconds: float, in_flight: int) -> list[float]:
    took: list[float] = []
    end = time.perf_counter() + seconds

    async def worker() -> None:
        while (started := time.perf_counter()) < end:
            await run()
            took.append((time.perf_counter() - started) * 1e3)

    await asyncio.gather(*(worker() for _ in range(in_flight)))
    return took
