"""Rights, shown on real servers: `python -m benchmarks.rights` (`make rights`), which takes less than four minutes.

1. Two users and nobody in particular send every operation, and variants of it, to a service with a policy and an audit,
   behind a real RabbitMQ and, where there is one, a real engine. What each met, what the policy decides and what the
   audit says must be the same.
2. One of the users attacks; how long does the other one wait?
3. The audit of all that: is every request in it, and no variable?

The exit code is 1 when any of the three is not as promised, times left out; those are printed beside the promise. The
results are kept, and docs/rights.md is made anew.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

from benchmarks.rights import asking, page, rounds
from benchmarks.rights.result import Audit, Result, now, read, write
from benchmarks.rights.setup import Site, add_users, running
from benchmarks.rights.table import Answer
from scripts import engine
from scripts.process import ServerError
from scripts.rabbitmq import RabbitMQ

SETTINGS = {"LEDGER_MAX_BYTES": f"{8 * 2**20}", "LOG_LEVEL": "warning"}
"""Of the service under attack: a small ledger, which a few large answers would fill."""


ENGINE = "the engine in memory for the table, RabbitMQ for all"


@contextmanager
def broker(directory: Path) -> Iterator[RabbitMQ]:
    """A broker with the two users."""
    with RabbitMQ(directory / "rabbitmq") as node:
        add_users(node)
        yield node


def asked(directory: Path, node: RabbitMQ) -> tuple[list[Answer], Audit]:
    """The table of rights, on an engine."""
    with (
        engine.private(directory / "engine") as running_engine,
        running(directory / "table", node.url, f"127.0.0.1:{node.port}", running_engine.address, {}) as site,
    ):
        answers = asyncio.run(asking.answers(site))
    return answers, audited(site, len(answers))


def attacked(directory: Path, node: RabbitMQ, count: int, seconds: float) -> tuple[rounds.Attacked, Audit]:
    """The attacks, on a gateway without an engine."""
    with (
        rounds.gateway(directory) as (address, journal),
        running(directory / "attacks", node.url, f"127.0.0.1:{node.port}", address, SETTINGS) as site,
    ):
        found = asyncio.run(rounds.play(site, node.url, journal, count, seconds))
    return found, audited(site, found.sent)


def audited(site: Site, sent: int) -> Audit:
    """What the audit has of so many requests, when the service has ended."""
    return Audit.of(site.audit, site.consumer.log, sent)


def measure(count: int, seconds: float) -> Result:
    """Everything."""
    with tempfile.TemporaryDirectory(prefix="zeebe-amqp-rights-") as folder, broker(Path(folder)) as node:
        directory = Path(folder)
        answers, of_table = asked(directory, node)
        found, of_attacks = attacked(directory, node, count, seconds)
    return now(
        engine=ENGINE,
        rounds=count,
        seconds=seconds,
        answers=answers,
        outcomes=found.outcomes,
        again=dict(found.again),
        twice=found.twice,
        audits={"the table": of_table, "the attacks": of_attacks},
    )


def main() -> int:
    """Measure, show, keep; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=3, help="of each attack; default %(default)s")
    parser.add_argument("--seconds", type=float, default=2.5, help="of each turn; default %(default)s")
    parser.add_argument("--page", action="store_true", help="only make the page anew from the kept results")
    options = parser.parse_args()
    console = Console(width=140, highlight=False)
    started = time.monotonic()
    try:
        result = read() if options.page else measure(options.rounds, options.seconds)
    except ServerError as error:
        print(f"rights: {error}", file=sys.stderr)
        return 1
    console.print(page.shown(result), markup=False, soft_wrap=True)
    if not options.page:
        write(result)
        console.print(f"{time.monotonic() - started:.0f} s")
    page.make(result)
    for problem in result.problems():
        console.print(problem, markup=False, soft_wrap=True)
    return 1 if result.problems() else 0


if __name__ == "__main__":
    sys.exit(main())
