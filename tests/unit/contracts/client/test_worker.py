from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Sequence
from typing import Any
from unittest.mock import AsyncMock

import pytest

from tests.cases import check_each
from tests.fakes.transport import MemoryTransport, error
from tests.unit.contracts.client.test_jobs import Engine, job
from zeebe_amqp import BpmnError, Client, Job, JobFailure, PermissionDenied, Worker
from zeebe_amqp.commands import FailJob


async def work(handler: Any, *jobs: Any, refusals: Sequence[bytes] = (), **options: Any) -> Engine:
    """An engine whose jobs a worker has worked."""
    engine = Engine(list(jobs), refusals=refusals)
    async with Client(MemoryTransport(always=engine)) as client:
        worker = Worker(client, "ship", handler, **options)
        engine.then = lambda: asyncio.get_running_loop().call_later(0.01, worker.stop)
        await worker.run()
    return engine


def operations(engine: Engine) -> list[str]:
    """How jobs ended there."""
    return [command.operation for command in engine.settled]


def raising(error: Exception) -> Any:
    """A handler that raises it."""

    def ship(_: Job) -> None:
        raise error

    return ship


async def ships(found: Job) -> dict[str, Any]:
    return {"shipped": found.key}


async def throws(found: Job) -> None:
    await found.throw("late")


class Handler:
    async def __call__(self, found: Job) -> dict[str, Any]:
        return {"a": found.retries}


A = {"variables": {"a": 1}}
OUT_OF_STOCK = {"errorCode": "out-of-stock", "errorMessage": "nothing left", **A}
NO_VAN = {"retries": 7, "errorMessage": "no van", "retryBackOff": "60000ms", **A}
TOO_LONG = {"retries": 1, "errorMessage": f"KeyError: '{'x' * 988}…", "retryBackOff": "2000ms"}
ENDS: dict[str, tuple[Any, str, dict[str, Any]]] = {
    "a result that is awaited": (ships, "complete-job", {"variables": {"shipped": 1}}),
    "an object that is called and awaited": (Handler(), "complete-job", {"variables": {"a": 2}}),
    "no result": (lambda _: None, "complete-job", {}),
    "its own word": (throws, "throw-error", {"errorCode": "late"}),
    "a BPMN error": (raising(BpmnError("out-of-stock", "nothing left", {"a": 1})), "throw-error", OUT_OF_STOCK),
    "a failure": (raising(JobFailure("no van", retries=7, back_off="1m", variables={"a": 1})), "fail-job", NO_VAN),
    "any other exception": (raising(KeyError("x" * 5000)), "fail-job", TOO_LONG),
}


async def test_what_a_handler_does_ends_its_job() -> None:
    async def ends(handler: Any, operation: str, data: dict[str, Any]) -> None:
        [command] = (await work(handler, job(1, retries=2), back_off="2s")).settled
        assert (command.operation, json.loads(command.to_wire()[0])) == (operation, {"jobKey": 1, **data})

    await check_each(ENDS, ends)


async def test_a_plain_function_works_in_a_thread() -> None:
    threads: list[threading.Thread] = []
    await work(lambda _: threads.append(threading.current_thread()), job(1))
    assert len(threads) == 1
    assert threads != [threading.main_thread()]


async def test_an_end_that_the_service_refuses_is_a_failure_with_one_try_less() -> None:
    """Or the job would be run for ever, with the same tries."""

    async def is_a_failure(handler: Any, code: str) -> None:
        [command] = (await work(handler, job(1, retries=2), refusals=[error(code)], back_off="2s")).settled
        assert isinstance(command, FailJob)
        assert (command.retries, command.retry_back_off) == (1, 2_000)
        assert 0 < len(command.error_message) <= 1000

    cases = [
        (lambda _: {"x": "y" * 3_000_000}, "RESOURCE_EXHAUSTED"),
        (raising(BpmnError("code")), "INVALID_ARGUMENT"),
        (raising(JobFailure("x" * 5_000_000)), "RESOURCE_EXHAUSTED"),
    ]
    await check_each(cases, is_a_failure)


async def test_a_job_that_is_not_ours_any_more_or_cannot_be_settled_leaves_the_worker_working(
    caplog: pytest.LogCaptureFixture,
) -> None:
    taken: list[int] = []

    async def ship(found: Job) -> None:
        taken.append(found.key)
        if found.key == 2:
            found._settle = AsyncMock(side_effect=RuntimeError("a defect"))  # type: ignore[method-assign]

    engine = await work(ship, job(1), job(2), job(3), refusals=[error("NOT_FOUND")], concurrency=1)
    assert (taken, operations(engine)) == ([1, 2, 3], ["complete-job"])
    assert "<Job 1 of type 'ship'> is not ours any more" in caplog.text
    assert "<Job 2 of type 'ship'> could not be settled" in caplog.text


async def test_no_more_jobs_are_fetched_than_may_run_which_is_at_least_one() -> None:
    running, most = 0, 0

    async def ship(found: Job) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.001 * (found.key % 3 + 1))  # some end while others go on
        running -= 1

    engine = await work(ship, *map(job, range(1, 41)), concurrency=3)
    assert most == 3
    assert sorted(command.job_key for command in engine.settled) == list(range(1, 41))  # type: ignore[attr-defined]
    assert max(poll.max_jobs_to_activate for poll in engine.polls) == 3
    with pytest.raises(ValueError, match="concurrency: expected 1 or more, found 0"):
        await work(ship, concurrency=0)


async def test_stopping_lets_what_was_begun_finish_and_a_cancellation_ends_it() -> None:
    async def ends(end: str, ended: list[str], settled: list[str]) -> None:
        begun, go, found = asyncio.Event(), asyncio.Event(), []

        async def ship(_: Job) -> None:
            begun.set()
            try:
                await go.wait()
                found.append("finished")
            except asyncio.CancelledError:
                found.append("cancelled")
                raise

        engine = Engine([job(1)])
        async with Client(MemoryTransport(always=engine)) as client:
            worker = Worker(client, "ship", ship, concurrency=1)
            running = asyncio.create_task(worker.run())
            await begun.wait()
            if end == "stop":
                worker.stop()
                await asyncio.sleep(0.01)
                assert not running.done()
                go.set()
            else:
                running.cancel()
            await asyncio.wait({running})
            assert running.cancelled() is (end == "cancel")
        assert (found, operations(engine)) == (ended, settled)

    await check_each([("stop", ["finished"], ["complete-job"]), ("cancel", ["cancelled"], [])], ends)


async def test_a_worker_ends_with_an_error_that_will_not_pass_and_what_was_begun_finishes() -> None:
    async def ship(_: Job) -> None:
        await asyncio.sleep(0.01)

    engine = Engine([job(1)], error("PERMISSION_DENIED"))
    async with Client(MemoryTransport(always=engine)) as client:
        with pytest.raises(PermissionDenied):
            await Worker(client, "ship", ship).run()
    assert operations(engine) == ["complete-job"]
