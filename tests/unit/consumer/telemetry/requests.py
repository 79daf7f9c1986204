"""Requests as they arrive, with or without the trace of their caller, and what Prometheus reads of them."""

from __future__ import annotations

import json
from typing import Any

from consumer.core.delivery import Delivery
from consumer.core.message import Message
from consumer.telemetry import Telemetry
from tests.unit.consumer.deliveries import FakeDelivery

TRACE = "0af7651916cd43dd8448eb211c80319c"
"""The caller's trace id."""
PARENT = f"00-{TRACE}-b7ad6b7169203331-01"
"""The caller's traceparent."""


def incoming(operation: str = "topology", metadata: Any = None, data: Any = None, **properties: Any) -> Delivery:
    body = {"operation": operation, "data": data or {}, "metadata": metadata or {}}
    return FakeDelivery(Message(**{"body": json.dumps(body).encode(), "queue": "zeebe.commands", **properties}))


def text(telemetry: Telemetry) -> str:
    """What Prometheus reads."""
    return telemetry.prometheus()[0].decode()
