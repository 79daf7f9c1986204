"""Our numbers as Prometheus reads them, with the names OpenTelemetry's rules give them there."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import accumulate, chain
from typing import Any, Final, TypeVar

from opentelemetry.sdk.resources import Resource
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)

from consumer.telemetry import names
from consumer.telemetry.catalog import COUNTER
from consumer.telemetry.series import Counter, Family, Gauge, Histogram, Labels, read

__all__ = ["PrometheusCollector", "exposed"]


Value = TypeVar("Value")

_UNITS: Final = {"s": "seconds", "By": "bytes"}
_BOUNDS: Final = (*map(str, names.BUCKETS), "+Inf")


class PrometheusCollector:
    """Shows every metric that has a series; to be registered at a `CollectorRegistry`."""

    def __init__(
        self,
        resource: Resource,
        counters: Mapping[str, Family[Counter]],
        gauges: Mapping[str, Family[Gauge]],
        histograms: Mapping[str, Family[Histogram]],
    ) -> None:
        self._target = InfoMetricFamily("target", "Target metadata", value=dict(_texts(resource.attributes.items())))
        self._counters = counters
        self._gauges = gauges
        self._histograms = histograms

    def collect(self) -> Iterator[Metric]:
        """Every metric as it is now."""
        yield self._target
        shown = chain(
            (_numbers(CounterMetricFamily, family) for family in tuple(self._counters.values())),
            (_numbers(GaugeMetricFamily, family) for family in tuple(self._gauges.values())),
            (_durations(family) for family in tuple(self._histograms.values())),
        )
        yield from (family for family in shown if family.samples)


def exposed(name: str, kind: str, unit: str) -> str:
    """The name of a metric's series in Prometheus; a histogram's get `_bucket`, `_count` and `_sum` after it."""
    shown, ending = _name(name), _UNITS.get(unit, "")
    shown = shown if not ending or shown.endswith(f"_{ending}") else f"{shown}_{ending}"
    return f"{shown}_total" if kind == COUNTER else shown


def _numbers(
    kind: type[CounterMetricFamily] | type[GaugeMetricFamily], family: Family[Counter] | Family[Gauge]
) -> Metric:
    labels, rows = _table(read(family))
    shown = kind(_name(family.name), family.description, labels=labels, unit=_UNITS.get(family.unit, ""))
    for values, number in rows:
        shown.add_metric(values, number)
    return shown


def _durations(family: Family[Histogram]) -> Metric:
    labels, rows = _table(family.items())
    shown = HistogramMetricFamily(_name(family.name), family.description, labels=labels, unit=_UNITS[family.unit])
    for values, histogram in rows:
        counts = accumulate(histogram.counts.copy())
        shown.add_metric(values, list(zip(_BOUNDS, counts, strict=True)), histogram.total)
    return shown


def _table(series: list[tuple[Labels, Value]]) -> tuple[list[str], list[tuple[list[str], Value]]]:
    """The labels of a family, and of each series their values; "" where it does not have that label."""
    found = [(dict(_texts(labels)), value) for labels, value in series]
    columns = sorted({label for labels, _ in found for label in labels})
    return columns, [([labels.get(column, "") for column in columns], value) for labels, value in found]


def _texts(attributes: Iterable[tuple[str, Any]]) -> Iterator[tuple[str, str]]:
    for name, value in attributes:
        yield _name(name), value if isinstance(value, str) else json.dumps(value)


def _name(name: str) -> str:
    return re.sub(r"[^a-zA-Z0-9]+", "_", name)
