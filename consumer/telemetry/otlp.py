"""Our numbers as the SDK exports them.

The SDK asks for counters and gauges by itself. It has no such instrument for histograms, so they join what it collected
on the way to the exporter.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from opentelemetry.metrics import CallbackOptions, Observation
from opentelemetry.sdk.metrics import MeterProvider, ObservableCounter
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    HistogramDataPoint,
    Metric,
    MetricExporter,
    MetricExportResult,
    MetricsData,
    PeriodicExportingMetricReader,
    ResourceMetrics,
    ScopeMetrics,
)
from opentelemetry.sdk.metrics.export import Histogram as HistogramData
from opentelemetry.sdk.resources import Resource

from consumer.telemetry import names
from consumer.telemetry.series import Counter, Family, Gauge, Histogram, Labels, read

__all__ = ["JoiningExporter", "Sending", "observe"]


def observe(family: Family[Counter] | Family[Gauge]) -> Callable[[CallbackOptions], Iterable[Observation]]:
    """The callback by which an observable instrument reads `family`."""
    return lambda _: [Observation(number, dict(labels)) for labels, number in read(family)]


class Sending:
    """Sends all numbers at intervals.

    Args:
        resource: who we are.
        exporter: sends them.
        histograms: by name; counters and gauges are told one by one.
        temporality: of counters; None for from the start.
    """

    def __init__(
        self,
        resource: Resource,
        exporter: MetricExporter,
        histograms: Mapping[str, Family[Histogram]],
        temporality: AggregationTemporality | None,
    ) -> None:
        joining = JoiningExporter(exporter, histograms, temporality or AggregationTemporality.CUMULATIVE)
        readers = [PeriodicExportingMetricReader(joining)]
        self.provider = MeterProvider(metric_readers=readers, resource=resource, shutdown_on_exit=False)
        self._meter = self.provider.get_meter(names.SCOPE)

    def counter(self, family: Family[Counter]) -> None:
        """Send also this one."""
        self._meter.create_observable_counter(family.name, [observe(family)], family.unit, family.description)

    def gauge(self, family: Family[Gauge]) -> None:
        """Send also this one."""
        self._meter.create_observable_gauge(family.name, [observe(family)], family.unit, family.description)

    def shutdown(self, seconds: float) -> None:
        """Send what is pending, in about `seconds`."""
        self.provider.shutdown(timeout_millis=seconds * 1000)


class JoiningExporter(MetricExporter):
    """Exports what the SDK collected and `histograms` with it.

    Args:
        exporter: sends both.
        histograms: by name.
        temporality: of counters; histograms always count from the start.
    """

    def __init__(
        self,
        exporter: MetricExporter,
        histograms: Mapping[str, Family[Histogram]],
        temporality: AggregationTemporality,
    ) -> None:
        super().__init__(preferred_temporality={ObservableCounter: temporality})
        self._exporter = exporter
        self._histograms = histograms

    def export(self, metrics_data: MetricsData, timeout_millis: float = 10_000, **kwargs: Any) -> MetricExportResult:
        """Send what was collected and the histograms that have measurements."""
        families = tuple(self._histograms.values())
        durations = [_metric(family) for family in families if family.items()]
        return self._exporter.export(_join(metrics_data, durations), timeout_millis, **kwargs)

    def force_flush(self, timeout_millis: float = 10_000) -> bool:
        """Send what is pending; whether that succeeded."""
        return self._exporter.force_flush(timeout_millis)

    def shutdown(self, timeout_millis: float = 30_000, **kwargs: Any) -> None:
        """End the exporter."""
        self._exporter.shutdown(timeout_millis, **kwargs)


def _join(data: MetricsData, more: list[Metric]) -> MetricsData:
    whose, *others = data.resource_metrics
    scope, *scopes = whose.scope_metrics
    extended = ScopeMetrics(scope=scope.scope, metrics=[*scope.metrics, *more], schema_url=scope.schema_url)
    first = ResourceMetrics(resource=whose.resource, scope_metrics=[extended, *scopes], schema_url=whose.schema_url)
    return MetricsData(resource_metrics=[first, *others])


def _metric(family: Family[Histogram]) -> Metric:
    now = time.time_ns()
    points = [_point(labels, histogram, family.started, now) for labels, histogram in family.items()]
    data = HistogramData(data_points=points, aggregation_temporality=AggregationTemporality.CUMULATIVE)
    return Metric(name=family.name, description=family.description, unit=family.unit, data=data)


def _point(labels: Labels, histogram: Histogram, started: int, now: int) -> HistogramDataPoint:
    counts = histogram.counts.copy()
    return HistogramDataPoint(
        attributes=dict(labels),
        start_time_unix_nano=started,
        time_unix_nano=now,
        count=sum(counts),
        sum=histogram.total,
        bucket_counts=counts,
        explicit_bounds=names.BUCKETS,
        min=histogram.minimum,
        max=histogram.maximum,
    )
