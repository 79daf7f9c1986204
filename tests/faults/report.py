"""The table of faults: on the terminal, and in the documentation."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table

from scripts.consumer import ROOT
from tests.faults.checker import Verdict
from tests.faults.fault import Fault

PAGE = ROOT / "docs" / "reliability.md"
BEGIN, END = "<!-- faults -->", "<!-- end of faults -->"
COLUMNS = (
    "fault",
    "requests",
    "answered",
    "with an error",
    "dead letters",
    "lost",
    "unanswered",
    "wrong",
    "executed twice",
    "duplicate replies",
    "recovery s",
    "longest gap s",
    "promises",
)


@dataclass(frozen=True)
class FaultResult:
    """One fault and what came of it: the verdict, or why there is none."""

    fault: Fault
    verdict: Verdict | None = None
    failure: str = ""

    @property
    def problems(self) -> list[str]:
        """Every broken promise."""
        if self.verdict is None:
            return [self.failure]
        return self.verdict.problems(forgiving=self.fault.forgiving)

    def cells(self) -> list[str]:
        """The row of the table."""
        verdict = self.verdict
        if verdict is None:
            return [self.fault.title, *[""] * (len(COLUMNS) - 2), "BROKEN"]
        numbers = [verdict.requests, verdict.answered, verdict.refused, verdict.dead]
        kinds = [verdict.lost, verdict.unanswered, verdict.wrong, verdict.doubled]
        counts = [*numbers, *map(len, kinds), verdict.duplicates]
        kept = "BROKEN" if self.problems else "kept"
        return [self.fault.title, *map(str, counts), _seconds(verdict.recovery), _seconds(verdict.gap), kept]


def _seconds(value: float | None) -> str:
    return "" if value is None else f"{value:.1f}"


def show(rows: list[FaultResult]) -> None:
    """Print the table, and under it every broken promise."""
    table = Table(*COLUMNS)
    for row in rows:
        table.add_row(*row.cells())
    console = Console(width=190)
    console.print(table)
    for row in rows:
        for problem in row.problems:
            console.print(f"{row.fault.title}: {problem}", markup=False, highlight=False, soft_wrap=True)


def markdown(rows: list[FaultResult], now: datetime, before: str = "") -> str:
    """The table for the documentation, with date and machine; rows of the table `before` stay where none is new."""
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    lines = [f"Measured on {now:%Y-%m-%d} ({machine}) with `make faults`.", ""]
    lines += [_line(COLUMNS), _line(["---", *["--:"] * (len(COLUMNS) - 2), "---"])]
    new = {row.fault.title: _line(row.cells()) for row in rows}
    old = {line.split(" | ")[0].removeprefix("| "): line for line in before.splitlines() if line.startswith("| ")}
    kept = [new.pop(title, line) for title, line in old.items() if title not in (COLUMNS[0], "---")]
    return "\n".join([*lines, *kept, *new.values()])


def _line(cells: list[str] | tuple[str, ...]) -> str:
    return f"| {' | '.join(cells)} |"


def write(rows: list[FaultResult], page: Path = PAGE, *, whole: bool = True) -> None:
    """Put the table into the documentation, in place of the former one, or of its rows where it is not `whole`."""
    before, _, rest = page.read_text().partition(BEGIN)
    former, _, after = rest.partition(END)
    table = markdown(rows, datetime.now(UTC), "" if whole else former)
    page.write_text(f"{before}{BEGIN}\n\n{table}\n\n{END}{after}")
