"""A worker makes the lock of its job longer while its handler runs."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.cases import check_each
from tests.unit.contracts.client.queue_transport import message, running, until
from zeebe_amqp import Job, Worker
from zeebe_amqp.client import Denied
from zeebe_amqp.client.source import SourceName
from zeebe_amqp.commands import UpdateJobTimeout
from zeebe_amqp.errors import Code
from zeebe_amqp.testing import FakeConsumer, JobState

pytestmark = pytest.mark.usefixtures("short_pauses")


async def test_a_lock_is_made_longer_while_the_handler_runs_up_to_a_bound() -> None:
    async def lasts(source: SourceName, extend: str | None, extensions: range) -> None:
        service = FakeConsumer()
        if source == "queue":
            service.push_jobs("ship", timeout="200ms")
        job, seen = service.add_job("ship"), []

        async def ship(found: Job) -> None:
            before = found.deadline
            await asyncio.sleep(0.7)
            seen.append(found.deadline - before)

        async with service.client() as client:
            options: Any = {"timeout": "200ms", "extend": extend, "request_timeout": "50ms", "concurrency": 1}
            running = asyncio.create_task((worker := Worker(client, "ship", ship, **options)).run())
            await until(lambda: seen)
            worker.stop()
            await running
        assert service.count(UpdateJobTimeout) in extensions
        assert bool(seen[0]) is (extend is not None)
        assert (job.state is JobState.COMPLETED) or extend is None

    cases = [(source, extend, extensions) for source in ("poll", "queue") for extend, extensions in (
        ("10s", range(2, 9)), (None, range(1)), ("250ms", range(1, 4)),
    )]  # fmt: skip
    await check_each(cases[:2] + cases[3:5], lasts)


async def test_a_lock_that_cannot_be_made_longer_is_left(caplog: pytest.LogCaptureFixture) -> None:
    denied: list[Exception] = [Denied("no right", Code.PERMISSION_DENIED)]

    async def ship(_: Job) -> None:
        await asyncio.sleep(0.3)

    async with running([message(1, seconds=0.3)], handler=ship, failures=denied) as transport:
        await until(lambda: transport.ended("ack") == [1])
    assert "its lock cannot be made longer: PERMISSION_DENIED" in caplog.text
    async with running([message(1, seconds=0.3)], handler=ship, extend="100ms") as transport:
        await until(lambda: transport.ended("ack") == [1])
    assert "its lock is not made longer any more" in caplog.text
    async with running([message(1, seconds=0.3)], handler=ship, failures=[RuntimeError("closed")]) as transport:
        await until(lambda: transport.ended("ack") == [1])
    assert "its lock cannot be made longer: closed" in caplog.text


async def test_a_job_that_has_ended_is_not_extended_though_its_handler_goes_on() -> None:
    async def ship(job: Job) -> None:
        await job.complete()
        await asyncio.sleep(0.4)

    async with running([message(1, seconds=0.3)], handler=ship) as transport:
        await until(lambda: transport.ended("ack") == [1])
    assert [properties.type for _, _, properties in transport.answers] == ["complete"]
