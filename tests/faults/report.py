"""The table of faults: on the terminal, and in the documentation."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from rich.console import Console
from rich.table import Table

from scripts.consumer import ROOT
from tests.faults.checker import Verdict
from tests.faults.jobs.checker import JobVerdict
from tests.faults.jobs.fault import JobFault

PAGE = ROOT / "docs" / "reliability.md"


@dataclass(frozen=True)
class FaultTable:
    """One of the tables of the page; `numbers`: what a verdict says, by the title of its column."""

    name: str
    numbers: Mapping[str, str]

    @property
    def begin(self) -> str:
        """Where it begins in the page."""
        return f"<!-- {self.name} -->"

    @property
    def end(self) -> str:
        """Where it ends."""
        return f"<!-- end of {self.name} -->"

    @property
    def columns(self) -> tuple[str, ...]:
        """The titles of its columns."""
        return ("fault", *self.numbers, "promises")


REQUESTS = FaultTable("faults", {
    "requests": "requests", "answered": "answered", "with an error": "refused", "dead letters": "dead",
    "lost": "lost", "unanswered": "unanswered", "wrong": "wrong", "executed twice": "doubled",
    "duplicate replies": "duplicates", "recovery s": "recovery", "longest gap s": "gap",
})  # fmt: skip
JOBS = FaultTable("faults of jobs", {
    "jobs": "jobs", "completed": "completed", "BPMN errors": "thrown", "incidents": "incidents",
    "given out again": "again", "deliveries": "deliveries", "too late": "late", "on the wire": "on_the_wire",
    "stuck": "stuck", "overtaken": "overtaken", "wrong": "wrong", "dead letters": "dead",
    "recovery s": "recovery", "longest gap s": "gap",
})  # fmt: skip
TABLES = (REQUESTS, JOBS)


class Played(Protocol):
    """What a row is about."""

    @property
    def title(self) -> str:
        """Its name, unlike every other's."""

    def problems(self, verdict: Any) -> list[str]:
        """Every broken promise."""


@dataclass(frozen=True)
class FaultResult:
    """One fault and what came of it: the verdict, or why there is none."""

    fault: Played
    verdict: Verdict | JobVerdict | None = None
    failure: str = ""

    @property
    def table(self) -> FaultTable:
        """Where it belongs."""
        return JOBS if isinstance(self.fault, JobFault) else REQUESTS

    @property
    def problems(self) -> list[str]:
        """Every broken promise."""
        return [self.failure] if self.verdict is None else self.fault.problems(self.verdict)

    def cells(self) -> list[str]:
        """The row of the table."""
        numbers = [_cell(getattr(self.verdict, name, None)) for name in self.table.numbers.values()]
        return [self.fault.title, *numbers, "BROKEN" if self.problems else "kept"]


def _cell(value: float | tuple[str, ...] | None) -> str:
    if isinstance(value, tuple):
        return str(len(value))
    return "" if value is None else f"{value:.1f}" if isinstance(value, float) else str(value)


def show(rows: list[FaultResult]) -> None:
    """Print the tables, and under them every broken promise."""
    console = Console(width=190)
    for kind in TABLES:
        table = Table(*kind.columns)
        for row in rows:
            if row.table is kind:
                table.add_row(*row.cells())
        if table.row_count:
            console.print(table)
    for row in rows:
        for problem in row.problems:
            console.print(f"{row.fault.title}: {problem}", markup=False, highlight=False, soft_wrap=True)


def write(rows: list[FaultResult], page: Path = PAGE, *, whole: bool = True) -> None:
    """Put the tables, with date and machine, into the documentation, in place of the former ones.

    Where they are not `whole`, rows of the former ones stay where none is new.
    """
    text = page.read_text()
    for table in TABLES:
        if of_table := [row for row in rows if row.table is table]:
            text = _with(text, table, of_table, whole)
    page.write_text(text)


def _with(text: str, table: FaultTable, rows: list[FaultResult], whole: bool) -> str:
    """The page with these rows."""
    before, _, rest = text.partition(table.begin)
    former, _, after = rest.partition(table.end)
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    lines = [f"Measured on {datetime.now(UTC):%Y-%m-%d} ({machine}) with `make faults`.", ""]
    lines += [_line(table.columns), _line(["---", *["--:"] * (len(table.columns) - 2), "---"])]
    new = {row.fault.title: _line(row.cells()) for row in rows}
    old = {line.split(" | ")[0].removeprefix("| "): line for line in former.splitlines() if line.startswith("| ")}
    titles = (table.columns[0], "---")
    kept = [] if whole else [new.pop(title, line) for title, line in old.items() if title not in titles]
    made = "\n".join([*lines, *kept, *new.values()])
    return f"{before}{table.begin}\n\n{made}\n\n{table.end}{after}"


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"
