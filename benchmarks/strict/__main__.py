"""Strict replies, shown: `python -m benchmarks.strict` (`make strict`, `BROKER=4.3` for that release); two minutes.

A private RabbitMQ gets users, and the very commands that `python -m consumer permissions` prints, run by `rabbitmqctl`.
Then one user attacks the replies of another: without strict replies, with them, and with them while the attacker may do
everything at the broker, which shows that the attacks work. The exit code is 1 when one of them reaches anything in
spite of the printed permissions.

The results are kept by release, and docs/strict-replies.md is made anew.
"""

from __future__ import annotations

import argparse
import asyncio
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

from benchmarks.strict import page
from benchmarks.strict.attacks import Outcome, play, possible
from benchmarks.strict.ground import ALICE, ATTACKERS, SERVICE, Ground, add_users, give, permitted
from benchmarks.strict.result import Result, now, read, write
from consumer.rabbitmq.permissions import Permissions
from scripts.consumer import Consumer
from scripts.process import ServerError
from scripts.rabbitmq import RabbitMQ
from tests.fakes.background import background
from tests.fakes.gateway import FakeGateway
from zeebe_amqp import wire

QUEUES = (wire.COMMANDS_QUEUE, wire.POLLS_QUEUE)
EVERYTHING = ".*"


@contextmanager
def service(directory: Path, node: RabbitMQ, gateway: str, exchange: str | None) -> Iterator[Ground]:
    """A ready service, when the service and the users have their permissions."""
    ground = Ground(f"127.0.0.1:{node.port}", QUEUES, exchange)
    settings = {"REPLY_EXCHANGE": exchange or "", "LOG_LEVEL": "error"}
    consumer = Consumer(directory, ground.url(SERVICE), gateway, settings)
    before, after = ([], []) if exchange is None else printed(consumer)
    if exchange is None:
        for permissions in permitted(ground.amqp):
            give(node, permissions, "/")
    for command in before:
        node.ctl(*command)
    with consumer:
        for command in after:
            node.ctl(*command)
        yield ground


def printed(consumer: Consumer) -> tuple[list[list[str]], list[list[str]]]:
    """The arguments of `rabbitmqctl` that `permissions` prints: for the service, and for the users."""
    command = [sys.executable, "-m", "consumer", "permissions", ALICE, *ATTACKERS]
    done = subprocess.run(command, env=consumer.environment, capture_output=True, text=True, check=True)
    service, *users = (shlex.split(line)[1:] for line in done.stdout.splitlines() if not line.startswith("#"))
    return [service], users


def attacked(ground: Ground, console: Console, seconds: float) -> list[Outcome]:
    """What came of each attack."""
    outcomes = []
    for attack in possible(ground):
        outcomes.append(asyncio.run(play(attack, ground, seconds)))
        console.print(f"  {attack.name}: {outcomes[-1].shown}", markup=False)
    return outcomes


def measure(console: Console) -> Result:
    """All three, on the release that BROKER names."""
    with (
        tempfile.TemporaryDirectory(prefix="zeebe-amqp-strict-") as folder,
        background(FakeGateway()) as engine,
        RabbitMQ(Path(folder) / "rabbitmq") as node,
    ):
        add_users(node)
        release = node.evaluate("rabbit_misc:version()").strip('"')
        console.print(f"RabbitMQ {release}, without strict replies")
        with service(Path(folder) / "lax", node, engine.gateway.address, None) as ground:
            lax = attacked(ground, console, 2)
        console.print("with strict replies")
        with service(Path(folder) / "strict", node, engine.gateway.address, wire.REPLIES_EXCHANGE) as ground:
            strict = attacked(ground, console, 20)
            console.print("with strict replies, and attackers who may do everything")
            for user in ATTACKERS:
                topics = {wire.REPLIES_EXCHANGE: (EVERYTHING, EVERYTHING)}
                give(node, Permissions(user, EVERYTHING, EVERYTHING, EVERYTHING, topics), "/")
            everything = attacked(ground, console, 2)
    return now(release, lax, strict, everything)


def main() -> int:
    """Measure, show, keep; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--page", action="store_true", help="only make the page anew from the kept results")
    console = Console(width=140, highlight=False)
    if not parser.parse_args().page:
        try:
            write(measure(console))
        except ServerError as error:
            print(f"strict: {error}", file=sys.stderr)
            return 1
    results = read()
    page.make(results)
    problems = [problem for each in results for problem in each.problems()]
    for problem in problems:
        console.print(problem, markup=False, soft_wrap=True)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
