"""Rates, failures and times of the last minute, from the counters of the metrics."""

from __future__ import annotations

import asyncio
from math import nan
from unittest.mock import patch

import pytest

from consumer.console import queue_meter
from consumer.console.queue_meter import INTERVAL, WINDOW, QueueMeter, quantile
from consumer.telemetry import names
from consumer.telemetry.series import Histogram, Labels
from tests.cases import for_each

ONE, OTHER = "zeebe.commands", "zeebe.polls"


class Numbers:
    """Numbers by hand."""

    def __init__(self) -> None:
        self.now = 0.0
        self.series: dict[Labels, Histogram] = {}
        self.gauges: dict[str, list[tuple[Labels, float]]] = {}

    def handle(self, queue: str, seconds: float, error: str | None = None, times: int = 1) -> None:
        labels: Labels = ((names.DESTINATION, queue),) + (((names.ERROR_TYPE, error),) if error else ())
        for _ in range(times):
            self.series.setdefault(labels, Histogram()).record(seconds)

    def durations(self, name: str) -> list[tuple[Labels, Histogram]]:
        assert name == names.PROCESS_DURATION
        return list(self.series.items())

    def readings(self, name: str) -> list[tuple[Labels, float]]:
        return self.gauges.get(name, [])


def metered() -> tuple[Numbers, QueueMeter]:
    numbers = Numbers()
    return numbers, QueueMeter(numbers, (ONE, OTHER), lambda: numbers.now)


def test_a_queue_s_figures_tell_of_the_last_minute_and_of_what_waits() -> None:
    numbers, meter = metered()
    numbers.now = 10.0
    numbers.handle(ONE, 0.02, times=30)
    numbers.handle(ONE, 0.3, "NOT_FOUND", times=10)
    numbers.gauges = {
        "queue.messages": [((("queue", ONE),), 7.0), ((("queue", OTHER),), nan)],
        "limit": [((("queue", ONE),), 64.0)],
    }
    one, other = meter.figures()
    assert (one.queue, one.rate, one.failures, one.waiting, one.limit, one.total) == (ONE, 4.0, 1.0, 7.0, 64.0, 40)
    assert one.median is not None
    assert one.slow is not None
    assert 0.01 <= one.median <= 0.025
    assert 0.25 <= one.slow <= 0.5
    assert (other.rate, other.failures, other.median, other.slow, other.waiting, other.limit, other.total) == (
        0, 0, None, None, None, None, 0,
    )  # fmt: skip


def test_what_is_older_than_the_window_is_forgotten() -> None:
    numbers, meter = metered()
    numbers.handle(ONE, 0.02, times=100)
    for _ in range(3 * int(WINDOW / INTERVAL)):
        numbers.now += INTERVAL
        meter.note()
    numbers.handle(ONE, 0.02, times=6)
    found = meter.figures()[0]
    assert found.rate == pytest.approx(6 / WINDOW)
    assert found.total == 106


async def test_it_looks_again_and_again_until_it_is_stopped() -> None:
    numbers = Numbers()
    looked = asyncio.Event()
    with patch.object(queue_meter, "INTERVAL", 0.001):
        meter = QueueMeter(numbers, (ONE,))
        meter.stop()
        with patch.object(meter, "note", looked.set):
            meter.start()
            async with asyncio.timeout(30):
                await looked.wait()
    meter.stop()


BOUNDS = names.BUCKETS


@for_each(
    [
        ([], 0.5, None),
        ([0] * (len(BOUNDS) + 1), 0.5, None),
        ([4] + [0] * len(BOUNDS), 0.5, BOUNDS[0] / 2),
        ([0, 4] + [0] * (len(BOUNDS) - 1), 1.0, BOUNDS[1]),
        ([1] + [0] * (len(BOUNDS) - 1) + [9], 0.95, BOUNDS[-1]),
        ([1, 0, 1] + [0] * (len(BOUNDS) - 2), 0.5, BOUNDS[0]),
    ]
)
def test_a_share_lies_within_the_bounds_of_its_bucket(counts: list[int], share: float, found: float | None) -> None:
    assert quantile(counts, share) == found
