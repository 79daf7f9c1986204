"""Programs that work jobs: the examples, with nothing but an AMQP client, and in frameworks."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from scripts import callers
from tests.integration.cli import PROGRAM
from zeebe_amqp.jobs.readings import PLAIN

TYPE = "charge-card"
EXAMPLES = callers.EXAMPLES


class Worker(NamedTuple):
    """A program that works jobs."""

    command: Callable[[Path, str], list[str]]
    """By a folder of the test's own, and the address of the broker."""
    raised: str | None
    """The text with which a job fails whose handler raised; None where it is rejected instead."""
    reading: str = PLAIN


LIMIT = "the card has a limit of 1000"


def python(name: str) -> Callable[[Path, str], list[str]]:
    """An example, in the environment of the frameworks."""
    return lambda _, url: [str(callers.frameworks() / "python"), str(EXAMPLES / name), url]


def celery(_: Path, url: str) -> list[str]:
    options = ["--workdir", str(EXAMPLES), "-A", "celery_worker", "worker", "--pool", "solo", "--without-gossip"]
    return ["env", f"AMQP_URL={url}", str(callers.frameworks() / "celery"), *options]


WORKERS = {
    "pika": Worker(lambda _, url: [sys.executable, str(EXAMPLES / "worker.py"), url], LIMIT),
    "amqplib": Worker(lambda folder, url: [*callers.typescript(folder, "worker"), url], LIMIT),
    "RabbitMQ's client in Java": Worker(lambda _, url: [*callers.java("Worker"), url], LIMIT),
    "a shell script": Worker(
        lambda _, url: [*PROGRAM, "work", TYPE, "--url", url, "--exec", str(EXAMPLES / "charge.sh")], LIMIT
    ),
    "FastStream": Worker(python("faststream_worker.py"), LIMIT),
    "Nameko": Worker(python("nameko_worker.py"), f"ValueError: {LIMIT}", "nameko"),
    "Celery": Worker(celery, f"ValueError: {LIMIT}", "celery"),
    "NestJS": Worker(
        lambda folder, url: [*callers.typescript(folder, "worker", callers.NESTJS), url], f"error: {LIMIT}", "nestjs"
    ),
    "Spring": Worker(lambda _, url: [*callers.java("Worker", callers.SPRING), url], None),
}
