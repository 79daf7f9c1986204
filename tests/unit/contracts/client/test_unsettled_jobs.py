"""Whatever a handler does, its job ends: completed, thrown, or failed with one retry less and a text that says why."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import timedelta
from decimal import Decimal
from reprlib import repr as shortened
from typing import Any

import msgspec
import pytest

from tests.cases import check_each
from zeebe_amqp import BpmnError, Job, JobFailure, Worker
from zeebe_amqp.client import worker as module
from zeebe_amqp.client.worker import MAX_MESSAGE
from zeebe_amqp.testing import FakeConsumer, FakeJob, JobState

PATIENCE = 20
"""Seconds after which a job that has not ended counts as one that never will."""


@pytest.fixture(autouse=True)
def _silence(monkeypatch: pytest.MonkeyPatch) -> None:
    """The log has every error as it was, with megabytes and surrogates that test runners cannot pass on."""
    monkeypatch.setattr(module.log, "disabled", True)


class Unshowable(Exception):
    """An error whose text is an error."""

    def __str__(self) -> str:
        raise ValueError("no text")


def circular() -> dict[str, Any]:
    found: dict[str, Any] = {}
    found["a"] = found
    return found


def deep(levels: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for _ in range(levels):
        found = {"a": found}
    return found


NO_VARIABLES: list[Any] = [
    5, 0, "x", "", '{"a": 1}', b"{}", True, False, [{"a": 1}], [], {1}, object(), dict, print, ValueError("x"),
    (each for each in ()),
    *({"n": each} for each in (float("nan"), [1, float("-inf")], Decimal("NaN"), {"b": object()}, "\ud800")),
    {(1, 2): 3}, {"\ud800": 1}, circular(), deep(600), deep(5_000),
    {"x": "y" * 5_000_000}, {"x": "y" * 9_000_000},
    *map(msgspec.Raw, (b"nope", b"[]", b'{},"retries":7', b'{"a":', b'{"a":"\xff"}')),
]  # fmt: skip
NO_CODES: list[Any] = ["", " \n", None, 404, b"code", ["code"], object(), "\ud800", "c" * 5_000_000]
NO_BACK_OFFS: list[Any] = [
    "soon", "5", "-5s", timedelta(seconds=-1), 5, -1, 1.5, float("nan"), True, [], object(), "9999999999h",
    timedelta.max,
]  # fmt: skip
NO_RETRIES: list[Any] = ["3", 1.5, True, float("nan"), 2**40, 10**400, [], object()]
ERRORS: list[BaseException | type[BaseException]] = [
    ValueError("x"), KeyError, Unshowable, ValueError("x" * 5_000_000), ValueError("\x1b[31m\x00\u202e\ud800"),
    ExceptionGroup("several", [ValueError("x"), Unshowable()]), SystemExit(3), StopIteration(7), StopAsyncIteration,
    GeneratorExit, asyncio.CancelledError("somebody else's"), RecursionError("too deep"), MemoryError,
]  # fmt: skip


def returning(value: Any) -> list[Callable[[Job], Any]]:
    async def awaited(_: Job) -> Any:
        return value

    return [awaited, lambda _: value]


def raising(make: Callable[[], BaseException]) -> list[Callable[[Job], Any]]:
    async def awaited(_: Job) -> Any:
        raise make()

    def plain(_: Job) -> Any:
        raise make()

    return [awaited, plain]


def unsettled() -> Iterator[tuple[str, list[Callable[[Job], Any]]]]:
    """Handlers that do not say how their job ends, awaited and in a thread."""
    for value in NO_VARIABLES:
        yield f"returns {shortened(value)}", returning(value)
        yield (
            f"BpmnError with variables: {shortened(value)}",
            raising(lambda value=value: BpmnError("code", "x", value)),
        )
        yield (
            f"JobFailure with variables: {shortened(value)}",
            raising(lambda value=value: JobFailure("x", variables=value)),
        )
    for value in NO_CODES:
        yield f"BpmnError with a code: {shortened(value)}", raising(lambda value=value: BpmnError(value))
    for value in NO_BACK_OFFS:
        yield (
            f"JobFailure with a back-off: {shortened(value)}",
            raising(lambda value=value: JobFailure("x", back_off=value)),
        )
    for value in NO_RETRIES:
        yield (
            f"JobFailure with retries: {shortened(value)}",
            raising(lambda value=value: JobFailure("x", retries=value)),
        )
    for error in ERRORS:
        yield f"raises {shortened(error)}", raising(lambda error=error: error)


async def ended(handler: Callable[[Job], Any]) -> FakeJob:
    """What becomes of a job with two tries left."""
    consumer = FakeConsumer()
    job = consumer.add_job("ship", retries=2)
    async with consumer.client() as client:
        async with asyncio.timeout(PATIENCE):
            await consumer.work(Worker(client, "ship", handler, back_off="0s"), timeout=PATIENCE)
    return job


async def test_what_cannot_be_told_fails_with_one_retry_less_until_there_is_an_incident() -> None:
    async def fails(_: str, handler: Callable[[Job], Any]) -> None:
        job = await ended(handler)
        assert (job.state, job.retries, job.activations) == (JobState.FAILED, 0, 2)
        assert 0 < len(job.error_message) <= MAX_MESSAGE
        assert all(char.isprintable() or char in "\n\t" for char in job.error_message)

    async def awaited(_: Job) -> AsyncIterator[dict[str, int]]:
        yield {"a": 1}

    def plain(_: Job) -> Iterator[dict[str, int]]:
        yield {"a": 1}

    handlers = [("generates", [awaited, plain]), *unsettled()]
    await check_each([(name, handler) for name, both in handlers for handler in both], fails)


TEXTS: list[tuple[Any, str]] = [
    (None, ""),
    (5, "5"),
    (ValueError("no van"), "no van"),
    (Unshowable(), "Unshowable, which cannot be shown as text"),
    ("a\x1b[31mb\x00c\nd", "a\ufffd[31mb\ufffdc\nd"),
    ("a\ud800b", "a\ufffdb"),
    ("x" * 5_000_000, "x" * (MAX_MESSAGE - 1) + "…"),
]


async def test_a_message_is_told_as_text_cleaned_and_cut() -> None:
    async def is_told(message: Any, told: str) -> None:
        for handler in raising(lambda: JobFailure(message, retries=0)):
            job = await ended(handler)
            assert (job.state, job.retries, job.activations) == (JobState.FAILED, 0, 1)
            assert job.error_message == told
        for handler in raising(lambda: BpmnError("code", message)):
            job = await ended(handler)
            assert (job.state, job.error_code, job.error_message) == (JobState.THROWN, "code", told)

    await check_each(TEXTS, is_told)


NO_CODE: Any = 404
SAID: list[tuple[Callable[[Job], Any], str]] = [
    (lambda _: 5, "data.variables: expected a JSON object, found a number"),
    (lambda _: '{"a": 1}', "parse it first"),
    (lambda _: {"n": float("nan")}, "data.variables.n: expected a number that JSON has"),
    (raising(lambda: BpmnError(NO_CODE))[0], "TypeError: error_code: expected text, found int"),
    (raising(lambda: JobFailure("x", back_off="soon"))[0], "data.retryBackOff: expected a duration"),
    (raising(lambda: JobFailure("x", retries=NO_RETRIES[0]))[0], "data.retries: expected a whole number"),
    (raising(lambda: SystemExit(3))[0], "SystemExit: 3"),
    (raising(lambda: StopIteration(7))[1], "StopIteration"),
    (raising(lambda: asyncio.CancelledError("inner"))[0], "CancelledError: inner"),
]


async def test_the_text_says_what_was_wrong() -> None:
    async def is_said(handler: Callable[[Job], Any], words: str) -> None:
        assert words in (await ended(handler)).error_message

    await check_each(SAID, is_said)


async def test_a_handler_that_settled_its_job_and_then_raises_has_settled_it() -> None:
    async def ship(job: Job) -> None:
        await job.complete({"a": 1})
        raise ValueError("afterwards")

    job = await ended(ship)
    assert (job.state, job.result) == (JobState.COMPLETED, {"a": 1})


async def test_a_back_off_that_is_none_is_refused_before_any_job_is_locked() -> None:
    async with FakeConsumer().client() as client:
        for value in NO_BACK_OFFS:
            with pytest.raises(ValueError, match=r"^back_off: expected a duration"):
                Worker(client, "ship", print, back_off=value)
