"""Looks at queues, for many whose requests end without an answer."""

from __future__ import annotations

import asyncio
from unittest.mock import AsyncMock

from zeebe_amqp.client.queue_looks import FRESH, KNOWN, QueueLooks
from zeebe_amqp.client.transport import QueueState

SEEN = QueueState(3, 0)


async def test_all_who_ask_one_after_the_other_are_told_and_the_broker_is_hardly_asked() -> None:
    async def look(_: str) -> QueueState:
        await asyncio.sleep(0.02)
        return SEEN

    async def ask(number: int) -> QueueState | None:
        await asyncio.sleep(0.003 * number)
        looks.begin("q")
        await asyncio.sleep(0.1)
        return looks.last("q")

    broker = AsyncMock(side_effect=look)
    looks = QueueLooks(broker)
    assert set(await asyncio.gather(*map(ask, range(100)))) == {SEEN}
    assert broker.await_count < 4


async def test_what_was_seen_long_ago_is_looked_at_again_and_not_told() -> None:
    broker = AsyncMock(side_effect=[SEEN, None])
    looks = QueueLooks(broker)
    looks.begin("q")
    await asyncio.sleep(FRESH / 2)
    assert looks.last("q") == SEEN
    await asyncio.sleep(KNOWN)
    assert looks.last("q") is None
    looks.begin("q")
    await looks.end()
    assert (broker.await_count, looks.last("q"), looks.last("another")) == (2, None, None)
