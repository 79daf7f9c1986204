"""What is counted and timed, and where it can be read."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from opentelemetry.sdk.resources import Resource
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from consumer.telemetry import names
from consumer.telemetry.process import descriptors, processor_time, resident
from consumer.telemetry.prometheus import PrometheusCollector
from consumer.telemetry.series import Counter, Facts, Family, Gauge, Histogram, Labels, Memo

if TYPE_CHECKING:
    from opentelemetry.sdk.metrics.export import AggregationTemporality, MetricExporter

    from consumer.telemetry.otlp import Sending

__all__ = ["Metrics"]


class Metrics:
    """All the numbers of one service.

    Args:
        resource: who we are.
        exporter: where to send metrics at intervals; None for nowhere.
        temporality: of the counters that are sent; None for from the start.
        active: false keeps every number inside; nothing can be read or exported.
    """

    def __init__(
        self,
        resource: Resource,
        exporter: MetricExporter | None = None,
        temporality: AggregationTemporality | None = None,
        *,
        active: bool = True,
    ) -> None:
        self._counters: Memo[str, Family[Counter]] = Memo(self._make_counter)
        self._gauges: Memo[str, Family[Gauge]] = Memo(self._make_gauge)
        self._histograms: Memo[str, Family[Histogram]] = Memo(lambda name: Family(name, Histogram))
        self._registry = CollectorRegistry()
        if active:
            self._registry.register(PrometheusCollector(resource, self._counters, self._gauges, self._histograms))
        self._sending: Sending | None = None
        if active and exporter is not None:
            # Imported where it is used: the SDK's meters are a stack of modules that most installations never need.
            from consumer.telemetry.otlp import Sending

            self._sending = Sending(resource, exporter, self._histograms, temporality)
        started = time.monotonic()
        # The SDK hands nothing to its readers while it has nothing of its own: this one is always there.
        self.gauge(names.UPTIME, lambda: time.monotonic() - started, ())
        self.gauge(names.MEMORY, resident, ())
        self.gauge(names.DESCRIPTORS, descriptors, ())
        self._counters[names.CPU_TIME].at(()).source = processor_time

    def counter(self, name: str) -> Family[Counter]:
        """The counters `name`."""
        return self._counters[name]

    def histogram(self, name: str) -> Family[Histogram]:
        """The duration histograms `name`."""
        return self._histograms[name]

    def gauge(self, name: str, callback: Callable[[], float], labels: Labels) -> None:
        """Read `callback` whenever metrics are read; the same name and labels replace an earlier one."""
        self._gauges[name].at(labels).read = callback

    def readable(self, name: str) -> Family[Gauge]:
        """The gauges `name`."""
        return self._gauges[name]

    def facts(self, name: str, facts: Callable[[], Mapping[str, str | int]]) -> None:
        """Show a metric that is always 1, with the labels that `facts` gives whenever metrics are read."""
        family = self._gauges[name] = Facts(name, facts)
        if self._sending is not None:
            self._sending.gauge(family)

    def _make_counter(self, name: str) -> Family[Counter]:
        family = Family(name, Counter)
        if self._sending is not None:
            self._sending.counter(family)
        return family

    def _make_gauge(self, name: str) -> Family[Gauge]:
        family = Family(name, Gauge)
        if self._sending is not None:
            self._sending.gauge(family)
        return family

    def prometheus(self) -> tuple[bytes, str]:
        """Every metric as text for Prometheus, and its content type."""
        return generate_latest(self._registry), CONTENT_TYPE_LATEST

    def shutdown(self, seconds: float) -> None:
        """Export what is pending, in about `seconds`."""
        if self._sending is not None:
            self._sending.shutdown(seconds)
