"""Whatever a handler does, its job ends: completed, thrown, or failed with one retry less and a text that says why."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import timedelta
from decimal import Decimal
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


NO_VARIABLES: dict[str, Any] = {
    "a number": 5, "zero": 0, "text": "x", "empty text": "", "JSON as text": '{"a": 1}', "bytes": b"{}", "true": True,
    "false": False, "a list": [{"a": 1}], "an empty list": [], "a set": {1}, "an object of nobody's": object(),
    "a class": dict, "a function": print, "an exception": ValueError("x"), "a generator": (each for each in ()),
    "not a number": {"n": float("nan")},
    "infinity": {"n": [1, float("-inf")]},
    "a decimal that is not a number": {"n": Decimal("NaN")},
    "an object inside": {"a": {"b": object()}},
    "a key that is no text": {(1, 2): 3},
    "a lone surrogate": {"a": "\ud800"},
    "a lone surrogate as a key": {"\ud800": 1},
    "circular": circular(),
    "nested too deep": deep(600),
    "nested far too deep": deep(5_000),
    "5 MB": {"x": "y" * 5_000_000},
    "9 MB": {"x": "y" * 9_000_000},
    "raw and no JSON": msgspec.Raw(b"nope"),
    "raw and no object": msgspec.Raw(b"[]"),
    "raw and more than one value": msgspec.Raw(b'{},"retries":7'),
    "raw and cut off": msgspec.Raw(b'{"a":'),
    "raw and not UTF-8": msgspec.Raw(b'{"a":"\xff"}'),
}  # fmt: skip
NO_CODES: dict[str, Any] = {
    "empty": "", "blank": " \n", "None": None, "a number": 404, "bytes": b"code", "a list": ["code"],
    "an object": object(), "a lone surrogate": "\ud800", "5 MB": "c" * 5_000_000,
}  # fmt: skip
NO_BACK_OFFS: dict[str, Any] = {
    "words": "soon", "without a unit": "5", "negative": "-5s", "a negative timedelta": timedelta(seconds=-1),
    "a number without a unit": 5, "a negative number": -1, "a fraction": 1.5, "not a number": float("nan"),
    "true": True, "a list": [], "an object": object(), "centuries": "9999999999h", "timedelta's longest": timedelta.max,
}  # fmt: skip
NO_RETRIES: dict[str, Any] = {
    "text": "3", "a fraction": 1.5, "true": True, "not a number": float("nan"), "more than 32 bits": 2**40,
    "hundreds of digits": 10**400, "a list": [], "an object": object(),
}  # fmt: skip
ERRORS: dict[str, Callable[[], BaseException]] = {
    "an error": lambda: ValueError("x"),
    "an error without a text": KeyError,
    "an error whose text is an error": Unshowable,
    "an error with 5 MB of text": lambda: ValueError("x" * 5_000_000),
    "an error with control characters": lambda: ValueError("\x1b[31m\x00\u202e\ud800"),
    "a group of errors": lambda: ExceptionGroup("several", [ValueError("x"), Unshowable()]),
    "an exit": lambda: SystemExit(3),
    "the end of an iterator": lambda: StopIteration(7),
    "the end of an asynchronous iterator": StopAsyncIteration,
    "the end of a generator": GeneratorExit,
    "somebody else's cancellation": lambda: asyncio.CancelledError("inner"),
    "too deep": lambda: RecursionError("x"),
    "no memory": MemoryError,
}


def returning(value: Any) -> list[Callable[[Job], Any]]:
    async def awaited(_: Job) -> Any:
        return value

    return [awaited, lambda _: value]


def raising(error: Callable[[], BaseException]) -> list[Callable[[Job], Any]]:
    async def awaited(_: Job) -> Any:
        raise error()

    def plain(_: Job) -> Any:
        raise error()

    return [awaited, plain]


def unsettled() -> Iterator[tuple[str, list[Callable[[Job], Any]]]]:
    """Handlers that do not say how their job ends."""
    for name, value in NO_VARIABLES.items():
        yield f"returns {name}", returning(value)
        yield f"BpmnError with variables: {name}", raising(lambda value=value: BpmnError("code", "x", value))
        yield f"JobFailure with variables: {name}", raising(lambda value=value: JobFailure("x", variables=value))
    for name, value in NO_CODES.items():
        yield f"BpmnError with a code: {name}", raising(lambda value=value: BpmnError(value))
    for name, value in NO_BACK_OFFS.items():
        yield f"JobFailure with a back-off: {name}", raising(lambda value=value: JobFailure("x", back_off=value))
    for name, value in NO_RETRIES.items():
        yield f"JobFailure with retries: {name}", raising(lambda value=value: JobFailure("x", retries=value))
    for name, error in ERRORS.items():
        yield f"raises {name}", raising(error)


async def ended(handler: Callable[[Job], Any]) -> FakeJob:
    """What becomes of a job with two tries left."""
    consumer = FakeConsumer()
    job = consumer.add_job("ship", retries=2)
    async with consumer.client() as client:
        async with asyncio.timeout(PATIENCE):
            await consumer.work(Worker(client, "ship", handler, back_off="0s"), timeout=PATIENCE)
    return job


async def test_what_cannot_be_told_fails_with_one_retry_less_until_there_is_an_incident() -> None:
    async def fails(handler: Callable[[Job], Any]) -> None:
        job = await ended(handler)
        assert (job.state, job.retries, job.activations) == (JobState.FAILED, 0, 2)
        assert 0 < len(job.error_message) <= MAX_MESSAGE
        assert all(char.isprintable() or char in "\n\t" for char in job.error_message)

    async def awaited(_: Job) -> AsyncIterator[dict[str, int]]:
        yield {"a": 1}

    def plain(_: Job) -> Iterator[dict[str, int]]:
        yield {"a": 1}

    cases: dict[str, tuple[Any]] = {"a generator": (plain,), "an asynchronous generator": (awaited,)}
    for name, handlers in unsettled():
        for kind, handler in zip(("awaited", "in a thread"), handlers, strict=True):
            cases[f"{name}, {kind}"] = (handler,)
    await check_each(cases, fails)


TEXTS: dict[str, tuple[Any, str]] = {
    "None": (None, ""),
    "a number": (5, "5"),
    "an error": (ValueError("no van"), "no van"),
    "an error whose text is an error": (Unshowable(), "Unshowable, which cannot be shown as text"),
    "control characters": ("a\x1b[31mb\x00c\nd", "a\ufffd[31mb\ufffdc\nd"),
    "a lone surrogate": ("a\ud800b", "a\ufffdb"),
    "5 MB": ("x" * 5_000_000, "x" * (MAX_MESSAGE - 1) + "…"),
}


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


SAID: dict[str, tuple[Callable[[Job], Any], str]] = {
    "a result that is no object": (lambda _: 5, "data.variables: expected a JSON object, found a number"),
    "JSON as text": (lambda _: '{"a": 1}', "parse it first"),
    "not a number": (lambda _: {"n": float("nan")}, "data.variables.n: expected a number that JSON has"),
    "a code that is no text": (
        raising(lambda: BpmnError(404))[0],  # type: ignore[arg-type]
        "TypeError: error_code: expected text, found int",
    ),
    "a back-off in words": (
        raising(lambda: JobFailure("x", back_off="soon"))[0],
        "data.retryBackOff: expected a duration",
    ),
    "retries that are text": (
        raising(lambda: JobFailure("x", retries="3"))[0],  # type: ignore[arg-type]
        "data.retries: expected a whole number",
    ),
    "an exit": (raising(lambda: SystemExit(3))[0], "SystemExit: 3"),
    "the end of an iterator": (raising(lambda: StopIteration(7))[1], "StopIteration"),
    "somebody else's cancellation": (raising(lambda: asyncio.CancelledError("inner"))[0], "CancelledError: inner"),
}


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
        for value in NO_BACK_OFFS.values():
            with pytest.raises(ValueError, match=r"^back_off: expected a duration"):
                Worker(client, "ship", print, back_off=value)
