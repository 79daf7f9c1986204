"""Memory of the service over many small commands: `python -m benchmarks.memory [--commands N] [--in-flight N]`.

The ledger's cache of 4 MB fills in the first 15,000 or so; fewer than 100,000 say little about what comes after.
"""

from __future__ import annotations

import argparse
import sys
from contextlib import ExitStack

from rich.console import Console

from benchmarks import machine
from benchmarks.programs import Launcher, Served, start_servers
from scripts.process import ServerError

STEPS = 20
WARM = 4
"""Steps in which caches fill and pools grow; what comes after them should stay flat."""


def measure(service: Served, commands: int, in_flight: int, console: Console) -> list[float]:
    """MB in memory after each step, and before the first."""
    found = [machine.megabytes(service.processes[0].pid)]
    console.print(f"{'commands':>10} {'RSS MB':>8} {'commands/s':>11} {'CPU µs':>8}")
    console.print(f"{0:>10} {found[0]:>8.1f}")
    for step in range(1, STEPS + 1):
        figures = service.loaded(in_flight, count=commands // STEPS)
        found.append(figures["rss"])
        done = commands // STEPS * step
        console.print(f"{done:>10} {figures['rss']:>8.1f} {figures['rate']:>11.0f} {figures['cpu']:>8.0f}")
    return found


def main() -> int:
    """Measure and show; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--commands", type=int, default=1_000_000, help="default %(default)s")
    parser.add_argument("--in-flight", type=int, default=32, help="requests at a time; default %(default)s")
    options = parser.parse_args()
    console = Console(width=110, highlight=False)
    console.print("A thousand commands per second make a million in 17 minutes.")
    try:
        with ExitStack() as running:
            service = Launcher(running.enter_context(start_servers()), running).service("memory-of-many")
            found = measure(service, options.commands, options.in_flight, console)
    except ServerError as problem:
        print(f"benchmark: {problem}", file=sys.stderr)
        return 1
    part = options.commands * (STEPS - WARM) / STEPS
    growth = (found[-1] - found[WARM]) / part * 1e6
    console.print(f"After the first {WARM} steps of {STEPS} it grew by {growth:+.1f} MB per million commands.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
