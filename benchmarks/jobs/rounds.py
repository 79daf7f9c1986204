"""The ways take turns at each gateway; medians count, and are kept."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks import machine
from benchmarks.figures import Comparison, Figures, Round, middle
from benchmarks.jobs.gateways import JobGateway, Load
from benchmarks.jobs.ways import JOB_TYPES, POLLS, QUEUE, STREAM, WAYS, Site
from scripts.process import Process
from scripts.rabbitmq import RabbitMQ

FILE = Path(__file__).parents[1] / "results" / "jobs.json"
Running = Callable[[str, JobGateway], Any]
"""Starts a way on a gateway: a context manager of its programs by name."""


def _times(name: str) -> Callable[[Figures, Figures], float]:
    return lambda ours, other: ours[name] / other[name]


def _later(name: str) -> Callable[[Figures, Figures], float]:
    return lambda ours, other: ours[name] - other[name]


COMPARISONS = tuple(
    Comparison(f"{what}, {how} {other}", (QUEUE, other), form, compare)
    for other in (POLLS, STREAM)
    for what, how, form, compare in (
        ("jobs/s", "in those of", "{:.2f}", _times("rate")),
        ("CPU per job", "in that of", "{:.2f}", _times("cpu")),
        ("until the handler begins, p50", "beyond", "{:+.1f} ms", _later("begun p50")),
        ("until the job has ended, p50", "beyond", "{:+.1f} ms", _later("done p50")),
    )
)


@dataclass(frozen=True)
class JobResult:
    """What was found at one gateway under one load."""

    gateway: str
    load: str
    rounds: int
    ways: Round
    compared: Mapping[str, str]
    """By what was compared."""

    @classmethod
    def of(cls, gateway: str, load: str, rounds: list[Round]) -> JobResult:
        """The medians of the rounds."""
        compared = {each.title: (each.form, each.of(rounds)) for each in COMPARISONS}
        written = {title: form.format(figure) for title, (form, figure) in compared.items() if figure is not None}
        return cls(gateway, load, len(rounds), middle(rounds), written)


@contextmanager
def started(directory: Path, broker: RabbitMQ, way: str, gateway: JobGateway) -> Iterator[Mapping[str, Process]]:
    """The programs of a way, ready."""
    place = directory / f"{JOB_TYPES[way]}-{gateway.address.rpartition(':')[2]}"
    place.mkdir(exist_ok=True)
    with ExitStack() as running:
        yield WAYS[way](Site(place, broker, gateway.address), JOB_TYPES[way], running)


@dataclass(frozen=True)
class Effort:
    """How much is measured at a gateway."""

    rounds: int
    """At most."""
    seconds: float
    """No round begins that would not end within them, the first one left out."""
    wait: float
    """Seconds that a measurement may wait for a quiet machine."""


def measure(gateway: JobGateway, ways: Iterable[str], start: Running, effort: Effort) -> list[JobResult]:
    """Per load the result of all rounds; in each all ways take turns, every second time the other way round."""
    names, began = list(ways), time.monotonic()
    taken: dict[Load, list[Round]] = {load: [] for load in gateway.loads}
    for number in range(effort.rounds):
        spent = time.monotonic() - began
        if number and spent * (number + 1) / number > effort.seconds:
            break
        order = names if number % 2 == 0 else names[::-1]
        found = {way: turn(gateway, way, start, effort.wait) for way in order}
        for load, figures in taken.items():
            figures.append({way: found[way][load] for way in names})
    return [JobResult.of(gateway.title, load.title, figures) for load, figures in taken.items()]


def turn(gateway: JobGateway, way: str, start: Running, wait: float) -> dict[Load, Figures]:
    """The figures of one turn of a way by load, which are also told as they come."""
    found = {}
    with start(way, gateway) as programs:
        gateway.play(JOB_TYPES[way], gateway.warm)
        for load in gateway.loads:
            machine.settle(wait)
            found[load] = figures = played(gateway, JOB_TYPES[way], load, programs)
            told = f"{figures['rate']:.0f}/s, {figures['cpu']:.0f} µs, begun {figures['begun p50']:.1f} ms"
            print(f"  {gateway.title}, {load.title}: {way}, {told}", file=sys.stderr, flush=True)
    return found


def played(gateway: JobGateway, job_type: str, load: Load, programs: Mapping[str, Process]) -> Figures:
    """The figures of a load; CPU in microseconds per job, of all programs of the way together and of each."""
    counted = {**programs, "gateway": gateway.process}
    before = {name: machine.cpu_seconds(process.pid) for name, process in counted.items()}
    figures = gateway.play(job_type, load)
    spent = {
        name: (machine.cpu_seconds(process.pid) - before[name]) / figures["count"] * 1e6
        for name, process in counted.items()
    }
    return {**figures, **spent, "cpu": sum(spent[name] for name in programs)}


def write(results: list[JobResult], seconds: float, file: Path = FILE) -> dict[str, Any]:
    """Keep the results with their date and machine; what was kept."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    kept = {
        "date": now,
        "machine": machine.described(),
        "seconds": round(seconds),
        "results": [asdict(each) for each in results],
    }
    file.write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n")
    return kept


def read(file: Path = FILE) -> tuple[dict[str, Any], list[JobResult]]:
    """What was kept: everything, and the results in it."""
    kept = json.loads(file.read_text())
    return kept, [JobResult(**each) for each in kept["results"]]
