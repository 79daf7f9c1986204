"""Counts and durations by label, kept as plain numbers.

The SDK's own instruments take about ten times as long for each measurement, with several measurements for every
request. So the numbers are added up here, and the SDK collects and exports them.

One thread, the event loop's, writes; exporters may read from another. What they see is at most one measurement
behind, and each list or number by itself is whole.
"""

from __future__ import annotations

import time
from bisect import bisect_left
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TypeAlias, TypeVar

from opentelemetry.metrics import CallbackOptions, Observation
from opentelemetry.sdk.metrics.export import AggregationTemporality, Histogram, HistogramDataPoint, Metric

from consumer.telemetry import names

_BUCKETS = names.BUCKETS

Label: TypeAlias = tuple[str, str | bool | int | float]
Labels: TypeAlias = tuple[Label, ...]
"""Attributes of one time series as pairs, always in the same order."""


Found = TypeVar("Found")
Key = TypeVar("Key")


class Memo(dict[Key, Found]):
    """What `make` made of a key, found again at the cost of one look-up."""

    def __init__(self, make: Callable[[Key], Found]) -> None:
        self._make = make

    def __missing__(self, key: Key) -> Found:
        """Make it, once."""
        found = self[key] = self._make(key)
        return found


@dataclass(slots=True)
class Count:
    """A growing number."""

    value: float = 0


class Counts:
    """A counter: one count for each set of labels."""

    def __init__(self) -> None:
        self._counts: Memo[Labels, Count] = Memo(lambda _: Count())

    def at(self, labels: Labels) -> Count:
        """The count for `labels`; to be kept by whoever counts often."""
        return self._counts[labels]

    def observe(self, _: CallbackOptions) -> Iterable[Observation]:
        """The numbers so far, as the SDK asks for them."""
        return [Observation(count.value, dict(labels)) for labels, count in self._counts.copy().items()]


@dataclass(slots=True)
class Spread:
    """How measurements in seconds spread over the buckets of `names.BUCKETS`."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(names.BUCKETS) + 1))
    total: float = 0.0
    least: float = float("inf")
    most: float = float("-inf")

    def record(self, seconds: float) -> None:
        """Add one measurement."""
        self.counts[bisect_left(_BUCKETS, seconds)] += 1
        self.total += seconds
        if seconds < self.least:
            self.least = seconds
        if seconds > self.most:
            self.most = seconds


class Durations:
    """A histogram of seconds: one spread for each set of labels."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._spreads: Memo[Labels, Spread] = Memo(lambda _: Spread())
        self._started = time.time_ns()

    def at(self, labels: Labels) -> Spread:
        """The spread for `labels`; to be kept by whoever measures often."""
        return self._spreads[labels]

    def collect(self) -> Metric:
        """Everything recorded so far, in the SDK's own shape."""
        now = time.time_ns()
        points = [self._exported(labels, spread, now) for labels, spread in self._spreads.copy().items()]
        return Metric(
            name=self._name,
            description=names.DESCRIPTIONS.get(self._name, ""),
            unit="s",
            data=Histogram(data_points=points, aggregation_temporality=AggregationTemporality.CUMULATIVE),
        )

    def _exported(self, labels: Labels, spread: Spread, now: int) -> HistogramDataPoint:
        counts = spread.counts.copy()
        return HistogramDataPoint(
            attributes=dict(labels),
            start_time_unix_nano=self._started,
            time_unix_nano=now,
            count=sum(counts),
            sum=spread.total,
            bucket_counts=counts,
            explicit_bounds=names.BUCKETS,
            min=spread.least,
            max=spread.most,
        )
