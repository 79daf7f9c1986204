"""What each ledger costs, and where: `python -m benchmarks.ledger [--count N] [--rounds N]`.

Each command is a claim and the record of its end. Measured in turn are the ledgers as the service uses them, of those
with a server this process and the server; the table of the file alone, written by the one thread there is; and the way
to another thread and back alone. They are asked for without a rest and after rests of some milliseconds, as at low
load, when a sleeping core must be woken each time.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from statistics import median
from typing import TypeAlias

import uvloop
from rich.console import Console
from rich.table import Table as Printed

from benchmarks import machine
from consumer.core.message import Reply
from consumer.core.thread import Worker
from consumer.ledger import Ledger, Limits, identify, open_ledger
from consumer.ledger.codec import to_stored
from consumer.ledger.store import LedgerRow
from consumer.ledger.table import Table
from scripts.postgres import Postgres
from scripts.redis import Redis

LIMITS = Limits(ttl=86_400)
DIGEST = b"d" * 32
REPLY = to_stored(Reply("create-instance", {"processInstanceKey": "2251799813685249", "bpmnProcessId": "order"}))
REST = 0.003
"""Seconds of a rest; about what the engine takes."""
LOADS = ((1, REST), (1, 0.0), (64, 0.0))
"""Commands in flight, and the rest before each."""

RunCommand: TypeAlias = Callable[[str], Awaitable[object]]
"""One command with that id."""


def _of(ledger: Ledger) -> RunCommand:
    async def run(name: str) -> None:
        identity = identify(None, name)
        await ledger.claim(identity, DIGEST)
        await ledger.finish(identity, REPLY)

    return run


@asynccontextmanager
async def file(directory: Path) -> AsyncIterator[RunCommand]:
    """The ledger in a file."""
    ledger = open_ledger(f"sqlite:///{directory / 'ledger.db'}", LIMITS)
    await ledger.start()
    yield _of(ledger)
    await ledger.close()


@asynccontextmanager
async def served(server: Redis | Postgres) -> AsyncIterator[RunCommand]:
    """The ledger in a server."""
    SERVERS.append(server)
    with server:
        ledger = open_ledger(server.url, LIMITS, create=True)
        await ledger.start()
        yield _of(ledger)
        await ledger.close()
    SERVERS.remove(server)


@asynccontextmanager
async def memory(_: Path) -> AsyncIterator[RunCommand]:
    """The ledger in memory."""
    yield _of(open_ledger("memory://", LIMITS))


@asynccontextmanager
async def table(directory: Path) -> AsyncIterator[RunCommand]:
    """The two writes, without another thread."""
    opened, expires, record = Table(directory / "table.db"), time.time() + 1e6, REPLY.encode()

    async def run(name: str) -> None:
        for content in (None, record):
            opened.write([LedgerRow(name.encode(), DIGEST, b"owner", expires, content)], time.time())

    yield run
    opened.close()


@asynccontextmanager
async def thread(_: Path) -> AsyncIterator[RunCommand]:
    """Two ways to another thread and back, with nothing to do there."""
    worker = Worker("bench")

    async def run(_: str) -> None:
        await worker.call(int)
        await worker.call(int)

    yield run
    worker.close()


KINDS: dict[str, Callable[[Path], AbstractAsyncContextManager[RunCommand]]] = {
    "ledger in a file": file,
    "its table alone": table,
    "its thread alone": thread,
    "ledger in memory": memory,
    "ledger in Redis": lambda directory: served(Redis(directory / "redis")),
    "ledger in PostgreSQL": lambda directory: served(Postgres(directory / "postgres")),
}
SERVERS: list[Redis | Postgres] = []
"""Those that run for the ledger that is measured."""


def cpu() -> tuple[float, float]:
    """CPU seconds of this process so far, and of the ledger's server."""
    return machine.own_cpu(), sum(machine.cpu_seconds(each.process.pid) for each in SERVERS if each.process)


async def load(run: RunCommand, count: int, in_flight: int, rest: float) -> tuple[float, float, float]:
    """Microseconds per command: CPU of this process, CPU of the ledger's server, and time."""
    names = iter(range(count))

    async def caller() -> None:
        for name in names:
            await asyncio.sleep(rest)
            await run(f"{os.getpid()}-{name}")

    before = *cpu(), time.perf_counter()
    await asyncio.gather(*(caller() for _ in range(in_flight)))
    ours, its, now = (
        (after - since) / count * 1e6 for after, since in zip((*cpu(), time.perf_counter()), before, strict=True)
    )
    return ours, its, now


async def measure(kind: str, count: int, in_flight: int, rest: float) -> tuple[float, float, float]:
    """The same of one kind, in a folder of its own."""
    with tempfile.TemporaryDirectory(prefix="zeebe-amqp-bench-") as folder:
        async with KINDS[kind](Path(folder)) as run:
            return await load(run, count, in_flight, rest)


async def idle(count: int, in_flight: int, rest: float) -> tuple[float, float, float]:
    """The same of the loop around them."""
    return await load(lambda _: asyncio.sleep(0), count, in_flight, rest)


Load: TypeAlias = tuple[int, float]


async def compare(count: int, rounds: int) -> dict[Load, dict[str, list[float]]]:
    """Per load and kind the medians: CPU beyond that of the loop around it, CPU of the server, and time."""
    found: dict[Load, dict[str, list[tuple[float, ...]]]] = {}
    for _ in range(rounds):
        for in_flight, rest in LOADS:
            taken = found.setdefault((in_flight, rest), {kind: [] for kind in KINDS})
            around, _, _ = await idle(count, in_flight, rest)
            for kind in KINDS:
                ours, *others = await measure(kind, count, in_flight, rest)
                taken[kind].append((ours - around, *others))
    return {
        each: {kind: [median(column) for column in zip(*figures, strict=True)] for kind, figures in taken.items()}
        for each, taken in found.items()
    }


def main() -> None:
    """Measure and show."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--count", type=int, default=1000, help="commands per measurement")
    parser.add_argument("--rounds", type=int, default=7, help="turns of each kind; the median counts")
    options = parser.parse_args()
    loads = (f"{n} in flight" + ", rests" * bool(rest) for n, rest in LOADS)
    printed = Printed("µs per command: CPU, server's CPU, time", *loads)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:  # the service's
        found = runner.run(compare(options.count, options.rounds))
    for kind in KINDS:
        printed.add_row(kind, *(", ".join(f"{each:.0f}" for each in found[load][kind]) for load in LOADS))
    Console(width=110).print(printed)


if __name__ == "__main__":
    main()
