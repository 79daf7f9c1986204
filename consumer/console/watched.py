"""What the console may look at, and the console that is off."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from aiohttp import web

from consumer.core.delivery import Delivery
from consumer.pipeline.ending import Report
from consumer.telemetry.series import Histogram, Labels

__all__ = ["Numbers", "Off", "Watched"]


class Numbers(Protocol):
    """What the service counts."""

    def durations(self, name: str) -> list[tuple[Labels, Histogram]]:
        """The series of a histogram."""

    def readings(self, name: str) -> list[tuple[Labels, float]]:
        """The series of a gauge of ours, such as "limit"."""


@dataclass(frozen=True)
class Watched:
    """What the console may look at."""

    numbers: Numbers
    problems: Callable[[], dict[str, str]]
    """Why the service is not ready, by part; empty when it is."""
    report: Report
    """Is told of each request that ended, also without a console."""
    trace_id: Callable[[Delivery], str | None]
    """The trace that a request belongs to."""
    queues: Sequence[str]
    """What the service consumes."""


class Off:
    """No console.

    Args:
        watched: nobody looks at it.
    """

    def __init__(self, watched: Watched) -> None:
        self.report = watched.report

    def mount(self, _: web.Application) -> None:
        """Answer nothing."""

    def start(self, _: int) -> None:
        """Do nothing."""

    def stop(self) -> None:
        """Do nothing."""
