"""What sharing a ledger costs: the tables of docs/running.md and their chart, made from the kept figures.

`benchmarks/results/replicas.json` has a run per entry, as `make bench-replicas` printed it: CPU microseconds per
command of all replicas, and of the server that they share (null without one).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks import chart, rounds
from benchmarks.page import DOCS, filled, markdown

FILE = rounds.RESULTS / "replicas.json"
PAGE = DOCS / "running.md"
CHART = DOCS / "charts" / "replicas.svg"
ALONE = "one, ledger in a file"
"""What the others are compared with."""
SERIES = ("replicas", "Redis or PostgreSQL")


@dataclass(frozen=True)
class Run:
    """One run."""

    date: str
    machine: str
    how: str
    cpu: Mapping[str, Sequence[int | None]]
    """Of all replicas and of their server, by what shared a ledger."""

    @property
    def when(self) -> str:
        """Day, machine and how."""
        return f"{self.date}, {self.machine}, {self.how}"


def read(file: Path = FILE) -> list[Run]:
    """The kept runs."""
    return [Run(**each) for each in json.loads(file.read_text())]


def table(run: Run) -> str:
    """The figures of a run."""
    rows = [(name, *("" if figure is None else str(figure) for figure in cpu)) for name, cpu in run.cpu.items()]
    return f"{run.when}:\n\n{markdown(('CPU µs per command', *SERIES), rows)}"


def made(text: str, runs: Sequence[Run]) -> str:
    """The page with these runs, by their place: `replicas 1` and so on."""
    return filled(text, {f"replicas {number}": table(run) for number, run in enumerate(runs, 1)})


def drawn(runs: Sequence[Run]) -> str:
    """The chart: in proportion to one replica of the same run with its ledger in a file, so that runs compare."""
    bars: dict[str, list[float]] = {}
    for run in runs:
        [alone, _] = run.cpu[ALONE]
        assert alone
        for name, cpu in run.cpu.items():
            bars.setdefault(name, [(figure or 0) / alone for figure in cpu])
    return chart.bars("CPU per command, compared with one replica that has its ledger in a file", SERIES, bars)


def make() -> None:
    """Write the page's tables and the chart anew."""
    runs = read()
    PAGE.write_text(made(PAGE.read_text(), runs))
    CHART.write_text(drawn(runs))
