"""The letters that wait are counted, and somebody is told before they are too many."""

from __future__ import annotations

import asyncio
import logging
from math import isnan, nan
from types import SimpleNamespace
from typing import Any, Self

import pytest
from aiormq.exceptions import ChannelAccessRefused, ChannelNotFoundEntity

from consumer.rabbitmq.dead_letter_count import INTERVAL, RETRY, DeadLetterCount, describe
from tests.cases import for_each
from tests.unit.consumer.deliveries import QuickClock


class FakeQueue:
    """A connection, its channels and its queue in one: each count finds the next number, or fails with the error."""

    def __init__(self, *found: int | Exception) -> None:
        self._found = list(found)
        self.asked: list[tuple[str, bool]] = []

    def channel(self) -> Self:
        return self

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        pass

    async def declare_queue(self, name: str, *, passive: bool) -> Any:
        self.asked.append((name, passive))
        found = self._found.pop(0)
        if isinstance(found, Exception):
            raise found
        return SimpleNamespace(declaration_result=SimpleNamespace(message_count=found, consumer_count=0))


class RecordingClock(QuickClock):
    """Writes down for how long it sleeps and what was counted until then, so many times."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self._times = times
        self.slept: list[tuple[float, float]] = []
        self.over = asyncio.Event()
        self.count: Any = None

    async def sleep(self, seconds: float) -> None:
        self.slept.append((seconds, self.count.waiting))
        if len(self.slept) == self._times:
            self.over.set()
            await asyncio.Event().wait()


async def counted(*found: int | Exception, bound: int = 10) -> tuple[list[tuple[float, float]], FakeQueue]:
    """What was counted, with the pause after it."""
    connection: Any = FakeQueue(*found)
    clock = RecordingClock(len(found))
    clock.count = DeadLetterCount(bound, clock)
    clock.count.follow(connection)
    clock.count.start()
    async with asyncio.timeout(5):
        await clock.over.wait()
    clock.count.stop()
    return clock.slept, connection


async def test_the_queue_is_asked_and_changed_by_nobody() -> None:
    slept, connection = await counted(0, 3)
    assert slept == [(INTERVAL, 0), (INTERVAL, 3)]
    assert connection.asked == [("zeebe.dead", True)] * 2


@for_each([ChannelNotFoundEntity("no"), ChannelAccessRefused("no"), ConnectionError(), RuntimeError(), TimeoutError()])
async def test_what_cannot_be_counted_is_unknown_and_soon_tried_again(error: Exception) -> None:
    slept, _ = await counted(5, error, 7)
    assert [pause for pause, _ in slept] == [INTERVAL, RETRY, INTERVAL]
    assert slept[0][1] == 5
    assert isnan(slept[1][1])
    assert slept[2][1] == 7


async def test_without_a_connection_nothing_is_known() -> None:
    clock = RecordingClock(2)
    clock.count = DeadLetterCount(10, clock)
    clock.count.stop()
    clock.count.start()
    async with asyncio.timeout(5):
        await clock.over.wait()
    clock.count.stop()
    assert str(clock.slept) == str([(RETRY, nan)] * 2)


async def test_it_is_said_once_that_there_are_many_and_once_that_there_are_not(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    await counted(7, 8, 9, 12, ConnectionError(), 12, 7, 6, 8)
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("WARNING", f"dead letters: {describe(8, 10)}"),
        ("INFO", f"dead letters: {describe(7, 10)}"),
        ("WARNING", f"dead letters: {describe(8, 10)}"),
    ]


def test_people_are_told_the_share_of_the_bound_and_what_to_do() -> None:
    assert describe(7, 10) == "7 wait in 'zeebe.dead', 70 % of DEAD_LETTER_BOUND (10)"
    assert describe(12, 10) == (
        "12 wait in 'zeebe.dead', 120 % of DEAD_LETTER_BOUND (10): `dead list` shows them; replay or drop them"
    )
