"""Workers of others: the programs of the page about jobs, with nothing but an AMQP client, and in frameworks.

Each is given jobs as the service gives them out; what it answers is read as the service reads it.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from scripts.process import Process
from tests.integration.broker_control import VirtualHost, evaluate
from tests.integration.other_workers import TYPE, WORKERS, Worker
from tests.integration.played_jobs import REJECTED, RETRIES, Ended, PlayedJobs
from zeebe_amqp.commands import CompleteJob, FailJob


@asynccontextmanager
async def running(worker: Worker, folder: Path, vhost: VirtualHost) -> AsyncIterator[PlayedJobs]:
    """The jobs of a worker that runs."""
    async with PlayedJobs(vhost.url, TYPE, worker.reading) as jobs:
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
