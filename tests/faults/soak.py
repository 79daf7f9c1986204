"""A steady load for a long time with a random fault now and then: does anything grow?

`python -m tests.faults.soak --minutes M [--rate N] [--seed N]`; exit code 1 when something grows or a promise was
broken.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import random
import re
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from scripts import guard
from scripts.process import memory_of
from scripts.rabbitmq import RabbitMQ
from tests.faults.callers import NUMBER
from tests.faults.checker import Verdict, judge
from tests.faults.fault import Fault
from tests.faults.faults import FAULTS
from tests.faults.gateways import InsideGateway
from tests.faults.moments import Moment
from tests.faults.trend import lows, trend
from tests.faults.world import World, built
from zeebe_amqp.errors import Code

FAULT_EVERY = 30.0
SAMPLE_EVERY = 5.0
ENVIRONMENT = {"LEDGER_TTL": "60s"}
"""A ledger that forgets within the run: otherwise it grows on purpose."""
GENTLE = ("connections reset", "connection reset", "(0.2 s)", "all connections closed", "memory alarm", "refuses")
"""Parts of the names of faults that leave every process alive, so that one process is measured, and end soon."""
ALLOWED = {
    "RSS MiB": 16.0,
    "file descriptors": 4.0,
    "tasks": 32.0,
    "in flight": 16.0,
    "unacked": 16.0,
    "ledger entries": 2000.0,
}
"""Growth per hour that is not taken for a leak."""
PASSING = ("tasks", "in flight", "unacked")
"""What the load takes and gives back: only the lowest figures of every 30 s tell whether some of it stays."""
MIB = 1 << 20


class Samples:
    """What is measured now and then, by name: (seconds since the start, value)."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._started = time.monotonic()
        self.of: dict[str, list[tuple[float, float]]] = {name: [] for name in ALLOWED}

    async def take(self) -> None:
        """Measure everything once; what cannot be measured now is left out."""
        process = self._world.consumer.process
        assert process is not None
        pid = guard.children(process.pid)[0]
        _, metrics = await asyncio.to_thread(self._world.consumer.get, "/metrics")
        queues = await asyncio.to_thread(self._unacked)
        found = {
            "RSS MiB": memory_of(pid) / MIB,
            "file descriptors": _descriptors(pid),
            "tasks": _metric(metrics, "zeebe_amqp_tasks"),
            "in flight": _metric(metrics, "zeebe_amqp_in_flight"),
            "unacked": queues,
            "ledger entries": _metric(metrics, "zeebe_amqp_ledger_size"),
        }
        for name, value in found.items():
            if value is not None:
                self.of[name].append((time.monotonic() - self._started, value))

    def _unacked(self) -> float:
        listed = self._world.broker.ctl("list_queues", "name", "messages_unacknowledged").splitlines()
        counts = dict(line.split("\t") for line in listed if "\t" in line)
        return float(counts.get(self._world.consumer.queues[0], "0"))


def _descriptors(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def _metric(text: str, name: str) -> float | None:
    found = re.search(rf"^{name}(?:\{{[^}}]*\}})? (\S+)$", text, re.MULTILINE)
    return float(found[1]) if found else None


def gentle() -> list[Fault]:
    """The faults that a soak chooses from."""
    found = [fault for fault in FAULTS if fault.moment is Moment.ANY and any(part in fault.name for part in GENTLE)]
    return [fault for fault in found if fault.gateway is InsideGateway]


async def soak(world: World, minutes: float, rate: float, chance: random.Random) -> Samples:
    """Load, faults and samples side by side, until the time is over."""
    samples = Samples(world)
    end = time.monotonic() + minutes * 60

    async def load() -> None:
        while time.monotonic() < end:
            await world.callers.send(round(rate), NUMBER / rate)

    async def faults() -> None:
        while time.monotonic() + FAULT_EVERY < end:
            await asyncio.sleep(FAULT_EVERY)
            fault = chance.choice(gentle())
            print(f"{time.strftime('%H:%M:%S')} {fault.title}", flush=True)
            await fault.happen(world)

    async def measure() -> None:
        while time.monotonic() < end:
            await samples.take()
            await asyncio.sleep(SAMPLE_EVERY)

    async with asyncio.TaskGroup() as side_by_side:
        for each in (load, faults, measure):
            side_by_side.create_task(each())
    return samples


async def played(minutes: float, rate: float, seed: int) -> tuple[Samples, Verdict]:
    """The samples and the verdict of a soak."""
    accepts = frozenset[Code]().union(*(fault.accepts for fault in gentle()))
    with tempfile.TemporaryDirectory(prefix="soak-") as folder, RabbitMQ(Path(folder) / "rabbitmq") as broker:
        async with built(Path(folder), broker, ENVIRONMENT) as world:
            samples = await soak(world, minutes, rate, random.Random(seed))
            await world.calm()
            await world.end()
            kept, executions = await world.kept(), world.gateway.counted()
        return samples, judge(world.history, executions, kept=kept, accepts=accepts)


def show(samples: Samples, verdict: Verdict) -> bool:
    """Print the trends and the verdict; whether all is well."""
    table = Table("", "samples", "last", "per hour", "±", "verdict")
    sound = not verdict.problems()
    for name, every in samples.of.items():
        taken = lows(every, FAULT_EVERY) if name in PASSING else every
        try:
            line = trend(taken)
        except ValueError as few:
            table.add_row(name, str(len(taken)), "", "", "", str(few))
            continue
        judged = line.verdict(ALLOWED[name])
        sound = sound and judged != "grows"
        table.add_row(name, str(len(taken)), f"{line.last:.1f}", f"{line.slope:+.2f}", f"{2 * line.error:.2f}", judged)
    console = Console(width=120)
    console.print(table)
    console.print(f"{verdict.requests} requests, {verdict.answered} answered, {verdict.duplicates} duplicate replies")
    for problem in verdict.problems():
        console.print(problem, markup=False)
    return sound


def main() -> int:
    """Soak and show."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--rate", type=float, default=50.0, help="requests per second")
    parser.add_argument("--seed", type=int, default=1, help="of the choice of faults")
    options = parser.parse_args()
    logging.getLogger("aiormq").setLevel(logging.CRITICAL)  # callers lose their connections on purpose
    samples, verdict = asyncio.run(played(options.minutes, options.rate, options.seed))
    return 0 if show(samples, verdict) else 1


if __name__ == "__main__":
    sys.exit(main())
