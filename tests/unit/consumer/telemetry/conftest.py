"""Telemetry whose spans stay in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from consumer.telemetry import Telemetry, setup


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """The SDK reads the process's environment; these tests do not want what is in it."""
    for name in ("OTEL_SDK_DISABLED", "OTEL_SERVICE_NAME", "OTEL_RESOURCE_ATTRIBUTES", "OTEL_TRACES_SAMPLER"):
        monkeypatch.delenv(name, raising=False)


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
    """The last finished span of that name."""
    return lambda name: [one for one in exporter.get_finished_spans() if one.name == name][-1]
