"""Connections to the broker: the AMQP library's odd ways to tell that one was lost."""

from __future__ import annotations

import asyncio

import pytest

from zeebe_amqp.connection import library_calls, said


@pytest.mark.parametrize("raised", [asyncio.CancelledError(), Exception()], ids=repr)
async def test_what_the_library_raises_for_a_lost_connection_is_a_connection_error(raised: BaseException) -> None:
    with pytest.raises(ConnectionError), library_calls():
        raise raised


@pytest.mark.parametrize("raised", [ValueError("x"), OSError("x"), KeyboardInterrupt()], ids=repr)
async def test_any_other_error_passes(raised: BaseException) -> None:
    with pytest.raises(type(raised)), library_calls():
        raise raised


async def test_a_real_cancellation_passes() -> None:
    async def wait() -> None:
        with library_calls():
            await asyncio.Event().wait()

    task = asyncio.create_task(wait())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert task.cancelled()


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (None, "closed"),
        (asyncio.CancelledError(), "closed"),
        (TimeoutError(), "TimeoutError"),
        (OSError("refused"), "OSError: refused"),
    ],
    ids=repr,
)
def test_a_lost_connection_is_said_in_one_line(error: BaseException | None, text: str) -> None:
    assert said(error) == text
