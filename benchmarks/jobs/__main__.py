"""Jobs on queues beside a pyzeebe worker: `python -m benchmarks.jobs` (`make bench-jobs`), about five minutes.

The ways from the engine to a handler take turns, at a gateway without an engine and at an engine in memory. The results
are kept, and the part of docs/performance.md about jobs is made anew.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from rich.console import Console

from benchmarks.jobs import page, rounds
from benchmarks.jobs.gateways import EngineInMemory, JobGateway, JobsOnly
from benchmarks.jobs.rounds import Effort, JobResult
from benchmarks.jobs.ways import WAYS
from benchmarks.programs import PEERS_PYTHON
from scripts.process import ServerError
from scripts.rabbitmq import RabbitMQ

GATEWAYS: tuple[Callable[[Path], JobGateway], ...] = (JobsOnly, EngineInMemory)


def measure(effort: Effort) -> list[JobResult]:
    """Everything; each gateway takes such an effort."""
    found = []
    with (
        tempfile.TemporaryDirectory(prefix="zeebe-amqp-jobs-") as folder,
        RabbitMQ(Path(folder) / "rabbitmq") as broker,
    ):
        for make in GATEWAYS:
            with make(Path(folder)) as gateway:
                start = partial(rounds.started, Path(folder), broker)
                found += rounds.measure(gateway, WAYS, start, effort)
    return found


def main() -> int:
    """Measure, show, keep; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=3, help="turns of each way, at most; default %(default)s")
    parser.add_argument("--minutes", type=float, default=5.0, help="for all, one round left out; default %(default)s")
    parser.add_argument("--wait", type=float, default=2.0, help="seconds for which each waits for a quiet machine")
    parser.add_argument("--page", action="store_true", help="only make the page anew from the kept results")
    options = parser.parse_args()
    if options.page:
        kept, results = rounds.read()
    elif not PEERS_PYTHON.exists():
        parser.error("there is no .venv-peers; `make bench-jobs` makes it")
    else:
        started = time.monotonic()
        try:
            seconds = options.minutes * 60 / len(GATEWAYS)
            results = measure(Effort(options.rounds, seconds, options.wait))
        except ServerError as problem:
            print(f"benchmark: {problem}", file=sys.stderr)
            return 1
        kept = rounds.write(results, time.monotonic() - started)
    Console(width=160, highlight=False).print(page.shown(kept, results), markup=False, soft_wrap=True)
    page.make(kept, results)
    return 0


if __name__ == "__main__":
    sys.exit(main())
