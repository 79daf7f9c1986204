"""The ledger's thread."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import pytest

from consumer.core.thread import Worker


@pytest.fixture
def worker() -> Iterator[Worker]:
    worker = Worker("a name")
    yield worker
    worker.close()


async def test_calls_run_in_the_order_in_which_they_come_in_one_thread_of_that_name(worker: Worker) -> None:
    """Also those that nobody waits for any more."""
    ran: list[tuple[int, str]] = []
    go = threading.Event()
    worker.call(go.wait, 10).cancel()
    for number in range(50):
        last = worker.call(lambda number: ran.append((number, threading.current_thread().name)), number)
        if number < 49:
            last.cancel()
    go.set()
    await last
    assert ran == [(number, "a name") for number in range(50)]


async def test_what_a_call_raises_is_raised_and_the_next_one_runs(worker: Worker) -> None:
    with pytest.raises(ZeroDivisionError):
        await worker.call(lambda: 1 / 0)
    assert await worker.call(pow, 2, exp=3) == 8


def test_a_call_that_outlives_its_event_loop_harms_nothing(worker: Worker) -> None:
    go = threading.Event()

    async def leave() -> None:
        worker.call(go.wait, 10)

    async def ask() -> int:
        return await worker.call(int, "7")

    asyncio.run(leave())
    go.set()
    assert asyncio.run(ask()) == 7


async def test_closing_waits_for_what_was_asked_for_and_may_be_done_twice(worker: Worker) -> None:
    ran: list[int] = []
    worker.call(ran.append, 1)
    worker.close()
    assert ran == [1]
