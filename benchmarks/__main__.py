"""The benchmark: the service against its two ceilings, and the client against a bare caller, all in one run.

`python -m benchmarks [--count N] [--rounds N] [--write]`. The gateway is the fake one of the tests: what is measured
is this service, not an engine. Figures of one run may be compared with each other, not with those of another machine.
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
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from statistics import median

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


def cpu_seconds(pid: int) -> float:
    """CPU seconds that the programs below a guard have used, threads and children included."""
    ticks = 0
    for member in guard.family(pid):
        fields = Path(f"/proc/{member}/stat").read_text().rpartition(")")[2].split()
        ticks += sum(int(field) for field in fields[11:15])
    return ticks / os.sysconf("SC_CLK_TCK")


def loaded(url: str, queue: str, process: Process, count: int, in_flight: int) -> Figures:
    """Load a program that answers on `queue`."""
    return asyncio.run(through(url, queue, process, count, in_flight))


async def through(url: str, queue: str, process: Process, count: int, in_flight: int) -> Figures:
    """Load a program after it has warmed up, and look at what it used."""
    async with Load(url, queue) as load:
        await load.run(max(200, in_flight * 20), in_flight)  # warm
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
def stage() -> Iterator[dict[str, Callable[[int, int], Figures]]]:
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
        yield {
            SERVICE: partial(loaded, url, "zeebe.commands", service.process),
            MEMORY: partial(loaded, url, "bench.memory", memory.process),
            ECHO: partial(loaded, url, "bench.echo", echo),
            CALL: partial(alone, "benchmarks.calls", address),
            CLIENT: partial(alone, "benchmarks.caller", "client", url, "bench.echo"),
            BARE: partial(alone, "benchmarks.caller", "bare", url, "bench.echo"),
        }


def middle(rounds: list[Figures]) -> Figures:
    """The median of each figure."""
    return Figures(*(median(getattr(each, name) for each in rounds) for name in ("rate", "p50", "p99", "cpu")))


def measure(count: int, rounds: int) -> dict[int, dict[str, Figures]]:
    """Per number in flight and per program the medians; the programs take turns, so that drift hits all alike."""
    found: dict[int, dict[str, Figures]] = {}
    with stage() as programs:
        for in_flight in IN_FLIGHT:
            share = count if in_flight > 1 else count // 4
            taken: dict[str, list[Figures]] = {name: [] for name in programs}
            for _ in range(rounds):
                for name, load in programs.items():
                    taken[name].append(load(share, in_flight))
            found[in_flight] = {name: middle(each) for name, each in taken.items()}
    return found


def ratio(figures: dict[str, Figures]) -> float:
    """The service's CPU per command in sums of the two ceilings."""
    return figures[SERVICE].cpu / (figures[ECHO].cpu + figures[CALL].cpu)


def durability(figures: dict[str, Figures]) -> tuple[float, float]:
    """What the ledger in a file costs against one in memory: percent of throughput, CPU microseconds per command."""
    durable, memory = figures[SERVICE], figures[MEMORY]
    return (1 - durable.rate / memory.rate) * 100, durable.cpu - memory.cpu


def beyond(figures: dict[str, Figures]) -> float:
    """The client's CPU per call beyond a bare caller's, microseconds."""
    return figures[CLIENT].cpu - figures[BARE].cpu


def show(found: dict[int, dict[str, Figures]]) -> None:
    """Print the tables."""
    console = Console(width=110)
    for in_flight, figures in found.items():
        table = Table("", "commands/s", "p50 ms", "p99 ms", "CPU µs per command", title=f"{in_flight} in flight")
        for name, each in figures.items():
            latency = [f"{each.p50:.1f}", f"{each.p99:.1f}"] if each.p50 else ["", ""]
            table.add_row(name, f"{each.rate:.0f}", *latency, f"{each.cpu:.0f}")
        console.print(table)
        console.print(
            f"CPU of the service: {ratio(figures):.2f} x the sum of both ceilings (wanted: at most {ALLOWED})"
        )
        rate, cpu = durability(figures)
        console.print(
            f"The ledger in a file against one in memory: {rate:+.0f} % of throughput lost, "
            f"{cpu:+.0f} µs CPU per command (wanted: at most {COST_RATE} % and {COST_CPU} µs)"
        )
        console.print(
            f"CPU of the client: {beyond(figures):.0f} µs beyond a bare caller's (wanted: at most {CLIENT_ALLOWED})\n"
        )


def write(found: dict[int, dict[str, Figures]]) -> None:
    """Keep the figures with their date and machine."""
    RESULTS.mkdir(exist_ok=True)
    now = datetime.now(UTC)
    content = {
        "date": now.isoformat(timespec="seconds"),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
        "in_flight": {n: {name: asdict(each) for name, each in figures.items()} for n, figures in found.items()},
        "cpu_ratio": {n: round(ratio(figures), 2) for n, figures in found.items()},
        "durability": {n: [round(cost) for cost in durability(figures)] for n, figures in found.items()},
        "client_cpu_beyond_bare": {n: round(beyond(figures)) for n, figures in found.items()},
    }
    (RESULTS / f"{now:%Y-%m-%d}.json").write_text(json.dumps(content, indent=2) + "\n")


def main() -> None:
    """Measure, show, and with --write keep."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--count", type=int, default=4000, help="commands per measurement at 64 in flight")
    parser.add_argument("--rounds", type=int, default=3, help="measurements of which the median counts")
    parser.add_argument("--write", action="store_true", help="keep the figures in benchmarks/results/")
    options = parser.parse_args()
    found = measure(options.count, options.rounds)
    show(found)
    if options.write:
        write(found)


if __name__ == "__main__":
    main()
