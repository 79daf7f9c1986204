"""A steady load for a long time with a random fault now and then: does anything grow?

`python -m tests.faults.soak --minutes M [--rate N] [--seed N] [--ledger sqlite|postgresql] [--write]`; exit code 1
when something grows or a promise was broken.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import random
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import groupby
from math import sqrt
from pathlib import Path
from statistics import linear_regression, mean
from typing import NamedTuple, TypeAlias

import psycopg
from rich.console import Console
from rich.table import Table

from scripts.consumer import Consumer
from scripts.process import memory_of
from scripts.rabbitmq import RabbitMQ
from tests.faults import soak_page
from tests.faults.callers import NUMBER
from tests.faults.checker import Verdict
from tests.faults.fault import Moment
from tests.faults.faults import FAULTS
from tests.faults.gateways import InsideGateway
from tests.faults.ledgers import POSTGRES, with_ledger
from tests.faults.setup import Setup, built, process_of
from tests.integration.broker_control import version
from tests.integration.service import metric
from zeebe_amqp.errors import Code

FAULT_EVERY, SAMPLE_EVERY = 30.0, 5.0
FORGETS = {"LEDGER_TTL": "60s"}
"""A ledger that forgets within the run: otherwise it grows on purpose."""
LEDGERS: Mapping[str, tuple[Mapping[str, str], int]] = {
    "sqlite": (FORGETS, 1),
    "postgresql": ({**FORGETS, "LEDGER": POSTGRES}, 2),
}
"""Settings and how many replicas, by the name of a ledger."""
NAMES = ("connections reset", "connection reset", "(0.2 s)", "all connections closed", "memory alarm", "refuses")
"""Parts of the names of faults that leave every process alive, so that one process is measured, and end soon."""
INSIDE = [fault for fault in FAULTS if fault.moment is Moment.ANY and fault.gateway is InsideGateway]
GENTLE = [fault for fault in INSIDE if any(part in fault.name for part in NAMES)]
ALLOWED = {
    "RSS MiB": 16.0, "file descriptors": 4.0, "tasks": 32.0, "in flight": 16.0, "unacked": 16.0,
    "ledger entries": 2000.0, "ledger MiB": 16.0,
}  # fmt: skip
"""Growth per hour that is not taken for a leak."""
PASSING = ("tasks", "in flight", "unacked")
"""What the load takes and gives back: only the lowest figures of every 30 s tell whether some of it stays."""
METRICS = {"tasks": "tasks", "in flight": "in_flight", "ledger entries": "ledger_size"}
KEPT = Path(__file__).with_name("soak.json")
"""What --write keeps, by ledger: the release of RabbitMQ, the day, and one sample of every 30 s."""
MIB = 1 << 20
HOUR = 3600.0
CERTAIN = 2.0
"""Standard errors on either side of a slope: about 95 of 100."""
WARM = 0.2
"""Part of the samples at the beginning that is left out: caches fill, pools grow."""
Samples: TypeAlias = Sequence[tuple[float, float]]
"""What is measured now and then: (seconds since the start, value)."""


class Trend(NamedTuple):
    """A least-squares line through samples: its slope per hour, the standard error of that, the last sample."""

    slope: float
    error: float
    last: float

    def verdict(self, allowed: float) -> str:
        """What a growth of at most `allowed` per hour makes of it."""
        if self.slope - CERTAIN * self.error > allowed:
            return "grows"
        return "flat" if self.slope + CERTAIN * self.error <= allowed else "too short to tell"


def trend(samples: Samples) -> Trend:
    """The line through the samples, without the warm-up.

    Raises:
        ValueError: fewer than three samples are left.
    """
    kept = samples[int(len(samples) * WARM) :]
    if len(kept) < 3:
        raise ValueError(f"samples: {len(kept)} after the warm-up; at least 3 are needed")
    times, values = [time / HOUR for time, _ in kept], [value for _, value in kept]
    slope, start = linear_regression(times, values)
    rests = sum((value - start - slope * time) ** 2 for time, value in zip(times, values, strict=True))
    middle = mean(times)
    return Trend(slope, sqrt(rests / (len(kept) - 2) / sum((time - middle) ** 2 for time in times)), values[-1])


def lows(samples: Samples, seconds: float) -> Samples:
    """The lowest of the samples of each `seconds`: what a load takes comes and goes, what leaks stays."""
    windows = groupby(samples, lambda sample: int(sample[0] // seconds))
    return [min(window, key=lambda sample: sample[1]) for _, window in windows]


def measured(setup: Setup) -> dict[str, float]:
    """Everything once; what cannot be measured now is left out. What a further replica has stands behind its number."""
    listed = setup.broker.ctl("list_queues", "name", "messages_unacknowledged").splitlines()
    unacked = dict(line.split("\t") for line in listed if "\t" in line).get(setup.consumer.queues[0], "0")
    found = {"unacked": float(unacked), "ledger MiB": ledger_bytes(setup) / MIB}
    for number, consumer in enumerate(setup.consumers, 1):
        which = f", {number}" if number > 1 else ""
        found |= {f"{name}{which}": value for name, value in measured_in(consumer).items()}
    return found


def measured_in(consumer: Consumer) -> dict[str, float]:
    """What a replica has."""
    pid = process_of(consumer)
    descriptors = len([*Path(f"/proc/{pid}/fd").iterdir()])
    found = {"RSS MiB": memory_of(pid) / MIB, "file descriptors": float(descriptors)}
    return found | {name: value for name, label in METRICS.items() for value in metric(consumer, label)[:1]}


def ledger_bytes(setup: Setup) -> int:
    """What the ledger takes on the disk."""
    if setup.ledger is not None:
        with psycopg.connect(setup.ledger.url) as connection:
            found = connection.execute("SELECT pg_database_size(current_database())").fetchone()
        assert found is not None
        return int(found[0])
    return sum(file.stat().st_size for file in setup.directory.rglob("ledger.db*"))


async def soak(setup: Setup, minutes: float, rate: float, chance: random.Random) -> Mapping[str, Samples]:
    """Load, faults and samples side by side, until the time is over."""
    samples = defaultdict(list)
    started = time.monotonic()
    end = started + minutes * 60

    async def load() -> None:
        while time.monotonic() < end:
            await setup.callers.send(round(rate), NUMBER / rate)

    async def faults() -> None:
        while time.monotonic() + FAULT_EVERY < end:
            await asyncio.sleep(FAULT_EVERY)
            fault = chance.choice(GENTLE)
            print(f"{time.strftime('%H:%M:%S')} {fault.title}", flush=True)
            await fault.happen(setup)

    async def measure() -> None:
        while time.monotonic() < end:
            for name, value in (await asyncio.to_thread(measured, setup)).items():
                samples[name].append((time.monotonic() - started, value))
            await asyncio.sleep(SAMPLE_EVERY)

    async with asyncio.TaskGroup() as side_by_side:
        for each in (load, faults, measure):
            side_by_side.create_task(each())
    return samples


async def played(minutes: float, rate: float, seed: int, ledger: str) -> tuple[str, Mapping[str, Samples], Verdict]:
    """The release of RabbitMQ, the samples and the verdict of a soak."""
    accepts = frozenset[Code]().union(*(fault.accepts for fault in GENTLE))
    named, replicas = LEDGERS[ledger]
    with (
        tempfile.TemporaryDirectory(prefix="soak-") as folder,
        RabbitMQ(Path(folder) / "rabbitmq") as broker,
        with_ledger(named, Path(folder)) as (environment, server),
    ):
        async with built(Path(folder), broker, environment) as setup:
            setup.ledger = server
            for _ in range(replicas - 1):
                await setup.another()
            samples = await soak(setup, minutes, rate, random.Random(seed))
            return version(broker), samples, await setup.verdict(accepts=accepts)


def what(name: str) -> str:
    """What is measured, whichever replica has it."""
    return name.partition(",")[0]


def show(samples: Mapping[str, Samples], verdict: Verdict) -> bool:
    """Print the trends and the verdict; whether all is well."""
    table = Table("", "samples", "last", "per hour", "±", "verdict")
    sound = not verdict.problems()
    for name in sorted(samples, key=lambda each: list(ALLOWED).index(what(each))):
        allowed = ALLOWED[what(name)]
        taken = lows(samples[name], FAULT_EVERY) if what(name) in PASSING else samples[name]
        try:
            line = trend(taken)
        except ValueError as few:
            table.add_row(name, str(len(taken)), "", "", "", str(few))
            continue
        judged = line.verdict(allowed)
        sound = sound and judged != "grows"
        table.add_row(name, str(len(taken)), f"{line.last:.1f}", f"{line.slope:+.2f}", f"{2 * line.error:.2f}", judged)
    console = Console(width=120)
    console.print(table)
    console.print(f"{verdict.requests} requests, {verdict.answered} answered, {verdict.duplicates} duplicate replies")
    for problem in verdict.problems():
        console.print(problem, markup=False)
    return sound


def keep(ledger: str, broker: str, samples: Mapping[str, Samples]) -> None:
    """Write down the samples of a ledger, in place of earlier ones, and draw them."""
    kept = soak_page.read(KEPT)
    thinned = {
        name: [[round(second), round(value, 1)] for second, value in lows(taken, FAULT_EVERY)]
        for name, taken in samples.items()
    }
    kept[ledger] = {"broker": broker, "date": time.strftime("%Y-%m-%d"), "samples": thinned}
    KEPT.write_text(json.dumps(kept, separators=(",", ":"), sort_keys=True) + "\n")
    soak_page.make(kept)


def main() -> int:
    """Soak and show."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--rate", type=float, default=50.0, help="requests per second")
    parser.add_argument("--seed", type=int, default=1, help="of the choice of faults")
    parser.add_argument("--ledger", choices=LEDGERS, default="sqlite", help="postgresql: with two replicas")
    logging.getLogger("aiormq").setLevel(logging.CRITICAL)  # callers lose their connections on purpose
    parser.add_argument("--write", action="store_true", help=f"keep the samples in {KEPT.name}")
    parser.add_argument("--page", action="store_true", help="play nothing; draw the samples that are kept")
    options = vars(parser.parse_args())
    writes = options.pop("write")
    if options.pop("page"):
        soak_page.make(soak_page.read(KEPT))
        return 0
    broker, samples, verdict = asyncio.run(played(**options))
    print(f"RabbitMQ {broker}")
    if writes:
        keep(options["ledger"], broker, samples)
    return 0 if show(samples, verdict) else 1


if __name__ == "__main__":
    sys.exit(main())
