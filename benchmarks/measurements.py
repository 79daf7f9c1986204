"""What one measurement costs: `python -m benchmarks.measurements [--count N] [--rounds N]`.

The service counts and times every request several times. Three ways are compared, each with the attributes of a handled
request: our own plain numbers; the SDK's instruments, read by one reader; prometheus-client's, their labels bound
beforehand.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from statistics import median
from typing import TypeAlias

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from prometheus_client import CollectorRegistry
from prometheus_client import Counter as PrometheusCounter
from prometheus_client import Histogram as PrometheusHistogram
from rich.console import Console
from rich.table import Table

from consumer.telemetry import names
from consumer.telemetry.series import Counter, Histogram, Labels

LABELS: Labels = (
    (names.SYSTEM, names.RABBITMQ),
    (names.OPERATION_NAME, names.PROCESS),
    (names.DESTINATION, "zeebe.commands"),
)
SECONDS = 0.0042

Loop: TypeAlias = Callable[[int], None]
"""Does so many measurements."""


def own() -> tuple[Loop, Loop]:
    """Counting and timing into our own numbers, looked up beforehand, as the service does it."""
    counter, histogram = Counter(), Histogram()

    def count(times: int) -> None:
        for _ in range(times):
            counter.value += 1

    def record(times: int) -> None:
        for _ in range(times):
            histogram.record(SECONDS)

    return count, record


def sdk() -> tuple[Loop, Loop]:
    """Counting and timing with the SDK's instruments."""
    meter = MeterProvider([InMemoryMetricReader()], shutdown_on_exit=False).get_meter(names.SCOPE)
    counter = meter.create_counter(names.CONSUMED)
    histogram = meter.create_histogram(
        names.PROCESS_DURATION, unit="s", explicit_bucket_boundaries_advisory=names.BUCKETS
    )
    attributes = dict(LABELS)

    def count(times: int) -> None:
        for _ in range(times):
            counter.add(1, attributes)

    def record(times: int) -> None:
        for _ in range(times):
            histogram.record(SECONDS, attributes)

    return count, record


def prometheus() -> tuple[Loop, Loop]:
    """Counting and timing with prometheus-client's instruments."""
    registry, labels = CollectorRegistry(), {key.replace(".", "_"): str(value) for key, value in LABELS}
    counter = PrometheusCounter("consumed", "", list(labels), registry=registry).labels(**labels)
    histogram = PrometheusHistogram("duration", "", list(labels), buckets=names.BUCKETS, registry=registry).labels(
        **labels
    )

    def count(times: int) -> None:
        for _ in range(times):
            counter.inc()

    def record(times: int) -> None:
        for _ in range(times):
            histogram.observe(SECONDS)

    return count, record


WAYS = {"own numbers": own, "OpenTelemetry SDK": sdk, "prometheus-client": prometheus}


def cost(loop: Loop, count: int, rounds: int) -> float:
    """Microseconds of one measurement, the loop around it included; the median of all rounds."""
    taken = []
    for _ in range(rounds):
        started = time.perf_counter()
        loop(count)
        taken.append((time.perf_counter() - started) / count * 1e6)
    return median(taken)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=100_000, help="measurements in a round; default %(default)s")
    parser.add_argument("--rounds", type=int, default=7, help="default %(default)s")
    options = parser.parse_args()
    table = Table("µs each", "count", "record")
    for name, make in WAYS.items():
        table.add_row(name, *(f"{cost(loop, options.count, options.rounds):.3f}" for loop in make()))
    Console().print(table)


if __name__ == "__main__":
    main()
