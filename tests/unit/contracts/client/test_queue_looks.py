"""Looks at queues, for many whose requests end without an answer."""

from __future__ import annotations

import asyncio

from zeebe_amqp.client import queue_looks
from zeebe_amqp.client.queue_looks import QueueLooks
from zeebe_amqp.client.transport import QueueState


class Broker:
    """Says of its queues what `state` is, after a while."""

    def __init__(self) -> None:
        self.state: QueueState | None = QueueState(3, 0)
        self.looked = 0

    async def look(self, _: str) -> QueueState | None:
        self.looked += 1
        await asyncio.sleep(0.02)
        return self.state


async def test_all_who_ask_one_after_the_other_are_told_and_the_broker_is_hardly_asked() -> None:
    broker = Broker()
    looks = QueueLooks(broker.look)

    async def ask() -> QueueState | None:
        looks.begin("q")
        await asyncio.sleep(0.1)
        return looks.last("q")

    asking = []
    for _ in range(100):
        asking.append(asyncio.create_task(ask()))
        await asyncio.sleep(0.003)

    assert set(await asyncio.gather(*asking)) == {QueueState(3, 0)}
    assert broker.looked < 4


async def test_what_was_seen_long_ago_is_looked_at_again_and_not_told() -> None:
    broker = Broker()
    looks = QueueLooks(broker.look)
    looks.begin("q")
    await asyncio.sleep(queue_looks.FRESH / 2)
    assert looks.last("q") == QueueState(3, 0)
    broker.state = None
    await asyncio.sleep(queue_looks.KNOWN)
    assert looks.last("q") is None
    looks.begin("q")
    await looks.end()
    assert (broker.looked, looks.last("q"), looks.last("another")) == (2, None, None)
