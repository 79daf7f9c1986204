"""Workers of others: the programs of the page about jobs, with nothing but an AMQP client, and in frameworks.

Each is given jobs as the service gives them out; what it answers is read as the service reads it.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from scripts import callers
from scripts.process import Process
from tests.integration.broker_control import VirtualHost, evaluate
from tests.integration.played_jobs import REJECTED, RETRIES, Ended, JobQueue
from zeebe_amqp.commands import CompleteJob, FailJob
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
    "FastStream": Worker(python("faststream_worker.py"), LIMIT),
    "Nameko": Worker(python("nameko_worker.py"), f"ValueError: {LIMIT}", "nameko"),
    "Celery": Worker(celery, f"ValueError: {LIMIT}", "celery"),
    "NestJS": Worker(
        lambda folder, url: [*callers.typescript(folder, "worker", callers.NESTJS), url], f"error: {LIMIT}", "nestjs"
    ),
    "Spring": Worker(lambda _, url: [*callers.java("Worker", callers.SPRING), url], None),
}


@asynccontextmanager
async def running(worker: Worker, folder: Path, vhost: VirtualHost) -> AsyncIterator[JobQueue]:
    """The jobs of a worker that runs."""
    async with JobQueue(vhost.url, TYPE, worker.reading) as jobs:
        command = await asyncio.to_thread(worker.command, folder, vhost.url)
        process = Process(command, {"PYTHONDONTWRITEBYTECODE": "1"}, folder / "worker.log")
        try:
            await jobs.has_worker()
            yield jobs
        except BaseException:
            print((folder / "worker.log").read_text(errors="replace")[-3000:])
            raise
        finally:
            await asyncio.to_thread(process.stop)


def prefetch(vhost: VirtualHost) -> str:
    """How many jobs the worker takes before it has answered one."""
    return evaluate(
        vhost.node,
        f'{{ok, Q}} = rabbit_amqqueue:lookup({{resource, <<"{vhost.name}">>, queue, <<"zeebe.jobs.{TYPE}">>}}),'
        " [Prefetch] = [element(4, C) || C <- rabbit_amqqueue:consumers(Q)], Prefetch",
    )


@pytest.mark.parametrize("name", WORKERS)
async def test_a_worker_completes_jobs_fails_what_its_handler_raised_and_skips_what_is_too_late(
    name: str, tmp_path: Path, vhost: VirtualHost
) -> None:
    worker = WORKERS[name]
    async with running(worker, tmp_path, vhost) as jobs:
        assert prefetch(vhost).strip() == "1"
        first = await jobs.give({"amount": 10})
        assert charged(await jobs.ended()) == (first, {"charged": 10})
        failing = await jobs.give({"amount": 2000})
        ended = await jobs.ended()
        if worker.raised is None:
            assert ended == Ended(failing, None, REJECTED)
        else:
            assert isinstance(ended.command, FailJob)
            assert (ended.key, ended.command.retries) == (failing, RETRIES - 1)
            assert ended.command.error_message == worker.raised
        await jobs.give({"amount": 20}, deadline=-1)
        last = await jobs.give({"amount": 30})
        assert charged(await jobs.ended()) == (last, {"charged": 30})
        assert await jobs.waiting() == 0


def charged(ended: Ended) -> tuple[int, Any]:
    """The key of a job that was completed, and with which variables."""
    assert isinstance(ended.command, CompleteJob), ended
    return ended.key, json.loads(bytes(ended.command.variables or b"null"))
