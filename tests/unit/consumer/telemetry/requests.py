"""Requests as they arrive, with or without the trace of their caller, how they are answered, and what is read of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from unittest.mock import AsyncMock

from opentelemetry.sdk.trace import ReadableSpan

from consumer.core.delivery import Delivery, Handler
from consumer.core.message import Message, Reply
from consumer.telemetry import Telemetry
from tests.unit.consumer.deliveries import FakeDelivery

TRACE = "0af7651916cd43dd8448eb211c80319c"
"""The caller's trace id."""
PARENT = f"00-{TRACE}-b7ad6b7169203331-01"
"""The caller's traceparent."""
Find = Callable[[str], ReadableSpan]


def incoming(operation: str = "topology", metadata: Any = None, data: Any = None, **properties: Any) -> Delivery:
    body = {"operation": operation, "data": data or {}, "metadata": metadata or {}}
    return FakeDelivery(Message(**{"body": json.dumps(body).encode(), "queue": "zeebe.commands", **properties}))


def answering(answer: Reply | BaseException) -> Handler:
    """A handler that gives this reply, or raises this error."""
    return AsyncMock(side_effect=answer) if isinstance(answer, BaseException) else AsyncMock(return_value=answer)


def text(telemetry: Telemetry) -> str:
    """What Prometheus reads."""
    return telemetry.prometheus()[0].decode()
