"""A picture of an outage: `python -m benchmarks.outage` writes docs/charts/outage.svg.

A real service works between a real broker and a gateway that is stopped for a while. A real Prometheus scrapes it and
evaluates the alerts. The panels are those of the dashboard's JSON: their expressions, units, legends and thresholds.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import re
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmarks.timeline import Plot, drawn
from scripts import dashboard
from scripts.panel import fill
from scripts.prometheus import JOB, Prometheus, Series
from scripts.rabbitmq import RabbitMQ
from tests.fakes.gateway import Request
from tests.integration.caller import Caller
from tests.integration.load import CREATE
from tests.integration.service import ConsumerSetup, create, running_service
from zeebe_amqp.testing import Step, after, fail

FILE = Path(__file__).parents[1] / "docs" / "charts" / "outage.svg"
SHOWN = (
    "Up and ready",
    "Paused, by part",
    "Requests that wait",
    "Outcomes",
    "Errors",
    "Engine",
    "Broker",
    "Oldest request",
    "Processor",
    "In flight, and the limit",
    "Unknown outcomes",
)
"""Titles of panels."""
SCRAPE = 2
"""Seconds between two scrapes."""
INTERVAL, SPAN = "10s", "10m"
OUT = 0.5
"""Seconds before the gateway stops in which a call begins that is never answered."""
REJECTED = 0.03
"""The part of commands that the engine rejects."""


@dataclass(frozen=True)
class Plan:
    """How long, in seconds, the gateway is there, away, and there again; and requests per second."""

    before: float
    away: float
    afterwards: float
    rate: float

    @property
    def seconds(self) -> float:
        """How long it takes."""
        return self.before + self.away + self.afterwards


def engine(_: Request) -> Step:
    """What the gateway does with a command: it takes its time, and rejects a few."""
    if random.random() < REJECTED:
        return fail("NOT_FOUND", "no process with that id")
    return after(random.uniform(0.01, 0.06))


async def load(caller: Caller, plan: Plan) -> None:
    """Send requests steadily, each by itself, and wait for all answers."""
    async with asyncio.TaskGroup() as group:
        for number in range(int(plan.seconds * plan.rate)):
            group.create_task(caller.request(create(id=number), seconds=600, timestamp=time.time()))
            await asyncio.sleep(1 / plan.rate)


async def play(service: ConsumerSetup, plan: Plan) -> None:
    """The whole story."""
    service.gateway.always(CREATE, engine)
    async with service.caller() as caller:
        sending = asyncio.create_task(load(caller, plan))
        await asyncio.sleep(plan.before - OUT)
        # One call is out when the gateway goes: its outcome is unknown.
        service.gateway.script(CREATE, after(plan.away))
        await asyncio.sleep(OUT)
        await service.gateway.stop()
        await asyncio.sleep(plan.away)
        await service.gateway.start()
        await asyncio.sleep(plan.afterwards)
        await sending


def panels() -> Iterator[dict[str, Any]]:
    """The panels of the dashboard's JSON that are shown."""
    found = {panel["title"]: panel for panel in json.loads(dashboard.FILE.read_text())["panels"]}
    yield from (found[title] for title in SHOWN)


def plot(prometheus: Prometheus, panel: Mapping[str, Any], start: float, end: float) -> Plot:
    """A panel with the values of that time."""
    lines: dict[str, Mapping[float, float]] = {}
    for target in panel["targets"]:
        found = prometheus.range(fill(target["expr"], INTERVAL, SPAN, JOB), start, end, SCRAPE)
        lines |= {_legend(target["legendFormat"], each): _since(each, start) for each in found}
    defaults = panel["fieldConfig"]["defaults"]
    steps = [each["value"] for each in defaults["thresholds"]["steps"] if each["value"] is not None]
    return Plot(panel["title"], defaults["unit"], lines, min(steps, default=None))


def alerts(prometheus: Prometheus, start: float, end: float) -> Plot:
    """Which alerts fired; this panel is not the dashboard's."""
    found = prometheus.range('ALERTS{alertstate="firing"}', start, end, SCRAPE)
    lines = {each.labels["alertname"]: dict.fromkeys(_since(each, start), place) for place, each in enumerate(found, 1)}
    return Plot("Alerts that fire", "", lines)


def _since(series: Series, start: float) -> Mapping[float, float]:
    return {at - start: value for at, value in series.points.items()}


def _legend(form: str, series: Series) -> str:
    labels = {name: re.sub(r"^gateway_protocol\.Gateway/|^test\.\w+\.", "", it) for name, it in series.labels.items()}
    return re.sub(r"{{(\w+)}}", lambda found: labels.get(found[1], ""), form).strip() or "no error"


async def measure(plan: Plan, folder: Path, console: Console) -> str:
    """The picture of the plan, carried out."""
    with RabbitMQ(folder / "rabbitmq") as broker:
        async with running_service(folder / "service", broker.url) as service:
            target = f"127.0.0.1:{service.consumer.port}"
            prometheus = Prometheus(folder / "prometheus", [target], SCRAPE)
            await asyncio.to_thread(prometheus.start)
            try:
                start = time.time()
                console.print(f"an outage of {plan.away:g} s; this takes {plan.seconds / 60:.0f} minutes")
                await play(service, plan)
                end = start + plan.seconds
                plots = [plot(prometheus, panel, start, end) for panel in panels()]
                plots.append(alerts(prometheus, start, end))
            finally:
                await asyncio.to_thread(prometheus.stop)
    marks = {"gateway stopped": plan.before, "gateway back": plan.before + plan.away}
    return drawn(TITLE.format(plan=plan), plots, marks, plan.seconds)


TITLE = "The gateway is away for {plan.away:g} seconds, between the dashed lines; {plan.rate:g} requests per second"


def main() -> None:
    """Measure and write the picture."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--away", type=float, default=150, help="seconds without a gateway")
    parser.add_argument("--file", type=Path, default=FILE)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, suppress(KeyboardInterrupt):
        plan = Plan(before=60, away=given.away, afterwards=90, rate=20)
        given.file.write_text(asyncio.run(measure(plan, Path(folder), Console())))


if __name__ == "__main__":
    main()
