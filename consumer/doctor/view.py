"""How findings are shown: sections for people, a line of JSON for each when piped."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Final

import click
import orjson
from rich.console import Console
from rich.table import Table
from rich.text import Text

from consumer.doctor.finding import Finding, Level
from zeebe_amqp.schema.formatting import printable

__all__ = ["fails", "show"]

_STYLES: Final = {Level.OK: "green", Level.UNSEEN: "cyan", Level.WARNING: "yellow", Level.PROBLEM: "bold red"}
_WIDTH: Final = max(map(len, Level))


def fails(findings: Sequence[Finding], *, strict: bool) -> bool:
    """Whether the exit code says that something is wrong; with `strict` a warning is enough."""
    wrong = {Level.PROBLEM, Level.WARNING} if strict else {Level.PROBLEM}
    return any(each.level in wrong for each in findings)


def show(findings: Sequence[Finding]) -> None:
    """Print all findings, and on a terminal how many there are of each kind."""
    if not sys.stdout.isatty():
        for finding in findings:
            click.echo(orjson.dumps(finding))
        return
    console = Console()
    for section, members in groupby(findings, lambda each: each.section):
        console.print(Text(f"\n{section}", style="bold"))
        console.print(_table(members))
    console.print(Text(f"\n{_count(findings)}", style="bold"))


def _table(findings: Iterable[Finding]) -> Table:
    """How it is beside what was found; what has no room goes on in the next line."""
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True, min_width=_WIDTH)
    table.add_column(overflow="fold")
    for each in findings:
        text = Text.assemble((each.subject, "bold"), "  ", printable(each.found))
        for name, more in (("change", each.change), ("why", each.why)):
            if more:
                text.append(f"\n{name}: ", "dim").append(printable(more))
        table.add_row(Text(each.level, _STYLES[each.level]), text)
    return table


def _count(findings: Sequence[Finding]) -> str:
    counts = Counter(each.level for each in findings)
    return ", ".join(f"{counts[level]} {_plural(level, counts[level])}" for level in reversed(Level) if counts[level])


def _plural(level: Level, count: int) -> str:
    return f"{level}s" if level in (Level.WARNING, Level.PROBLEM) and count != 1 else str(level)
