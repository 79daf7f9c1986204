"""Whatever a handler does, its job ends: completed, thrown, or failed with one retry less and a text that says why."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import timedelta
from decimal import Decimal
from functools import reduce
from reprlib import repr as shortened
from typing import Any
from unittest.mock import AsyncMock

import msgspec
import pytest

from tests.cases import check_each, for_each
from zeebe_amqp import BpmnError, Job, JobFailure, PermissionDenied, Worker
from zeebe_amqp.client import worker as module
from zeebe_amqp.client.source import SourceName
from zeebe_amqp.client.worker import MAX_MESSAGE
from zeebe_amqp.commands import ActivateJobs, Command, CompleteJob, FailJob, ThrowError
from zeebe_amqp.testing import FakeConsumer, FakeJob, JobState, fail

PATIENCE = 20
"""Seconds after which a job that has not ended counts as one that never will."""


SOURCES: list[SourceName] = ["poll", "queue"]


def service(source: SourceName) -> FakeConsumer:
    """A service whose workers find jobs there."""
    consumer = FakeConsumer()
    if source == "queue":
        consumer.push_jobs("ship")
    return consumer


async def work(
    handler: Any, source: SourceName = "poll", *, consumer: FakeConsumer | None = None, **options: Any
) -> tuple[FakeJob, list[Command]]:
    """What becomes of a job with two tries left, and by which commands."""
    consumer = consumer or service(source)
    job = consumer.add_job("ship", retries=2)
    async with consumer.client() as client:
        worker = Worker(client, "ship", handler, **{"back_off": "0s", **options})
        async with asyncio.timeout(PATIENCE):
            await consumer.work(worker, timeout=PATIENCE)
    assert bool(consumer.of(ActivateJobs)) is (source == "poll")
    return job, [each for each in consumer.of(Command) if not isinstance(each, ActivateJobs)]


class Unshowable(Exception):
    """An error whose text is an error."""

    def __str__(self) -> str:
        raise ValueError("no text")


def deep(levels: int) -> dict[str, Any]:
    return reduce(lambda found, _: {"a": found}, range(levels), {})


CIRCULAR: dict[str, Any] = {}
CIRCULAR["a"] = CIRCULAR
NO_VARIABLES: list[Any] = [
    5, 0, "x", "", '{"a": 1}', b"{}", True, False, [{"a": 1}], [], {1}, object(), dict, print, ValueError("x"),
    (each for each in ()),
    *({"n": each} for each in (float("nan"), [1, float("-inf")], Decimal("NaN"), {"b": object()}, "\ud800")),
    {(1, 2): 3}, {"\ud800": 1}, CIRCULAR, deep(600), deep(5_000),
    {"x": "y" * 5_000_000}, {"x": "y" * 9_000_000},
    *map(msgspec.Raw, (b"nope", b"[]", b'{},"retries":7', b'{"a":', b'{"a":"\xff"}')),
]  # fmt: skip
NO_CODES: list[Any] = ["", " \n", None, 404, b"code", ["code"], object(), "\ud800", "c" * 5_000_000]
NO_BACK_OFFS: list[Any] = [
    "soon", "5", "-5s", timedelta(seconds=-1), 5, -1, 1.5, float("nan"), True, [], object(), "9999999999h",
    timedelta.max,
]  # fmt: skip
NO_RETRIES: list[Any] = ["3", 1.5, True, float("nan"), 2**40, 10**400, [], object()]
ERRORS: list[Any] = [
    ValueError("x"), KeyError, Unshowable, ValueError("x" * 5_000_000), ValueError("\x1b[31m\x00\u202e\ud800"),
    ExceptionGroup("several", [ValueError("x"), Unshowable()]), SystemExit(3), StopIteration(7), StopAsyncIteration,
    GeneratorExit, asyncio.CancelledError("somebody else's"), RecursionError("too deep"), MemoryError,
]  # fmt: skip


def returning(value: Any) -> list[Callable[[Job], Any]]:
    """Handlers that return it: one that is awaited, one that runs in a thread."""
    return [AsyncMock(return_value=value), lambda _: value]


def raising(error: Any) -> list[Callable[[Job], Any]]:
    """Handlers that raise it, or what it makes."""

    async def awaited(_: Job) -> Any:
        raise error() if callable(error) else error

    def plain(_: Job) -> Any:
        raise error() if callable(error) else error

    return [awaited, plain]


def unsettled() -> Iterator[tuple[str, list[Callable[[Job], Any]]]]:
    """Handlers that do not say how their job ends."""
    for value in NO_VARIABLES:
        yield f"returns {shortened(value)}", returning(value)
        yield f"BpmnError with variables: {shortened(value)}", raising(BpmnError("code", "x", value))
        yield f"JobFailure with variables: {shortened(value)}", raising(JobFailure("x", variables=value))
    for value in NO_CODES:
        yield f"BpmnError with a code: {shortened(value)}", raising(lambda value=value: BpmnError(value))
    for value in NO_BACK_OFFS:
        yield f"JobFailure with a back-off: {shortened(value)}", raising(JobFailure("x", back_off=value))
    for value in NO_RETRIES:
        yield f"JobFailure with retries: {shortened(value)}", raising(JobFailure("x", retries=value))
    for error in ERRORS:
        yield f"raises {shortened(error)}", raising(error)


@pytest.fixture
def silent_log(monkeypatch: pytest.MonkeyPatch) -> None:
    """The log has every error as it was, with megabytes and surrogates that test runners cannot pass on."""
    monkeypatch.setattr(module.log, "disabled", True)


@pytest.mark.usefixtures("silent_log")
async def test_what_cannot_be_told_fails_with_one_retry_less_until_there_is_an_incident() -> None:
    async def fails(_: str, handler: Callable[[Job], Any], source: SourceName) -> None:
        job, _ = await work(handler, source)
        assert (job.state, job.retries, job.activations) == (JobState.FAILED, 0, 2)
        assert 0 < len(job.error_message) <= MAX_MESSAGE
        assert all(char.isprintable() or char in "\n\t" for char in job.error_message)

    async def awaited(_: Job) -> AsyncIterator[dict[str, int]]:
        yield {"a": 1}

    def plain(_: Job) -> Iterator[dict[str, int]]:
        yield {"a": 1}

    handlers = [("generates", [awaited, plain]), *unsettled()]
    cases = [(name, handler, source) for name, both in handlers for handler in both for source in SOURCES]
    await check_each(cases, fails)


TEXTS: list[tuple[Any, str]] = [
    (None, ""),
    (5, "5"),
    (ValueError("no van"), "no van"),
    (Unshowable(), "Unshowable, which cannot be shown as text"),
    ("a\x1b[31mb\x00c\nd", "a\ufffd[31mb\ufffdc\nd"),
    ("a\ud800b", "a\ufffdb"),
    ("x" * 5_000_000, "x" * (MAX_MESSAGE - 1) + "…"),
]


@pytest.mark.usefixtures("silent_log")
async def test_a_message_is_told_as_text_cleaned_and_cut() -> None:
    async def is_told(message: Any, told: str, source: SourceName) -> None:
        for handler in raising(JobFailure(message, retries=0)):
            job, _ = await work(handler, source)
            assert (job.state, job.retries, job.activations) == (JobState.FAILED, 0, 1)
            assert job.error_message == told
        for handler in raising(BpmnError("code", message)):
            job, _ = await work(handler, source)
            assert (job.state, job.error_code, job.error_message) == (JobState.THROWN, "code", told)

    await check_each(((*case, source) for case in TEXTS for source in SOURCES), is_told)


SAID: list[tuple[Callable[[Job], Any], str]] = [
    (lambda _: 5, "data.variables: expected a JSON object, found a number"),
    (lambda _: '{"a": 1}', "parse it first"),
    (lambda _: {"n": float("nan")}, "data.variables.n: expected a number that JSON has"),
    (raising(lambda: BpmnError(404))[0], "TypeError: error_code: expected text, found int"),  # type: ignore[arg-type]
    (raising(JobFailure("x", back_off="soon"))[0], "data.retryBackOff: expected a duration"),
    (raising(JobFailure("x", retries="3"))[0], "data.retries: expected a whole number"),  # type: ignore[arg-type]
    (raising(SystemExit(3))[0], "SystemExit: 3"),
    (raising(StopIteration(7))[1], "StopIteration"),
    (raising(asyncio.CancelledError("inner"))[0], "CancelledError: inner"),
]


async def test_the_text_says_what_was_wrong() -> None:
    async def is_said(handler: Callable[[Job], Any], words: str, source: SourceName) -> None:
        job, _ = await work(handler, source)
        assert words in job.error_message

    await check_each(((*case, source) for case in SAID for source in SOURCES), is_said)


async def throws(job: Job) -> None:
    await job.throw("late")


async def completes_and_raises(job: Job) -> None:
    await job.complete({"a": 1})
    raise ValueError("afterwards")


def in_a_thread(_: Job) -> None:
    assert threading.current_thread() is not threading.main_thread()


class Handler:
    async def __call__(self, job: Job) -> dict[str, Any]:
        return {"a": job.retries}


THROWN = {"error_code": "code", "error_message": "x", "variables": {"a": 1}}
FAILED = {"retries": 0, "error_message": "x", "retry_back_off": 60_000, "variables": {"a": 1}}
UNEXPECTED = {"retries": 1, "error_message": f"KeyError: '{'x' * 988}…", "retry_back_off": 2_000}
ENDS: dict[str, tuple[Any, type[Command], dict[str, Any]]] = {
    "a result that is awaited": (returning({"a": 1})[0], CompleteJob, {"variables": {"a": 1}}),
    "an object that is called and awaited": (Handler(), CompleteJob, {"variables": {"a": 2}}),
    "a plain function, without a result": (in_a_thread, CompleteJob, {}),
    "its own word": (throws, ThrowError, {"error_code": "late"}),
    "its own word, and an error afterwards": (completes_and_raises, CompleteJob, {"variables": {"a": 1}}),
    "a BPMN error": (raising(BpmnError("code", "x", {"a": 1}))[1], ThrowError, THROWN),
    "a failure": (raising(JobFailure("x", retries=0, back_off="1m", variables={"a": 1}))[1], FailJob, FAILED),
    "any other exception": (raising(KeyError("x" * 5000))[1], FailJob, UNEXPECTED),
}


async def test_what_a_handler_does_ends_its_job() -> None:
    async def ends(handler: Any, kind: type[Command], facts: dict[str, Any], source: SourceName) -> None:
        job, commands = await work(handler, source, back_off="2s")
        assert commands[0] == kind(job_key=job.key, **facts)
        assert len(commands) == job.activations

    await check_each({f"{name}, {each}": (*case, each) for name, case in ENDS.items() for each in SOURCES}, ends)


async def test_a_back_off_that_is_none_is_refused_before_any_job_is_locked() -> None:
    async with FakeConsumer().client() as client:
        for value in NO_BACK_OFFS:
            with pytest.raises(ValueError, match=r"^back_off: expected a duration"):
                Worker(client, "ship", print, back_off=value)


async def test_an_end_that_the_service_refuses_is_a_failure_with_one_try_less() -> None:
    """Or the job would be run for ever, with the same tries."""

    async def is_a_failure(handler: Any, refused: type[Command], source: SourceName) -> None:
        consumer = service(source)
        consumer.script(refused, fail("INVALID_ARGUMENT"))
        _, (_, command, *_) = await work(handler, source, consumer=consumer, back_off="2s")
        assert isinstance(command, FailJob)
        # A worker at a queue does not hear of it: the service says it.
        assert (command.retries, command.retry_back_off) == (1, 2_000 if source == "poll" else None)
        assert 0 < len(command.error_message) <= MAX_MESSAGE

    cases = [
        (lambda _: {"x": "y" * 3_000_000}, CompleteJob),
        (raising(BpmnError("code"))[1], ThrowError),
        (raising(JobFailure("x" * 5_000_000))[1], FailJob),
    ]
    await check_each(((*case, source) for case in cases for source in SOURCES), is_a_failure)


async def test_a_job_that_cannot_be_settled_leaves_the_worker_working(caplog: pytest.LogCaptureFixture) -> None:
    consumer = FakeConsumer()
    gone, defect, last = (consumer.add_job("ship") for _ in range(3))
    consumer.script(CompleteJob, fail("NOT_FOUND"))

    async def ship(job: Job) -> None:
        if job.key == defect.key:
            job._settle = AsyncMock(side_effect=RuntimeError("a defect"))  # type: ignore[method-assign]
        if job.key == last.key:
            worker.stop()

    async with consumer.client() as client:
        worker = Worker(client, "ship", ship, concurrency=1)
        await worker.run()
    assert last.state is JobState.COMPLETED
    assert f"<Job {gone.key} of type 'ship'> is not ours any more" in caplog.text
    assert f"<Job {defect.key} of type 'ship'> could not be settled" in caplog.text


@for_each(SOURCES)
async def test_no_more_jobs_are_fetched_than_may_run_which_is_at_least_one(source: SourceName) -> None:
    running, most, consumer = 0, 0, service(source)

    async def ship(job: Job) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.001 * (job.key % 3 + 1))  # some end while others go on
        running -= 1

    jobs = [consumer.add_job("ship") for _ in range(40)]
    await work(ship, source, consumer=consumer, concurrency=3)
    assert most == 3
    assert {(job.state, job.activations) for job in jobs} == {(JobState.COMPLETED, 1)}
    assert all(poll.max_jobs_to_activate <= 3 for poll in consumer.of(ActivateJobs))
    with pytest.raises(ValueError, match="concurrency: expected 1 or more, found 0"):
        await work(ship, source, concurrency=0)


@for_each([(source, concurrency) for source in SOURCES for concurrency in (1, 2, 16)])
async def test_a_worker_of_so_many_jobs_ends_after_them(source: SourceName, concurrency: int) -> None:
    consumer, seen = service(source), []
    jobs = [consumer.add_job("ship") for _ in range(6)]
    async with consumer.client() as client:
        await Worker(client, "ship", seen.append, concurrency=concurrency, at_most=5).run()
    assert len(seen) == 5
    assert sum(job.state is JobState.COMPLETED for job in jobs) == 5
    with pytest.raises(ValueError, match="at_most: expected 1 or more, found 0"):
        await work(print, source, at_most=0)


async def test_a_worker_ends_with_an_error_that_will_not_pass_and_what_was_begun_finishes() -> None:
    async def ship(_: Job) -> None:
        await asyncio.sleep(0.01)

    consumer = FakeConsumer()
    job = consumer.add_job("ship")
    consumer.script(ActivateJobs, fail("PERMISSION_DENIED"), where=lambda _: job.activations > 0)
    with pytest.raises(PermissionDenied):
        await work(ship, consumer=consumer)
    assert job.state is JobState.COMPLETED


@for_each([(cancelled, source) for cancelled in (False, True) for source in SOURCES])
async def test_a_stopped_worker_lets_what_was_begun_finish_and_a_cancelled_one_does_not(
    cancelled: bool, source: SourceName
) -> None:
    async def ship(_: Job) -> None:
        begun.set()
        await go.wait()

    begun, go, consumer = asyncio.Event(), asyncio.Event(), service(source)
    job = consumer.add_job("ship")
    async with consumer.client() as client:
        worker = Worker(client, "ship", ship, concurrency=1)
        running = asyncio.create_task(worker.run())
        await begun.wait()
        (running.cancel if cancelled else worker.stop)()
        await asyncio.wait({running}, timeout=0.05)
        assert running.done() is cancelled
        go.set()
        await asyncio.wait({running}, timeout=PATIENCE)
    assert (running.cancelled(), job.state) == (cancelled, JobState.LOCKED if cancelled else JobState.COMPLETED)
