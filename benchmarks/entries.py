"""What a command costs with many answers remembered: `python -m benchmarks.entries [--many N] [--few N]`.

Two services take turns, with ledgers that were filled beforehand. With a million the ledger is at LEDGER_MAX_ENTRIES,
and forgets the oldest as new ones come; `--many 900000` is one that still has room.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from statistics import median

from rich.console import Console
from rich.table import Table as Printed

from benchmarks import machine
from benchmarks.figures import Figures
from benchmarks.ledger import DIGEST, REPLY
from benchmarks.programs import Launcher, Served, start_servers
from consumer.ledger.codec import pack_body
from consumer.ledger.store import LedgerRow
from consumer.ledger.table import GROUP, Table
from scripts.process import ServerError

IN_FLIGHT = 32
DAY = 86_400
ALLOWED = 1.15
"""CPU per command with many answers, in that with few, that we want to stay below."""
WAIT = 5.0
"""Seconds that a measurement may wait for a quiet machine."""


def fill(file: Path, count: int) -> None:
    """Write so many answers into a new ledger, as if they had come one after the other in the last hours."""
    table, now, record = Table(file), time.time(), pack_body(REPLY.encode())
    for begin in range(0, count, GROUP):
        expires = (now + DAY / 2 * (1 + number / count) for number in range(begin, min(begin + GROUP, count)))
        table.write([LedgerRow(os.urandom(16), DIGEST, b"owner", each, record) for each in expires], now)
    table.close()


def filled(launcher: Launcher, count: int) -> Served:
    """A service that remembers so many answers."""
    name, started = f"entries{count}", time.monotonic()
    fill(launcher.servers.directory / name / "state" / "ledger.db", count)
    print(f"{count} answers written in {time.monotonic() - started:.0f} s", file=sys.stderr, flush=True)
    return launcher.service(name, {"LEDGER_TTL": "24h"})


def measure(services: tuple[Served, Served], rounds: int, seconds: float) -> list[tuple[Figures, Figures]]:
    """The figures of both by round; every second time the other way round."""
    taken = []
    for number in range(rounds):
        found = {}
        for service in services if number % 2 == 0 else services[::-1]:
            machine.settle(WAIT)
            found[service.queue] = service.measure(seconds, IN_FLIGHT)
        taken.append((found[services[0].queue], found[services[1].queue]))
    return taken


def show(counts: tuple[int, int], taken: list[tuple[Figures, Figures]]) -> None:
    """Print the table and the comparison."""
    table = Printed("answers remembered", "commands/s", "p50 ms", "p99 ms", "CPU µs per command", "RSS MB")
    for place, count in enumerate(counts):
        cells = (f"{median(each[place][name] for each in taken):.0f}" for name in ("rate", "p50", "p99", "cpu", "rss"))
        table.add_row(f"{count}", *cells)
    console = Console(width=110)
    console.print(table)
    ratio = median(many["cpu"] / few["cpu"] for few, many in taken)
    console.print(f"CPU per command with many: {ratio:.2f} x that with few (wanted: at most {ALLOWED})")


def main() -> int:
    """Measure and show; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--many", type=int, default=1_000_000)
    parser.add_argument("--few", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=5, help="turns of each; medians count")
    parser.add_argument("--seconds", type=float, default=3.0, help="of each measurement")
    options = parser.parse_args()
    try:
        with ExitStack() as running:
            launcher = Launcher(running.enter_context(start_servers()), running)
            services = (filled(launcher, options.few), filled(launcher, options.many))
            taken = measure(services, options.rounds, options.seconds)
    except ServerError as problem:
        print(f"benchmark: {problem}", file=sys.stderr)
        return 1
    show((options.few, options.many), taken)
    return 0


if __name__ == "__main__":
    sys.exit(main())
