from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from tests.fakes.transport import MemoryTransport, error
from tests.unit.contracts.client.test_jobs import Engine, job
from zeebe_amqp import BpmnError, Client, Job, JobFailure, PermissionDenied, Worker
from zeebe_amqp.client import jobs as module
from zeebe_amqp.commands import Command, CompleteJob, FailJob, ThrowError


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_PAUSE", 0.001)


async def settled(handler: Any, **options: Any) -> Command:
    """What becomes of one job that a handler works."""
    engine = Engine([job(1, retries=2)], then=lambda: asyncio.get_running_loop().call_later(0.01, worker.stop))
    async with Client(MemoryTransport(always=engine)) as client:
        worker = Worker(client, "ship", handler, **options)
        await worker.run()
    [command] = engine.settled
    return command


def raising(error: Exception) -> Any:
    """A handler that raises it."""

    def ship(_: Job) -> None:
        raise error

    return ship


async def test_what_a_handler_returns_completes_its_job() -> None:
    async def ship(found: Job) -> dict[str, Any]:
        return {"shipped": found.key}

    command = await settled(ship)
    assert isinstance(command, CompleteJob)
    assert command.to_wire()[0] == b'{"jobKey":1,"variables":{"shipped":1}}'


async def test_a_plain_function_works_in_a_thread_and_may_return_nothing() -> None:
    threads = []

    def ship(_: Job) -> None:
        threads.append(threading.current_thread())

    command = await settled(ship)
    assert command == CompleteJob(job_key=1)
    assert threads != [threading.main_thread()]


async def test_a_handler_that_returns_an_awaitable_is_waited_for() -> None:
    class Handler:
        async def __call__(self, found: Job) -> dict[str, Any]:
            return {"a": found.retries}

    command = await settled(Handler())
    assert isinstance(command, CompleteJob)
    assert command.to_wire()[0] == b'{"jobKey":1,"variables":{"a":2}}'


async def test_a_handler_may_settle_its_job_itself() -> None:
    async def ship(found: Job) -> None:
        await found.throw("late")

    assert isinstance(await settled(ship), ThrowError)


async def test_a_bpmn_error_is_thrown() -> None:
    def ship(_: Job) -> None:
        raise BpmnError("out-of-stock", "nothing left", {"a": 1})

    command = await settled(ship)
    assert isinstance(command, ThrowError)
    assert (command.error_code, command.error_message) == ("out-of-stock", "nothing left")


async def test_a_failure_is_told_as_the_handler_says() -> None:
    def ship(_: Job) -> None:
        raise JobFailure("no van", retries=7, back_off="1m", variables={"a": 1})

    command = await settled(ship)
    assert isinstance(command, FailJob)
    assert (command.retries, command.error_message, command.retry_back_off) == (7, "no van", 60_000)


async def test_any_other_exception_fails_the_job_with_one_try_less() -> None:
    def ship(_: Job) -> None:
        raise KeyError("x" * 5000)

    command = await settled(ship, back_off="2s")
    assert isinstance(command, FailJob)
    assert (command.retries, command.retry_back_off, len(command.error_message)) == (1, 2_000, 1000)
    assert command.error_message.startswith("KeyError: ")


async def test_what_are_no_variables_fails_the_job() -> None:
    command = await settled(lambda _: {"a": float("nan")})
    assert isinstance(command, FailJob)
    assert "expected a number that JSON has" in command.error_message


@pytest.mark.parametrize(
    ("handler", "refused"),
    [
        (lambda _: {"x": "y" * 9_000_000}, None),
        (lambda _: {"x": "y" * 3_000_000}, "RESOURCE_EXHAUSTED"),
        (lambda _: {"x": object()}, None),
        (raising(BpmnError("")), None),
        (raising(BpmnError("code", variables={"n": float("nan")})), None),
        (raising(BpmnError("code")), "INVALID_ARGUMENT"),
        (raising(JobFailure("x", variables={"n": float("nan")})), None),
        (raising(JobFailure("x", back_off="soon")), None),
        (raising(JobFailure("x" * 5_000_000)), "RESOURCE_EXHAUSTED"),
    ],
)
async def test_an_end_that_is_refused_is_a_failure_with_one_try_less(handler: Any, refused: str | None) -> None:
    """Or the job would be run for ever, with the same tries."""

    def answer(command: Command) -> bytes:
        if refused is not None and not engine.settled and command.operation != "activate-jobs" and not asked:
            asked.append(command)
            return error(refused)
        return engine(command)

    asked: list[Command] = []
    engine = Engine([job(1, retries=2)], then=lambda: asyncio.get_running_loop().call_later(0.05, worker.stop))
    async with Client(MemoryTransport(always=answer)) as client:
        worker = Worker(client, "ship", handler, back_off="2s")
        await worker.run()
    [command] = engine.settled
    assert isinstance(command, FailJob)
    assert (command.retries, command.retry_back_off) == (1, 2_000)
    assert 0 < len(command.error_message) <= 1000


async def test_a_job_that_is_not_ours_any_more_leaves_the_worker_working() -> None:
    taken: list[int] = []

    def answer(command: Command) -> bytes:
        if isinstance(command, CompleteJob) and command.job_key == 1:
            return error("NOT_FOUND")
        return engine(command)

    engine = Engine([job(1)], [job(2)], then=lambda: asyncio.get_running_loop().call_later(0.01, worker.stop))
    async with Client(MemoryTransport(always=answer)) as client:
        worker = Worker(client, "ship", lambda found: taken.append(found.key))
        await worker.run()
    assert taken == [1, 2]
    assert [command.operation for command in engine.settled] == ["complete-job"]


async def test_no_more_jobs_are_fetched_than_may_run() -> None:
    running, most = 0, 0

    async def ship(_: Job) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.001)
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


async def test_a_concurrency_of_none_is_refused() -> None:
    async with Client(MemoryTransport()) as client:
        with pytest.raises(ValueError, match="concurrency: expected 1 or more, found 0"):
            Worker(client, "ship", lambda _: None, concurrency=0)
