"""The table of faults: on the terminal, and in the documentation."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable
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
NUMBERS = {
    "requests": "requests", "answered": "answered", "with an error": "refused", "dead letters": "dead",
    "lost": "lost", "unanswered": "unanswered", "wrong": "wrong", "executed twice": "doubled",
    "duplicate replies": "duplicates", "recovery s": "recovery", "longest gap s": "gap",
}  # fmt: skip
"""What a verdict says, by the title of its column."""
COLUMNS = ("fault", *NUMBERS, "promises")


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
        numbers = [_cell(getattr(self.verdict, name, None)) for name in NUMBERS.values()]
        return [self.fault.title, *numbers, "BROKEN" if self.problems else "kept"]


def _cell(value: float | tuple[str, ...] | None) -> str:
    if isinstance(value, tuple):
        return str(len(value))
    return "" if value is None else f"{value:.1f}" if isinstance(value, float) else str(value)


def show(rows: list[FaultResult]) -> None:
    """Print the table, and under it every broken promise."""
    table = Table(*COLUMNS)
    console = Console(width=190)
    for row in rows:
        table.add_row(*row.cells())
    console.print(table)
    for row in rows:
        for problem in row.problems:
            console.print(f"{row.fault.title}: {problem}", markup=False, highlight=False, soft_wrap=True)


def write(rows: list[FaultResult], page: Path = PAGE, *, whole: bool = True) -> None:
    """Put the table, with date and machine, into the documentation, in place of the former one.

    Where it is not `whole`, rows of the former one stay where none is new.
    """
    text, _, rest = page.read_text().partition(BEGIN)
    former, _, after = rest.partition(END)
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    lines = [f"Measured on {datetime.now(UTC):%Y-%m-%d} ({machine}) with `make faults`.", ""]
    lines += [_line(COLUMNS), _line(["---", *["--:"] * (len(COLUMNS) - 2), "---"])]
    new = {row.fault.title: _line(row.cells()) for row in rows}
    old = {line.split(" | ")[0].removeprefix("| "): line for line in former.splitlines() if line.startswith("| ")}
    kept = [] if whole else [new.pop(title, line) for title, line in old.items() if title not in (COLUMNS[0], "---")]
    table = "\n".join([*lines, *kept, *new.values()])
    page.write_text(f"{text}{BEGIN}\n\n{table}\n\n{END}{after}")


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"
