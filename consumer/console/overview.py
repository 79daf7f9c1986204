"""The first page: is it ready, what do the queues do, what failed last."""

from __future__ import annotations

from dataclasses import dataclass
from math import isnan
from typing import Any

from aiohttp import web

from consumer.console.failures import RecentFailures
from consumer.console.guard import page
from consumer.console.queue_meter import QueueMeter
from consumer.console.watched import Watched
from zeebe_amqp import __version__

__all__ = ["Overview", "Part"]


@dataclass(frozen=True)
class Part:
    """A line about a part of the service."""

    name: str
    state: str
    good: bool = True


class Overview:
    """Its page, and the part of it that changes.

    Args:
        watched: is looked at.
        meter: knows the queues.
        failures: knows what failed.
        gateway: its address.
    """

    def __init__(self, watched: Watched, meter: QueueMeter, failures: RecentFailures, gateway: str) -> None:
        self._watched = watched
        self._gateway = gateway
        self._meter = meter
        self._failures = failures

    async def show(self, request: web.Request) -> web.Response:
        """The page."""
        return page(request, "overview", **self._values())

    async def show_live(self, request: web.Request) -> web.Response:
        """What the script puts into the page, again and again."""
        return page(request, "live", **self._values())

    def _values(self) -> dict[str, Any]:
        problems = self._watched.problems()
        return {
            "problems": problems,
            "summary": f"Not ready: {', '.join(problems)}." if problems else "Ready.",
            "parts": self._parts(),
            "queues": self._meter.figures(),
            "failures": self._failures.newest(),
            "total": self._failures.total,
            "version": __version__,
        }

    def _parts(self) -> list[Part]:
        open_ = bool(self._reading("circuit.state"))
        circuit = "open: no gateway can be reached" if open_ else "closed: a gateway can be reached"
        pauses = [
            Part(f"Paused: {dict(labels)['part']}", f"nothing is consumed for {seconds:.0f} s", good=False)
            for labels, seconds in self._watched.numbers.readings("paused")
            if seconds
        ]
        letters = self._reading("dead_letters")
        return [
            Part(f"Circuit to {self._gateway}", circuit, good=not open_),
            *pauses,
            Part("In flight", _count(self._reading("in_flight"), "request")),
            Part("Dead letters", _count(letters, "letter"), good=not letters),
            Part("Ledger", _count(self._reading("ledger.size"), "answered request")),
        ]

    def _reading(self, name: str) -> float | None:
        found = [value for _, value in self._watched.numbers.readings(name)]
        return found[0] if found and not isnan(found[0]) else None


def _count(number: float | None, word: str) -> str:
    if number is None:
        return "not counted yet"
    return f"{number:,.0f} {word}{'' if number == 1 else 's'}"
