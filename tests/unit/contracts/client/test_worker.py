from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable
from typing import Any

import pytest

from tests.cases import check_each
from tests.fakes.transport import MemoryTransport, error
from tests.unit.contracts.client.test_jobs import Engine, job
from zeebe_amqp import BpmnError, Client, Job, JobFailure, PermissionDenied, Worker
from zeebe_amqp.commands import Command, CompleteJob, FailJob


def soon(stop: Callable[[], None]) -> None:
    asyncio.get_running_loop().call_later(0.01, stop)


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
TOO_LONG = {"retries": 1, "errorMessage": f"KeyError: '{'x' * 988}…", "retryBackOff": "2000ms"}
ENDS: dict[str, tuple[Any, str, dict[str, Any]]] = {
    "a result that is awaited": (ships, "complete-job", {"variables": {"shipped": 1}}),
    "an object that is called and awaited": (Handler(), "complete-job", {"variables": {"a": 2}}),
    "no result": (lambda _: None, "complete-job", {}),
    "its own word": (throws, "throw-error", {"errorCode": "late"}),
    "a BPMN error": (
        raising(BpmnError("out-of-stock", "nothing left", {"a": 1})),
        "throw-error",
        {"errorCode": "out-of-stock", "errorMessage": "nothing left", **A},
    ),
    "a failure": (
        raising(JobFailure("no van", retries=7, back_off="1m", variables={"a": 1})),
        "fail-job",
        {"retries": 7, "errorMessage": "no van", "retryBackOff": "60000ms", **A},
    ),
    "any other exception": (raising(KeyError("x" * 5000)), "fail-job", TOO_LONG),
}


async def test_what_a_handler_does_ends_its_job() -> None:
    async def ends(handler: Any, operation: str, data: dict[str, Any]) -> None:
        engine = Engine([job(1, retries=2)], then=lambda: soon(worker.stop))
        async with Client(MemoryTransport(always=engine)) as client:
            worker = Worker(client, "ship", handler, back_off="2s")
            await worker.run()
        [command] = engine.settled
        assert (command.operation, json.loads(command.to_wire()[0])) == (operation, {"jobKey": 1, **data})

    await check_each(ENDS, ends)


async def test_a_plain_function_works_in_a_thread() -> None:
    threads = []
    engine = Engine([job(1)], then=lambda: soon(worker.stop))
    async with Client(MemoryTransport(always=engine)) as client:
        worker = Worker(client, "ship", lambda _: threads.append(threading.current_thread()))
        await worker.run()
    assert len(threads) == 1
    assert threads != [threading.main_thread()]


async def test_an_end_that_the_service_refuses_is_a_failure_with_one_try_less() -> None:
    """Or the job would be run for ever, with the same tries."""

    async def is_a_failure(handler: Any, code: str) -> None:
        def answer(command: Command) -> bytes:
            if not asked and command.operation != "activate-jobs":
                asked.append(command)
                return error(code)
            return engine(command)

        asked: list[Command] = []
        engine = Engine([job(1, retries=2)], then=lambda: soon(worker.stop))
        async with Client(MemoryTransport(always=answer)) as client:
            worker = Worker(client, "ship", handler, back_off="2s")
            await worker.run()
        [command] = engine.settled
        assert isinstance(command, FailJob)
        assert (command.retries, command.retry_back_off) == (1, 2_000)
        assert 0 < len(command.error_message) <= 1000

    cases = [
        (lambda _: {"x": "y" * 3_000_000}, "RESOURCE_EXHAUSTED"),
        (raising(BpmnError("code")), "INVALID_ARGUMENT"),
        (raising(JobFailure("x" * 5_000_000)), "RESOURCE_EXHAUSTED"),
    ]
    await check_each(cases, is_a_failure)


async def test_a_job_that_is_not_ours_any_more_leaves_the_worker_working() -> None:
    taken: list[int] = []

    def answer(command: Command) -> bytes:
        if isinstance(command, CompleteJob) and command.job_key == 1:
            return error("NOT_FOUND")
        return engine(command)

    engine = Engine([job(1)], [job(2)], then=lambda: soon(worker.stop))
    async with Client(MemoryTransport(always=answer)) as client:
        worker = Worker(client, "ship", lambda found: taken.append(found.key))
        await worker.run()
    assert taken == [1, 2]
    assert [command.operation for command in engine.settled] == ["complete-job"]


async def test_no_more_jobs_are_fetched_than_may_run_which_is_at_least_one() -> None:
    running, most = 0, 0

    async def ship(found: Job) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.001 * (found.key % 3 + 1))  # some end while others go on
        running -= 1

    class Plenty(Engine):
        given = 0

        def __call__(self, command: Command) -> bytes:
            if command.operation == "activate-jobs":
                count = min(command.max_jobs_to_activate, 40 - self.given)  # type: ignore[attr-defined]
                self.portions = [[job(self.given + index + 1) for index in range(count)], []]
                self.given += count
                if not count:
                    worker.stop()
            return super().__call__(command)

    engine = Plenty()
    async with Client(MemoryTransport(always=engine)) as client:
        worker = Worker(client, "ship", ship, concurrency=3)
        await worker.run()
    assert most == 3
    assert sorted(command.job_key for command in engine.settled) == list(range(1, 41))  # type: ignore[attr-defined]
    assert max(poll.max_jobs_to_activate for poll in engine.polls) == 3
    with pytest.raises(ValueError, match="concurrency: expected 1 or more, found 0"):
        Worker(client, "ship", ship, concurrency=0)


async def test_stopping_lets_what_was_begun_finish() -> None:
    begun, go = asyncio.Event(), asyncio.Event()

    async def ship(_: Job) -> None:
        begun.set()
        await go.wait()

    engine = Engine([job(1)])
    async with Client(MemoryTransport(always=engine)) as client:
        worker = Worker(client, "ship", ship, concurrency=1)
        running = asyncio.create_task(worker.run())
        await begun.wait()
        worker.stop()
        assert not running.done()
        go.set()
        await running
    assert [command.operation for command in engine.settled] == ["complete-job"]


async def test_a_worker_ends_with_an_error_that_will_not_pass_and_what_was_begun_finishes() -> None:
    async def ship(_: Job) -> None:
        await asyncio.sleep(0.01)

    engine = Engine([job(1)], error("PERMISSION_DENIED"))
    async with Client(MemoryTransport(always=engine)) as client:
        with pytest.raises(PermissionDenied):
            await Worker(client, "ship", ship).run()
    assert [command.operation for command in engine.settled] == ["complete-job"]


async def test_a_worker_that_is_cancelled_cancels_its_handlers() -> None:
    begun, ended = asyncio.Event(), []

    async def ship(_: Job) -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("cancelled")

    engine = Engine([job(1)])
    async with Client(MemoryTransport(always=engine)) as client:
        running = asyncio.create_task(Worker(client, "ship", ship, concurrency=1).run())
        await begun.wait()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
    assert ended == ["cancelled"]
    assert engine.settled == []


async def test_a_defect_while_settling_leaves_the_worker_working(caplog: pytest.LogCaptureFixture) -> None:
    async def ship(found: Job) -> None:
        if found.key == 1:
            await client.close(grace=0)
            worker.stop()

    engine = Engine([job(1)])
    async with Client(MemoryTransport(always=engine)) as client:
        worker = Worker(client, "ship", ship, concurrency=1)
        await worker.run()
    assert "<Job 1 of type 'ship'> could not be settled" in caplog.text
