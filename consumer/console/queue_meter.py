"""The figures of each queue: how many requests come, fail and wait, and how long they take, in the last minute."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from math import isnan
from typing import Final, NoReturn

from consumer.console.watched import Numbers
from consumer.telemetry import names
from consumer.telemetry.series import Histogram, Labels

__all__ = ["INTERVAL", "WINDOW", "QueueFigures", "QueueMeter", "quantile"]

INTERVAL: Final = 5.0
"""Seconds between two looks at the counters."""
WINDOW: Final = 60.0
"""Seconds over which rates and times are told."""


@dataclass(frozen=True)
class QueueFigures:
    """A queue as an operator sees it; None for what is not known."""

    queue: str
    rate: float
    """Requests a second."""
    failures: float
    """Of these, those that ended with an error, per second."""
    median: float | None
    """Seconds within which half of them were handled."""
    slow: float | None
    """Seconds within which 95 % of them were handled."""
    waiting: float | None
    """Requests in the queue."""
    limit: float | None
    """How many may run at a time."""
    total: int
    """Requests since the start."""


@dataclass
class _Sample:
    """The counters of one moment, by queue."""

    at: float
    counts: dict[str, list[int]] = field(default_factory=dict)
    failed: dict[str, int] = field(default_factory=dict)

    def add(self, labels: Labels, histogram: Histogram) -> None:
        found = dict(labels)
        queue, counts = str(found[names.DESTINATION]), histogram.counts.copy()
        before = self.counts.get(queue)
        self.counts[queue] = counts if before is None else [sum(each) for each in zip(before, counts, strict=True)]
        if names.ERROR_TYPE in found:
            self.failed[queue] = self.failed.get(queue, 0) + sum(counts)


class QueueMeter:
    """Looks at the counters now and then.

    Args:
        numbers: has them.
        queues: in their order.
        clock: seconds that only grow.
    """

    def __init__(self, numbers: Numbers, queues: Sequence[str], clock: Callable[[], float] = time.monotonic) -> None:
        self._numbers = numbers
        self._queues = queues
        self._clock = clock
        self._samples: deque[_Sample] = deque([self._look()])
        self._task: asyncio.Task[NoReturn] | None = None

    def start(self) -> None:
        """Begin to look."""
        self._task = asyncio.get_running_loop().create_task(self._keep_looking())

    def stop(self) -> None:
        """Look no more."""
        if self._task is not None:
            self._task.cancel()

    async def _keep_looking(self) -> NoReturn:
        while True:
            await asyncio.sleep(INTERVAL)
            self.note()

    def note(self) -> None:
        """Keep the counters as they are now, and forget what is too old."""
        self._samples.append(self._look())
        while len(self._samples) > 1 and self._samples[-1].at - self._samples[1].at >= WINDOW:
            self._samples.popleft()

    def figures(self) -> list[QueueFigures]:
        """Those of every queue, now."""
        before, now = self._samples[0], self._look()
        waiting, limits = self._by_queue("queue.messages"), self._by_queue("limit")
        return [self._figures_of(queue, before, now, waiting.get(queue), limits.get(queue)) for queue in self._queues]

    def _figures_of(
        self, queue: str, before: _Sample, now: _Sample, waiting: float | None, limit: float | None
    ) -> QueueFigures:
        seconds, counts = max(now.at - before.at, 1e-3), now.counts.get(queue, [])
        earlier = before.counts.get(queue) or [0] * len(counts)
        since = [late - early for late, early in zip(counts, earlier, strict=True)]
        failed = now.failed.get(queue, 0) - before.failed.get(queue, 0)
        half, most = quantile(since, 0.5), quantile(since, 0.95)
        return QueueFigures(queue, sum(since) / seconds, failed / seconds, half, most, waiting, limit, sum(counts))

    def _by_queue(self, name: str) -> dict[str, float]:
        found = self._numbers.readings(name)
        return {str(dict(labels)["queue"]): value for labels, value in found if not isnan(value)}

    def _look(self) -> _Sample:
        sample = _Sample(self._clock())
        for labels, histogram in self._numbers.durations(names.PROCESS_DURATION):
            sample.add(labels, histogram)
        return sample


def quantile(counts: Iterable[int], share: float) -> float | None:
    """Seconds within which this share of measurements lies, by the buckets of `names.BUCKETS`; None without any."""
    sums = list(accumulate(counts))
    if not sums or not sums[-1]:
        return None
    wanted = share * sums[-1]
    place = next(index for index, number in enumerate(sums) if number >= wanted)
    if place == len(names.BUCKETS):  # above the last bound nothing is known
        return names.BUCKETS[-1]
    low, below = (names.BUCKETS[place - 1], sums[place - 1]) if place else (0.0, 0)
    return low + (names.BUCKETS[place] - low) * (wanted - below) / (sums[place] - below)
