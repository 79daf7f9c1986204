"""The letters that wait are counted, and somebody is told before they are too many."""

from __future__ import annotations

import asyncio
import logging
from math import nan
from types import SimpleNamespace
from typing import Any, cast
from unittest.mock import AsyncMock, Mock, call

import pytest
from aiormq.exceptions import ChannelAccessRefused, ChannelNotFoundEntity

from consumer.rabbitmq.dead_letter_count import INTERVAL, RETRY, DeadLetterCount, describe
from tests.cases import for_each


def queue(waiting: int) -> Any:
    """What the library tells of a queue with so many messages."""
    return SimpleNamespace(declaration_result=SimpleNamespace(message_count=waiting, consumer_count=0))


@pytest.fixture
def counted(connection: Any, channel: AsyncMock) -> Any:
    """The pauses after counts that find these numbers, or fail, and what is known then."""

    async def count(*found: int | Exception, connection: Any = connection) -> list[tuple[float, float]]:
        async def sleep(seconds: float) -> None:
            slept.append((seconds, counting.waiting))
            if len(slept) == len(found):
                counting.stop()
                await asyncio.sleep(0)

        channel.declare_queue.side_effect = [each if isinstance(each, Exception) else queue(each) for each in found]
        slept: list[tuple[float, float]] = []
        counting = DeadLetterCount(10, Mock(sleep=sleep))
        counting.stop()
        if connection is not None:
            counting.follow(connection)
        counting.start()
        await asyncio.wait([cast("Any", counting._task)], timeout=5)
        return slept

    return count


async def test_the_queue_is_asked_and_changed_by_nobody(counted: Any, channel: AsyncMock) -> None:
    assert await counted(0, 3) == [(INTERVAL, 0), (INTERVAL, 3)]
    assert channel.declare_queue.mock_calls == [call("zeebe.dead", passive=True)] * 2


@for_each([ChannelNotFoundEntity("no"), ChannelAccessRefused("no"), ConnectionError(), RuntimeError(), TimeoutError()])
async def test_what_cannot_be_counted_is_unknown_and_soon_tried_again(error: Exception, counted: Any) -> None:
    assert str(await counted(5, error, 7)) == str([(INTERVAL, 5), (RETRY, nan), (INTERVAL, 7)])


async def test_without_a_connection_nothing_is_known(counted: Any) -> None:
    assert str(await counted(1, 1, connection=None)) == str([(RETRY, nan)] * 2)


async def test_it_is_said_once_that_there_are_many_and_once_that_not(counted: Any, caplog: Any) -> None:
    caplog.set_level(logging.INFO)
    await counted(7, 8, 9, 12, ConnectionError(), 12, 7, 6, 8)
    told = [("WARNING", 8), ("INFO", 7), ("WARNING", 8)]
    expected = [(level, f"dead letters: {describe(waiting, 10)}") for level, waiting in told]
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == expected


async def test_letters_grow_old_from_the_first_count_that_finds_some(connection: Any, channel: AsyncMock) -> None:
    found = [0, 3, ConnectionError(), 5, 0]
    channel.declare_queue.side_effect = [each if isinstance(each, Exception) else queue(each) for each in found]
    ages: list[float] = []
    now = 0.0

    async def sleep(seconds: float) -> None:
        nonlocal now
        now += seconds
        ages.append(counting.age())
        if len(ages) == len(found):
            counting.stop()
            await asyncio.sleep(0)

    counting = DeadLetterCount(10, Mock(sleep=sleep, monotonic=lambda: now))
    counting.follow(connection)
    counting.start()
    await asyncio.wait([cast("Any", counting._task)], timeout=5)
    assert ages == [0, INTERVAL, INTERVAL + RETRY, 2 * INTERVAL + RETRY, 0]


def test_people_are_told_the_share_of_the_bound_and_what_to_do() -> None:
    assert describe(7, 10) == "7 wait in 'zeebe.dead', 70 % of DEAD_LETTER_BOUND (10)"
    assert describe(12, 10) == (
        "12 wait in 'zeebe.dead', 120 % of DEAD_LETTER_BOUND (10): `dead list` shows them; replay or drop them"
    )
