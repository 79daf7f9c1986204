"""The benchmark: the service against its two ceilings, and the client against a bare caller, all in one run.

`python -m benchmarks [--count N] [--rounds N] [--against FOLDER] [--write]`; `FOLDER` is another checkout, which has a
`.venv`. The gateway is the fake one of the tests: what is measured is this service, not an engine. Figures of one run
may be compared with each other, not with those of another machine.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from statistics import median
from typing import TypeAlias

from rich.console import Console
from rich.table import Table

from benchmarks.load import Load
from scripts import guard
from scripts.consumer import Consumer
from scripts.process import Process, free_port
from scripts.rabbitmq import RabbitMQ

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"
IN_FLIGHT = (1, 64)
COST_RATE, COST_CPU = 15, 100
"""What the durable ledger may cost: percent of throughput, CPU microseconds per command."""
SERVICE, MEMORY, ECHO, CALL = "service", "service, memory ledger", "bare aiormq echo", "bare grpc.aio call"
CLIENT, BARE = "client", "bare aio-pika caller"
OTHER = "service of the other checkout"
ALLOWED = 1.6
"""CPU per command of the service, in sums of both ceilings, that we want to stay below."""
CLIENT_ALLOWED = 250
"""CPU microseconds per call of the client, beyond a bare caller's, that we want to stay below."""


@dataclass(frozen=True)
class Figures:
    """Of one program: commands per second, latencies in milliseconds, CPU microseconds per command."""

    rate: float
    p50: float
    p99: float
    cpu: float


Round: TypeAlias = dict[str, Figures]
"""What the programs, by name, did one after the other."""


def cpu_seconds(pid: int) -> float:
    """CPU seconds that the programs below a guard have used, threads and children included."""
    ticks = 0
    for member in guard.family(pid):
        figures = Path(f"/proc/{member}/stat").read_text().rpartition(")")[2].split()
        ticks += sum(int(each) for each in figures[11:15])
    return ticks / os.sysconf("SC_CLK_TCK")


def loaded(url: str, queue: str, process: Process, count: int, in_flight: int) -> Figures:
    """Load a program that answers on `queue`."""
    return asyncio.run(through(url, queue, process, count, in_flight))


async def through(url: str, queue: str, process: Process, count: int, in_flight: int) -> Figures:
    """Load a program after it has warmed up, and look at what it used."""
    async with Load(url, queue) as load:
        await load.run(max(200, in_flight * 8), in_flight)  # warm
        before = cpu_seconds(process.pid)
        measured = await load.run(count, in_flight)
        used = cpu_seconds(process.pid) - before
    return Figures(measured.rate, measured.p50 * 1e3, measured.p99 * 1e3, used / count * 1e6)


def alone(module: str, *arguments: str | int) -> Figures:
    """What a program finds out about itself, in a process of its own."""
    command = [sys.executable, "-m", module, *map(str, arguments)]
    printed = subprocess.run(command, cwd=ROOT, env=environment(), check=True, capture_output=True, text=True).stdout
    answer = json.loads(printed)
    return Figures(answer["rate"], 0, 0, answer["cpu"] * 1e6)


def environment() -> dict[str, str]:
    """The environment for programs of this checkout."""
    return {**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'contracts'}"}


@contextmanager
def program(directory: Path, module: str, *arguments: str, ready: str) -> Iterator[Process]:
    """A module of this checkout as a program, once its output contains `ready`."""
    log = directory / f"{module}.log"
    process = Process([sys.executable, "-m", module, *arguments], {"PYTHONPATH": environment()["PYTHONPATH"]}, log)
    try:
        process.wait_until(lambda: ready in log.read_text(), 60)
        yield process
    finally:
        process.stop()


@contextmanager
def stage(against: Path | None) -> Iterator[dict[str, Callable[[int, int], Figures]]]:
    """Everything that is measured, running side by side: by name a function of (count, in flight)."""
    with ExitStack() as running, tempfile.TemporaryDirectory(prefix="zeebe-amqp-bench-") as folder:
        directory = Path(folder)
        url = running.enter_context(RabbitMQ(directory / "rabbitmq")).url
        address = f"127.0.0.1:{free_port()}"
        port = address.rpartition(":")[2]
        running.enter_context(program(directory, "tests.fakes.gateway", "--port", port, ready="listening"))
        service = running.enter_context(Consumer(directory / "consumer", url, address))
        queues = {"AMQP_QUEUES": "bench.memory,bench.memory.polls"}
        memory = running.enter_context(Consumer(directory / "memory", url, address, {**queues, "LEDGER": "memory://"}))
        echo = running.enter_context(program(directory, "benchmarks.echo", url, "bench.echo", ready="ready"))
        assert service.process is not None
        assert memory.process is not None
        others = {}
        if against is not None:
            queues = {"AMQP_QUEUES": "bench.other,bench.other.polls"}
            other = running.enter_context(Consumer(directory / "other", url, address, queues, checkout=against))
            assert other.process is not None
            others[OTHER] = partial(loaded, url, "bench.other", other.process)
        yield {
            SERVICE: partial(loaded, url, "zeebe.commands", service.process),
            **others,
            MEMORY: partial(loaded, url, "bench.memory", memory.process),
            ECHO: partial(loaded, url, "bench.echo", echo),
            CALL: partial(alone, "benchmarks.calls", address),
            CLIENT: partial(alone, "benchmarks.caller", "client", url, "bench.echo"),
            BARE: partial(alone, "benchmarks.caller", "bare", url, "bench.echo"),
        }


