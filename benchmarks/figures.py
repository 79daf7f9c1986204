"""What is measured, and how it is compared. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from typing import TypeAlias

Figures: TypeAlias = dict[str, float]
"""Of one program, by name:

rate: commands per second; cpu: CPU microseconds per command of the program and all that it started; rss: MB of memory
of those; p50 and other percentiles: milliseconds until the answer; load, gateway, broker: CPU microseconds per command
of these; idle, foreign: percent of the machine that nobody used, and that others used.
"""
Round: TypeAlias = dict[str, Figures]
"""What the programs, by name, did one after the other."""

PERCENTILES = (1, 10, 25, 50, 75, 90, 95, 99, 99.9, 100)

SERVICE, MEMORY, TRACED = "service", "service, ledger in memory", "service, traced"
OTHER = "service of the other checkout"
PYZEEBE, FASTSTREAM = "pyzeebe + aio-pika", "FastStream + pyzeebe"
ECHO, CALL = "bare aiormq echo", "bare grpc.aio call"
CLIENT, BARE = "client", "bare aio-pika caller"


@dataclass(frozen=True)
class Cell:
    """A load: milliseconds that the gateway takes, and requests at a time."""

    latency: int
    in_flight: int

    @property
    def title(self) -> str:
        """For people."""
        return f"{self.in_flight} in flight, gateway {f'{self.latency} ms' if self.latency else 'at once'}"


def middle(rounds: list[Round]) -> Round:
    """The median of each figure of each program."""
    return {
        program: {name: median(each[program][name] for each in rounds) for name in figures}
        for program, figures in rounds[0].items()
    }


@dataclass(frozen=True)
class Comparison:
    """Something that is compared within each round: the machine's speed differs between them."""

    title: str
    needs: tuple[str, ...]
    """The programs that it compares."""
    form: str
    """How the figure is written."""
    compare: Callable[..., float]
    """From the figures of those programs."""
    wanted: str = ""
    """What we want it to be."""

    def of(self, rounds: list[Round]) -> float | None:
        """The median over the rounds; None when a program is missing."""
        if not set(self.needs) <= rounds[0].keys():
            return None
        return median(self.compare(*(each[name] for name in self.needs)) for each in rounds)


def _times(name: str) -> Callable[[Figures, Figures], float]:
    return lambda ours, other: ours[name] / other[name]


def _beyond(ours: Figures, other: Figures) -> float:
    return ours["cpu"] - other["cpu"]


def _lost(ours: Figures, other: Figures) -> float:
    return (1 - ours["rate"] / other["rate"]) * 100


COMPARISONS = (
    Comparison("commands/s, in those of pyzeebe + aio-pika", (SERVICE, PYZEEBE), "{:.2f}", _times("rate")),
    Comparison("CPU per command, in that of pyzeebe + aio-pika", (SERVICE, PYZEEBE), "{:.2f}", _times("cpu")),
    Comparison("commands/s, in those of FastStream + pyzeebe", (SERVICE, FASTSTREAM), "{:.2f}", _times("rate")),
    Comparison("CPU per command, in that of FastStream + pyzeebe", (SERVICE, FASTSTREAM), "{:.2f}", _times("cpu")),
    Comparison("commands/s, in those of the other checkout", (SERVICE, OTHER), "{:.2f}", _times("rate")),
    Comparison("CPU per command, in that of the other checkout", (SERVICE, OTHER), "{:.2f}", _times("cpu")),
    Comparison(
        "CPU per command, in sums of the echo's and the call's",
        (SERVICE, ECHO, CALL),
        "{:.2f}",
        lambda ours, echo, call: ours["cpu"] / (echo["cpu"] + call["cpu"]),
        "1.6",
    ),
    Comparison("ledger in a file against memory, throughput lost", (SERVICE, MEMORY), "{:+.0f} %", _lost, "15 %"),
    Comparison("ledger in a file against memory, CPU per command", (SERVICE, MEMORY), "{:+.0f} µs", _beyond, "100 µs"),
    Comparison("traced and exported, CPU per command", (TRACED, SERVICE), "{:+.0f} µs", _beyond),
    Comparison("CPU of the client beyond a bare caller's, per call", (CLIENT, BARE), "{:+.0f} µs", _beyond, "250 µs"),
)
