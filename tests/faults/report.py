"""What came of the faults of one run: on the terminal, and as it is kept."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from rich.console import Console
from rich.table import Table

from benchmarks import machine
from tests.faults.checker import Verdict
from tests.faults.jobs.checker import JobVerdict
from tests.faults.results import KeptResult, Number
from tests.faults.tables import TABLES, FaultTable, Played, table_of


@dataclass(frozen=True)
class FaultResult:
    """One fault and what came of it: the verdict, or why there is none."""

    fault: Played
    verdict: Verdict | JobVerdict | None = None
    failure: str = ""

    @property
    def table(self) -> FaultTable:
        """Where it belongs."""
        return table_of(self.fault.title)

    @property
    def problems(self) -> list[str]:
        """Every broken promise."""
        return [self.failure] if self.verdict is None else self.fault.problems(self.verdict)

    @property
    def numbers(self) -> dict[str, Number]:
        """What the verdict says, by what it calls it; empty when there is none."""
        named = (*self.table.numbers.values(), *self.table.promised.values())
        return {name: _number(getattr(self.verdict, name)) for name in named} if self.verdict else {}

    def cells(self) -> list[str]:
        """The row of the table."""
        found = self.numbers
        numbers = [shown(found.get(name)) for name in (*self.table.numbers.values(), *self.table.promised.values())]
        return [self.fault.title, *numbers, "BROKEN" if self.problems else "kept"]

    def kept(self, broker: str) -> KeptResult:
        """What is kept of it; `broker`: the version of the node."""
        day = f"{datetime.now(UTC):%Y-%m-%d}"
        return KeptResult(self.fault.title, broker, day, machine.described(), self.numbers, self.problems)


def _number(value: float | tuple[str, ...] | None) -> Number:
    if isinstance(value, tuple):
        return len(value)
    return round(value, 2) if isinstance(value, float) else value


def shown(number: Number) -> str:
    """A number for people; empty where there is none."""
    return "" if number is None else f"{number:.1f}" if isinstance(number, float) else str(number)


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
