"""A request, handlers that answer it, and telemetry whose spans stay in memory."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from consumer.core.delivery import Delivery
from consumer.core.message import Message
from consumer.telemetry import Telemetry, setup
from tests.unit.consumer.deliveries import FakeDelivery

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = f"00-{TRACE}-b7ad6b7169203331-01"


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """The SDK reads the process's environment; these tests do not want what is in it."""
    for name in ("OTEL_SDK_DISABLED", "OTEL_SERVICE_NAME", "OTEL_RESOURCE_ATTRIBUTES", "OTEL_TRACES_SAMPLER"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def caller() -> tuple[str, str]:
    """The caller's traceparent and its trace id."""
    return PARENT, TRACE


@pytest.fixture
def incoming() -> Callable[..., Delivery]:
    """Makes a request: `incoming(operation, metadata, **properties)`."""

    def make(operation: str = "topology", metadata: Any = None, data: Any = None, **properties: Any) -> Delivery:
        body = {"operation": operation, "data": data or {}, "metadata": metadata or {}}
        return FakeDelivery(Message(**{"body": json.dumps(body).encode(), "queue": "zeebe.commands", **properties}))

    return make


@pytest.fixture
def exporter() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def telemetry(exporter: InMemorySpanExporter) -> Iterator[Telemetry]:
    """Tracing is on."""
    made = setup({}, version="1.2.3", spans=exporter)
    yield made
    made.shutdown()


@pytest.fixture
def off() -> Iterator[Telemetry]:
    """Tracing is off, metrics are on."""
    made = setup({}, version="1.2.3")
    yield made
    made.shutdown()


@pytest.fixture
def span(exporter: InMemorySpanExporter) -> Callable[[str], ReadableSpan]:
    """The one finished span of that name."""

    def find(name: str) -> ReadableSpan:
        (found,) = [one for one in exporter.get_finished_spans() if one.name == name]
        return found

    return find


@pytest.fixture
def text() -> Callable[[Telemetry], str]:
    """What Prometheus reads."""
    return lambda telemetry: telemetry.prometheus()[0].decode()