def measure(count: int, rounds: int, against: Path | None = None) -> dict[int, list[Round]]:
    """Per number in flight the rounds; in each all programs take turns, every second time the other way round."""
    found: dict[int, list[Round]] = {}
    with stage(against) as programs:
        for in_flight in IN_FLIGHT:
            share = count if in_flight > 1 else count // 4
            found[in_flight] = []
            for number in range(rounds):
                order = list(programs) if number % 2 == 0 else list(programs)[::-1]
                taken = {name: programs[name](share, in_flight) for name in order}
                found[in_flight].append({name: taken[name] for name in programs})
    return found


def middle(rounds: list[Round]) -> Round:
    """The median of each figure of each program."""
    names = [each.name for each in fields(Figures)]
    return {
        program: Figures(*(median(getattr(each[program], name) for each in rounds) for name in names))
        for program in rounds[0]
    }


def typical(rounds: list[Round], compare: Callable[[Round], float]) -> float:
    """The median of a comparison made within each round: the machine's speed differs between them."""
    return median(map(compare, rounds))


def ratio(figures: Round) -> float:
    """The service's CPU per command in sums of the two ceilings."""
    return figures[SERVICE].cpu / (figures[ECHO].cpu + figures[CALL].cpu)


def against_other(figures: Round) -> float:
    """The service's CPU per command in the other checkout's."""
    return figures[SERVICE].cpu / figures[OTHER].cpu


def slower(figures: Round) -> float:
    """What the ledger in a file costs against one in memory, percent of throughput."""
    return (1 - figures[SERVICE].rate / figures[MEMORY].rate) * 100


def dearer(figures: Round) -> float:
    """What the ledger in a file costs against one in memory, CPU microseconds per command."""
    return figures[SERVICE].cpu - figures[MEMORY].cpu


def beyond(figures: Round) -> float:
    """The client's CPU per call beyond a bare caller's, microseconds."""
    return figures[CLIENT].cpu - figures[BARE].cpu


def show(found: dict[int, list[Round]]) -> None:
    """Print the tables."""
    console = Console(width=110)
    for in_flight, rounds in found.items():
        table = Table("", "commands/s", "p50 ms", "p99 ms", "CPU µs per command", title=f"{in_flight} in flight")
        for name, each in middle(rounds).items():
            latency = [f"{each.p50:.1f}", f"{each.p99:.1f}"] if each.p50 else ["", ""]
            table.add_row(name, f"{each.rate:.0f}", *latency, f"{each.cpu:.0f}")
        console.print(table)
        console.print(
            f"CPU of the service: {typical(rounds, ratio):.2f} x the sum of both ceilings (wanted: at most {ALLOWED})"
        )
        if OTHER in rounds[0]:
            console.print(f"CPU of the service: {typical(rounds, against_other):.2f} x that of the other checkout")
        console.print(
            f"The ledger in a file against one in memory: {typical(rounds, slower):+.0f} % of throughput "
            f"lost, {typical(rounds, dearer):+.0f} µs CPU per command (wanted: at most {COST_RATE} % and {COST_CPU} µs)"
        )
        console.print(
            f"CPU of the client: {typical(rounds, beyond):.0f} µs beyond a bare caller's "
            f"(wanted: at most {CLIENT_ALLOWED})\n"
        )


def write(found: dict[int, list[Round]]) -> None:
    """Keep the figures with their date and machine."""
    RESULTS.mkdir(exist_ok=True)
    now = datetime.now(UTC)
    content = {
        "date": now.isoformat(timespec="seconds"),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
        "rounds": {n: len(rounds) for n, rounds in found.items()},
        "in_flight": {n: {name: asdict(each) for name, each in middle(rounds).items()} for n, rounds in found.items()},
        "cpu_ratio": {n: round(typical(rounds, ratio), 2) for n, rounds in found.items()},
        "durability": {
            n: [round(typical(rounds, compare)) for compare in (slower, dearer)] for n, rounds in found.items()
        },
        "client_cpu_beyond_bare": {n: round(typical(rounds, beyond)) for n, rounds in found.items()},
    }
    (RESULTS / f"{now:%Y-%m-%d}.json").write_text(json.dumps(content, indent=2) + "\n")


def main() -> None:
    """Measure, show, and with --write keep."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--count", type=int, default=1500, help="commands per measurement at 64 in flight")
    parser.add_argument(
        "--rounds",
        type=int,
        default=9,
        help="turns of each program; the median of what is compared within a round counts",
    )
    parser.add_argument("--against", type=Path, help="another checkout, whose service takes turns with this one's")
    parser.add_argument("--write", action="store_true", help="keep the figures in benchmarks/results/")
    options = parser.parse_args()
    found = measure(options.count, options.rounds, options.against)
    show(found)
    if options.write:
        write(found)


if __name__ == "__main__":
    main()
