"""A worker, what it publishes with and what it runs, for tests of a part of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from consumer.core.call import Call
from consumer.core.circuit_breaker import CircuitBreaker
from consumer.core.delivery import Delivery, Handler
from consumer.core.limiter import AimdLimit
from consumer.core.message import Message, Reply
from consumer.pipeline.publishing import PublishFailed
from consumer.pipeline.refused_replies import RefusedReplies
from consumer.pipeline.worker import QueueWorker
from tests.unit.consumer.deliveries import FakeDelivery, QuickClock
from zeebe_amqp.errors import CommandError

OK = Reply("topology", {})


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


class ScriptedHandler:
    """A handler with scripted replies that can be held."""

    def __init__(self) -> None:
        self.replies: list[Reply | Exception] = []
        self.running = self.runs = 0
        self.limiter = asyncio.Event()
        self.limiter.set()

    async def __call__(self, _: Delivery) -> Reply:
        self.runs += 1
        self.running += 1
        try:
            await self.limiter.wait()
        finally:
            self.running -= 1
        reply = self.replies.pop(0) if self.replies else OK
        if isinstance(reply, Exception):
            raise reply
        return reply


class FakeEngine:
    """Answers every call with `answer`, or raises one like it, as an engine does each time; keeps what it was asked."""

    def __init__(self, answer: object = None) -> None:
        self._answer = answer
        self.calls: list[Call] = []

    async def execute(self, call: Call) -> object:
        self.calls.append(call)
        call.sent = True
        await asyncio.sleep(0)
        answer = self._answer
        if isinstance(answer, CommandError):
            terms = {"source": answer.source, "outcome": answer.outcome, "details": answer.details}
            raise CommandError(answer.code, answer.message, **terms)  # type: ignore[arg-type]
        if isinstance(answer, BaseException):
            raise type(answer)(*answer.args)
        return answer

    async def close(self) -> None:
        """Nothing is open."""


def refusable(maximum: int) -> RefusedReplies:
    """Room for so many refused replies, of all users."""
    return RefusedReplies(lambda: maximum, 30)


def worker_of(handler: Handler, replies: FakePublisher, **settings: Any) -> QueueWorker:
    given: dict[str, Any] = {
        "limit": AimdLimit(2),
        "circuit": CircuitBreaker(),
        "refused": RefusedReplies(lambda: 9, 30),
    }
    given |= {"clock": QuickClock(), "forget_retry": 900, "refusal": lambda _: None}
    given |= {"acknowledged": lambda _: replies.events.append("acknowledged"), **settings}
    return QueueWorker(handler, replies, **given)


async def until(condition: Callable[[], object]) -> None:
    """Wait for what a worker or a monitor does, which tells nobody."""
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0)


async def pause() -> None:
    """Let everything do what it can do now, however busy the machine is; then some milliseconds pass."""
    for _ in range(100):
        await asyncio.sleep(0)
    await asyncio.sleep(0.005)


async def settled(worker: QueueWorker, *deliveries: FakeDelivery) -> None:
    for delivery in deliveries:
        worker.accept(delivery)
    await until(lambda: not worker.in_flight)


class Bench:
    """What is around a worker, and what happened, in order."""

    def __init__(self) -> None:
        self.events: list[str] = []
        self.handler = ScriptedHandler()
        self.publisher = FakePublisher(self.events)

    @property
    def runs(self) -> int:
        return self.handler.runs

    def delivered(self, *, reply_to: str | None = "replies", body: bytes = b'{"operation":"topology"}') -> FakeDelivery:
        return FakeDelivery(Message(body, reply_to=reply_to), self.events)

    def worker(self, *deliveries: FakeDelivery, handler: Handler | None = None, **settings: Any) -> QueueWorker:
        """One that has accepted these."""
        worker = worker_of(handler or self.handler, self.publisher, **settings)
        for delivery in deliveries:
            worker.accept(delivery)
        return worker

    async def settle(self, *deliveries: FakeDelivery, **settings: Any) -> None:
        """Run these to their end."""
        await settled(self.worker(**settings), *deliveries)
