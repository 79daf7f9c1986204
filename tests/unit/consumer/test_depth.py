"""The way from a delivery to the engine is short: each coroutine on it costs every command."""

from __future__ import annotations

import asyncio
import inspect
import sys
from itertools import product
from types import FrameType
from typing import Any

from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from consumer import telemetry
from consumer.app import Service
from consumer.config import Settings
from consumer.rabbitmq import Broker
from consumer.zeebe.connection import Connection
from consumer.zeebe.protocol import gateway_pb2 as pb
from tests.cases import for_each
from tests.unit.consumer.deliveries import delivery
from tests.unit.consumer.workers import until

MOST = 15
"""Coroutines on top of each other, the worker's task included."""


def coroutines(frame: FrameType | None) -> list[str]:
    """The names of the coroutines that wait for this frame, outermost first."""
    if frame is None:
        return []
    own = [frame.f_code.co_qualname] if frame.f_code.co_flags & inspect.CO_COROUTINE else []
    return [*coroutines(frame.f_back), *own]


@for_each(product([None, InMemorySpanExporter()], ["a request id", None]))
async def test_few_coroutines_are_between_a_delivery_and_its_call(spans: Any, identity: Any, monkeypatch: Any) -> None:
    service = Service(Settings(ledger="memory://", http_address=None), telemetry.setup({}, version="0", spans=spans))
    await service.ledger.start()
    seen: list[list[str]] = []

    def call(*_: Any, **__: Any) -> Any:
        seen.append(coroutines(sys._getframe()))
        return asyncio.sleep(0, pb.PublishMessageResponse(key=1))

    monkeypatch.setattr(Connection, "is_ready", True)
    monkeypatch.setattr(service.zeebe._connections.current, "call", call)
    monkeypatch.setattr(Broker, "is_ready", True)
    request = delivery("publish-message", {"messageName": "m"}, queue="zeebe.commands", message_id=identity)
    service._accept(request)
    await until(lambda: request.events)
    await service.engine.close()
    [path] = seen
    assert path[0] == "QueueWorker._serve"
    assert len(path) <= MOST, path
