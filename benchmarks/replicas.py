"""What replicas cost: `python -m benchmarks.replicas [--rounds N] [--seconds S]`.

1, 2 and 4 services take requests from one queue and share one Redis, and then one PostgreSQL, beside one service with
its ledger in a file. On a machine with few cores they do not get faster together: CPU per command says whether sharing
costs anything.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import product

from rich.console import Console
from rich.table import Table

from benchmarks import machine
from benchmarks.figures import Figures, Round, middle
from benchmarks.programs import Launcher, Served, start_servers
from scripts.postgres import Postgres
from scripts.process import ServerError
from scripts.redis import Redis

REPLICAS = (1, 2, 4)
LEDGERS: tuple[type[Redis] | type[Postgres], ...] = (Redis, Postgres)
IN_FLIGHT = 128
WAIT = 5.0
"""Seconds that a measurement may wait for a quiet machine."""
COLUMNS = {
    "commands/s": "rate",
    "p50 ms": "p50",
    "CPU µs per command, all replicas": "cpu",
    "CPU µs per command, its server": "ledger",
    "RSS MB, all": "rss",
    "idle %": "idle",
}


@contextmanager
def launched() -> Iterator[dict[str, Served]]:
    """The services, by name; each number of replicas has a queue of its own and a ledger's server of its own."""
    with ExitStack() as running:
        launcher = Launcher(running.enter_context(start_servers()), running)
        found = {"ledger in a file": launcher.service("file")}
        for kind, count in product(LEDGERS, REPLICAS):
            found[f"{count} on {kind.__name__}"] = replicas(launcher, running, kind, count)
        yield found


def replicas(launcher: Launcher, running: ExitStack, kind: type[Redis | Postgres], count: int) -> Served:
    """Some services on one queue and one ledger."""
    name = f"{kind.__name__.lower()}{count}"
    server = running.enter_context(kind(launcher.servers.directory / name))
    assert server.process is not None
    queue = f"bench.{name}"
    services = [launcher.consumer(f"{name}.{number}", queue, {"LEDGER": server.url}) for number in range(1, count + 1)]
    return Served(launcher.servers, queue, tuple(services), {"ledger": server.process})


def measure(services: dict[str, Served], rounds: int, seconds: float) -> Round:
    """The medians of all; they take turns, every second time the other way round."""
    taken: list[Round] = []
    for number in range(rounds):
        order = list(services) if number % 2 == 0 else list(services)[::-1]
        found: Round = {}
        for name in order:
            machine.settle(WAIT)
            found[name] = services[name].measure(seconds, IN_FLIGHT)
        taken.append(found)
    return middle(taken)


def row(name: str, figures: Figures) -> list[str]:
    """The cells of a table."""
    return [name, *(f"{figures[key]:.0f}" if key in figures else "" for key in COLUMNS.values())]


def main() -> int:
    """Measure and show; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=3, help="turns of each; medians count")
    parser.add_argument("--seconds", type=float, default=3.0, help="of each measurement")
    options = parser.parse_args()
    try:
        with launched() as services:
            found = measure(services, options.rounds, options.seconds)
    except ServerError as problem:
        print(f"benchmark: {problem}", file=sys.stderr)
        return 1
    table = Table("replicas", *COLUMNS, title=f"{IN_FLIGHT} in flight")
    for name, figures in found.items():
        table.add_row(*row(name, figures))
    Console(width=120).print(table)
    return 0


if __name__ == "__main__":
    sys.exit(main())
