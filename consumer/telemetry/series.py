"""Counts, durations and readings by label, kept as plain numbers.

An instrument of the SDK takes fifty times as long for each measurement (`python -m benchmarks.measurements`), and every
request is measured several times. So the numbers are added up here; `prometheus` and `otlp` read them.

One thread, the event loop's, writes; others may read. What they see is at most one measurement behind, and each list or
number by itself is whole.
"""

from __future__ import annotations

import logging
import time
from bisect import bisect_left
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import nan
from typing import Final, Generic, TypeAlias, TypeVar

from consumer.telemetry import names
from consumer.telemetry.catalog import METRICS

__all__ = ["Counter", "Facts", "Family", "Gauge", "Histogram", "Label", "Labels", "Memo", "read"]


log = logging.getLogger(__name__)

_BUCKETS: Final = names.BUCKETS

Label: TypeAlias = tuple[str, str | bool | int | float]
Labels: TypeAlias = tuple[Label, ...]
"""Attributes of one time series as pairs, always in the same order."""


Found = TypeVar("Found")
Key = TypeVar("Key")
Series = TypeVar("Series")


class Memo(dict[Key, Found]):
    """What `make` made of a key, found again at the cost of one look-up."""

    def __init__(self, make: Callable[[Key], Found]) -> None:
        self._make = make

    def __missing__(self, key: Key) -> Found:
        """Make it, once."""
        found = self[key] = self._make(key)
        return found


@dataclass(slots=True)
class Counter:
    """A growing number; `source` reads one that somebody else keeps."""

    value: float = 0
    source: Callable[[], float] | None = None

    def read(self) -> float:
        """The number so far."""
        return self.value if self.source is None else self.source()


@dataclass(slots=True)
class Histogram:
    """How measurements in seconds spread over the buckets of `names.BUCKETS`."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(names.BUCKETS) + 1))
    total: float = 0.0
    minimum: float = float("inf")
    maximum: float = float("-inf")

    def record(self, seconds: float) -> None:
        """Add one measurement."""
        self.counts[bisect_left(_BUCKETS, seconds)] += 1
        self.total += seconds
        if seconds < self.minimum:
            self.minimum = seconds
        if seconds > self.maximum:
            self.maximum = seconds


@dataclass(slots=True)
class Gauge:
    """A number that somebody else keeps; `read` asks for it."""

    read: Callable[[], float] = lambda: nan


class Family(Generic[Series]):
    """One metric: a series for each set of labels.

    Args:
        name: with dots, `zeebe_amqp.commands`; one of the catalog.
        make: makes the series for labels that were not seen before.
    """

    def __init__(self, name: str, make: Callable[[], Series]) -> None:
        metric = METRICS[name]
        self.name = name
        self.unit = metric.unit
        self.description = metric.meaning
        self.started = time.time_ns()
        self._series: Memo[Labels, Series] = Memo(lambda _: make())

    def at(self, labels: Labels) -> Series:
        """The series for `labels`; to be kept by whoever measures often."""
        return self._series[labels]

    def items(self) -> list[tuple[Labels, Series]]:
        """Every series with its labels; may be called from any thread."""
        return list(self._series.copy().items())


class Facts(Family[Gauge]):
    """A metric that is always 1 and says something by its labels, which `facts` gives whenever it is read."""

    def __init__(self, name: str, facts: Callable[[], Mapping[str, str | int]]) -> None:
        super().__init__(name, Gauge)
        self._facts = facts

    def items(self) -> list[tuple[Labels, Gauge]]:
        """The one series; none while nothing is known."""
        labels = tuple(sorted(self._facts().items()))
        return [(labels, Gauge(lambda: 1.0))] if labels else []


def read(family: Family[Counter] | Family[Gauge]) -> list[tuple[Labels, float]]:
    """The numbers of a family as they are now; may be called from any thread."""
    numbers = []
    for labels, series in family.items():
        try:
            numbers.append((labels, series.read()))
        except Exception:  # one broken source must not hide the others
            fields = {"event": "metric.failed", "metric": family.name}
            log.warning("the metric %s could not be read", family.name, exc_info=True, extra=fields)
    return numbers
