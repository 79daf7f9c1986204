"""What is counted and timed, and where it can be read."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Sequence

from opentelemetry.metrics import CallbackOptions, Observation
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import Metric, MetricExporter, MetricReader
from opentelemetry.sdk.resources import Resource
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from consumer.telemetry import names
from consumer.telemetry.exporters import PeriodicReader, PrometheusReader
from consumer.telemetry.series import Counts, Durations, Labels, Memo

log = logging.getLogger(__name__)


class Metrics:
    """All the numbers of one service.

    Args:
        resource: who we are.
        exporter: where to send metrics at intervals; None for nowhere.
        active: false keeps every number inside; nothing can be read or exported.
    """

    def __init__(self, resource: Resource, exporter: MetricExporter | None = None, *, active: bool = True) -> None:
        self._registry = CollectorRegistry()
        self._counters: Memo[str, Counts] = Memo(self._make_counter)
        self._durations: Memo[str, Durations] = Memo(Durations)
        self._gauges: dict[str, dict[Labels, Callable[[], float]]] = {}
        self._provider = MeterProvider(
            metric_readers=self._readers(exporter) if active else [], resource=resource, shutdown_on_exit=False
        )
        self._meter = self._provider.get_meter(names.SCOPE)
        started = time.monotonic()
        # The SDK hands nothing to its readers while it has nothing of its own: this one is always there.
        self.gauge(names.UPTIME, lambda: time.monotonic() - started, (), unit="s")

    def _readers(self, exporter: MetricExporter | None) -> Sequence[MetricReader]:
        readers: list[MetricReader] = [PrometheusReader(self._registry, self._collected)]
        if exporter is not None:
            readers.append(PeriodicReader(exporter, self._collected))
        return readers

    def _collected(self) -> list[Metric]:
        metrics = [durations.collect() for durations in self._durations.copy().values()]
        return [metric for metric in metrics if metric.data.data_points]

    def counter(self, name: str) -> Counts:
        """The counter `name`."""
        return self._counters[name]

    def durations(self, name: str) -> Durations:
        """The duration histogram `name`."""
        return self._durations[name]

    def _make_counter(self, name: str) -> Counts:
        counts = Counts()
        self._meter.create_observable_counter(
            name,
            callbacks=[counts.observe],
            unit=names.UNITS.get(name, ""),
            description=names.DESCRIPTIONS.get(name, ""),
        )
        return counts

    def gauge(self, name: str, callback: Callable[[], float], labels: Labels, *, unit: str = "") -> None:
        """Read `callback` whenever metrics are read; the same name and labels replace an earlier one."""
        sources = self._gauges.get(name)
        if sources is None:
            sources = self._gauges[name] = {}
            self._meter.create_observable_gauge(
                name, callbacks=[_reading(name, sources)], unit=unit, description=names.DESCRIPTIONS.get(name, "")
            )
        sources[labels] = callback

    def prometheus(self) -> tuple[bytes, str]:
        """Every metric as text for Prometheus, and its content type."""
        return generate_latest(self._registry), CONTENT_TYPE_LATEST

    def shutdown(self, seconds: float) -> None:
        """Export what is pending, in about `seconds`."""
        self._provider.shutdown(timeout_millis=seconds * 1000)


def _reading(
    name: str, sources: dict[Labels, Callable[[], float]]
) -> Callable[[CallbackOptions], Iterable[Observation]]:
    def read(_: CallbackOptions) -> Iterable[Observation]:
        readings = []
        for labels, callback in sources.copy().items():
            try:
                readings.append(Observation(callback(), dict(labels)))
            except Exception:  # one broken source must not hide the others
                log.warning("the metric %s could not be read", name, exc_info=True)
        return readings

    return read
