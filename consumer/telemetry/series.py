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
from collections.abc import Callable
from dataclasses import dataclass, field
from math import nan
from typing import Final, Generic, TypeAlias, TypeVar

from consumer.telemetry import names

__all__ = ["Counter", "Family", "Gauge", "Histogram", "Label", "Labels", "Memo", "read"]


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
    """A growing number."""

    value: float = 0

    def read(self) -> float:
        """The number so far."""
        return self.value


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
        name: with dots, `zeebe_amqp.commands`.
        make: makes the series for labels that were not seen before.
        unit: as OpenTelemetry writes it, "s" or "{message}".
    """

    def __init__(self, name: str, make: Callable[[], Series], unit: str = "") -> None:
        self.name = name
        self.unit = unit
        self.description = names.DESCRIPTIONS.get(name, "")
        self.started = time.time_ns()
        self._series: Memo[Labels, Series] = Memo(lambda _: make())

    def at(self, labels: Labels) -> Series:
        """The series for `labels`; to be kept by whoever measures often."""
        return self._series[labels]

    def items(self) -> list[tuple[Labels, Series]]:
        """Every series with its labels; may be called from any thread."""
        return list(self._series.copy().items())


def read(family: Family[Counter] | Family[Gauge]) -> list[tuple[Labels, float]]:
    """The numbers of a family as they are now; may be called from any thread."""
    numbers = []
    for labels, series in family.items():
        try:
            numbers.append((labels, series.read()))
        except Exception:  # one broken source must not hide the others
            log.warning("the metric %s could not be read", family.name, exc_info=True)
    return numbers
