"""Programs take turns under every load; the medians are shown, and kept."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks import machine
from benchmarks.figures import COMPARISONS, ECHO, Cell, Figures, Round, middle
from benchmarks.programs import Program, Servers

RESULTS = Path(__file__).parent / "results"
CELLS = tuple(Cell(latency, in_flight) for latency in (0, 5) for in_flight in (1, 32, 128))
CALLERS = Cell(0, 64)
"""The load under which callers are compared."""

BESIDE = {
    "load": "load generator, CPU µs per command",
    "gateway": "gateway, CPU µs",
    "broker": "broker, CPU µs",
    "idle": "machine idle, %",
    "foreign": "used by other programs, %",
}
"""The figures of a program that are about what runs beside it."""


@dataclass(frozen=True)
class Effort:
    """How much is measured."""

    rounds: int
    seconds: float
    """Of each measurement."""
    wait: float
    """Seconds that a measurement may wait for a quiet machine."""


@dataclass(frozen=True)
class Result:
    """What was found under one load."""

    cell: Cell
    programs: Round
    compared: dict[str, str]
    """By what was compared."""

    @classmethod
    def of(cls, cell: Cell, rounds: list[Round]) -> Result:
        """The medians of the rounds."""
        compared = {each.title: (each.form, each.of(rounds)) for each in COMPARISONS}
        written = {title: form.format(figure) for title, (form, figure) in compared.items() if figure is not None}
        return cls(cell, middle(rounds), written)


def plays(name: str, cell: Cell) -> bool:
    """Whether a program is measured under that load: the echo has no gateway that takes its time."""
    return name != ECHO or cell.latency == 0


def measure(servers: Servers, programs: Mapping[str, Program], cells: Iterable[Cell], effort: Effort) -> list[Result]:
    """Per load the result of all rounds; in each all programs take turns, every second time the other way round."""
    found = []
    for cell in cells:
        servers.gateway.take(cell.latency)
        names = [name for name in programs if plays(name, cell)]
        taken: list[Round] = []
        for number in range(effort.rounds):
            order = names if number % 2 == 0 else names[::-1]
            figures = {name: measured(programs[name], name, cell, effort) for name in order}
            taken.append({name: figures[name] for name in names})
        found.append(Result.of(cell, taken))
    return found


def measured(program: Program, name: str, cell: Cell, effort: Effort) -> Figures:
    """The figures of one turn, which are also told as they come."""
    machine.settle(effort.wait)
    figures = program.measure(effort.seconds, cell.in_flight)
    told = f"{cell.title}: {name}, {figures['rate']:.0f}/s, {figures['cpu']:.0f} µs"
    print(f"  {told}", file=sys.stderr, flush=True)
    return figures


def beside(programs: Round) -> dict[str, str]:
    """What else the machine did under a load, by name: from the least to the most beside any consumer."""
    served = [each for name, each in programs.items() if name != ECHO and "load" in each]
    return {name: span([each[name] for each in served]) for name in BESIDE if served}


def span(figures: list[float]) -> str:
    """The least and the most of some figures."""
    low, high = round(min(figures)), round(max(figures))
    return f"{low}" if low == high else f"{low} to {high}"


def content(results: list[Result], effort: Effort, now: datetime) -> dict[str, Any]:
    """What is kept."""
    return {
        "date": now.isoformat(timespec="seconds"),
        "machine": machine.described(),
        "rounds": effort.rounds,
        "seconds": effort.seconds,
        "results": [asdict(each) for each in results],
    }


def write(results: list[Result], effort: Effort, kind: str) -> Path:
    """Keep the results with their date and machine; the file."""
    now = datetime.now(UTC)
    file = RESULTS / f"{now:%Y-%m-%d}-{kind}.json"
    text = json.dumps(content(results, effort, now), indent=1, default=float, ensure_ascii=False)
    file.write_text(text + "\n")
    return file


def read(file: Path) -> tuple[dict[str, Any], list[Result]]:
    """What was kept: everything, and the results in it."""
    kept = json.loads(file.read_text())
    return kept, [Result(Cell(**each["cell"]), each["programs"], each["compared"]) for each in kept["results"]]
