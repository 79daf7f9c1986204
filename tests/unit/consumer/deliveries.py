"""Deliveries of no broker, and a clock that nobody has to wait for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from types import SimpleNamespace
from typing import Any

import orjson

from consumer.core.clock import Clock
from consumer.core.delivery import Delivery
from consumer.core.message import Message
from consumer.ledger import Ledger, Limits, MemoryStore


class FakeDelivery(Delivery):
    """A delivery that writes down how it was settled; its channel is open until `open` is false."""

    def __init__(self, message: Message, events: list[str] | None = None) -> None:
        super().__init__(message)
        self.events: list[str] = [] if events is None else events
        self._channel = SimpleNamespace(open=True)

    @property
    def open(self) -> bool:
        return bool(self._channel.open)

    @open.setter
    def open(self, value: bool) -> None:
        self._channel.open = value

    @property
    def alive(self) -> bool:
        return self.open

    def channel(self) -> Callable[[], bool]:
        channel = self._channel
        return lambda: channel.open

    def ack(self) -> bool:
        self.events.append("ack")
        return self.open

    def requeue(self, *, failed: bool = False) -> None:
        self.events.append("give back as failed" if failed else "give back")


def delivery(operation: str, data: Any = None, metadata: Any = None, **properties: Any) -> FakeDelivery:
    """A delivery of an envelope."""
    body = orjson.dumps({"operation": operation, "data": data, "metadata": metadata})
    return FakeDelivery(Message(body, **properties))


class MemoryLedger(Ledger):
    """A ledger that lives as long as the test."""

    def __init__(self) -> None:
        super().__init__(MemoryStore(), Limits(3600))


class QuickClock(Clock):
    """Sleeps `pause` seconds, whatever is asked for, and is out of timeout_after after `timeout_after`."""

    def __init__(self, pause: float = 0.0, timeout_after: float = 30.0) -> None:
        self.pause = pause
        self.timeout_after = timeout_after
        self.passed = 0.0

    def monotonic(self) -> float:
        return self.passed

    async def sleep(self, seconds: float) -> None:
        self.passed += seconds
        await asyncio.sleep(self.pause)

    def timeout(self, seconds: float) -> AbstractAsyncContextManager[object]:
        return asyncio.timeout(min(seconds, self.timeout_after))
