"""A worker, what it publishes with and what it runs, for tests of a part of it."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson

from consumer.core.circuit_breaker import CircuitBreaker
from consumer.core.delivery import Delivery, Handler
from consumer.core.limiter import AimdLimit
from consumer.core.message import Message, Reply
from consumer.pipeline.refused_replies import RefusedReplies
from consumer.pipeline.worker import PublishFailed, QueueWorker
from tests.unit.consumer.deliveries import FakeDelivery, QuickClock

OK = Reply("topology", {})


def delivered(events: list[str], *, reply_to: str | None = "replies", body: bytes | None = None) -> FakeDelivery:
    body = orjson.dumps({"operation": "topology"}) if body is None else body
    return FakeDelivery(Message(body, reply_to=reply_to), events)


class FakePublisher:
    """A publisher that can be closed (an alarm) and that can refuse."""

    def __init__(self, events: list[str]) -> None:
        self.events = events
        self.sent: list[Reply] = []
        self.refusals = 0
        self.open = asyncio.Event()
        self.open.set()

    @property
    def is_ready(self) -> bool:
        return self.open.is_set()

    async def ready(self) -> None:
        await self.open.wait()

    async def _publish(self, event: str, reply: Reply) -> None:
        if self.refusals:
            self.refusals -= 1
            raise PublishFailed("no confirm")
        self.events.append(event)
        self.sent.append(reply)

    async def reply(self, delivery: Delivery, reply: Reply) -> bool:
        await self._publish("reply", reply)
        return True

    async def dead_letter(self, message: Message, reply: Reply) -> None:
        await self._publish("dead letter", reply)


class Handling:
    """A handler with scripted replies that can be held."""

    def __init__(self) -> None:
        self.replies: list[Reply | Exception] = []
        self.running = self.most = self.runs = 0
        self.limiter = asyncio.Event()
        self.limiter.set()

    async def __call__(self, _: Delivery) -> Reply:
        self.runs += 1
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            await self.limiter.wait()
        finally:
            self.running -= 1
        reply = self.replies.pop(0) if self.replies else OK
        if isinstance(reply, Exception):
            raise reply
        return reply


def worker_of(handling: Handler, replies: FakePublisher, **settings: Any) -> QueueWorker:
    return QueueWorker(
        handling,
        replies,
        **{
            "limit": AimdLimit(2),
            "forget_retry": 900,
            "refusal": lambda _: None,
            "circuit": CircuitBreaker(),
            "refused": RefusedReplies(4, 30),
            "acknowledged": lambda delivery: replies.events.append("acknowledged"),
            "clock": QuickClock(),
            **settings,
        },
    )


async def settled(worker: QueueWorker, *deliveries: FakeDelivery) -> None:
    for delivery in deliveries:
        worker.accept(delivery)
    while worker.in_flight:  # noqa: ASYNC110 - a worker that is empty tells nobody
        await asyncio.sleep(0)
