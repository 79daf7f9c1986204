"""The pages of what was found, made from the kept results: releases of RabbitMQ side by side.

The heat maps are on docs/reliability.md, every row is on docs/reliability-rows.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from benchmarks.page import filled, markdown
from scripts.consumer import ROOT
from tests.faults import heat_map
from tests.faults.report import shown
from tests.faults.results import KeptResult, releases
from tests.faults.tables import TABLES, FaultTable

PAGE = ROOT / "docs" / "reliability-rows.md"
CHARTS = ROOT / "docs" / "charts"
NOTHING = "-"
"""Stands where there is no number."""
MAX_REASON = 120
"""Characters that are told of why a fault could not be played."""


def block(table: FaultTable, results: Iterable[KeptResult]) -> str:
    """One table with what has to be known about it."""
    titles = [fault.title for fault in table.faults]
    found = [each for each in results if each.fault in titles]
    if not found:
        return "Not measured yet."
    columns = ("fault", "promises", *table.numbers)
    return f"{_read(found)}\n\n{_measured(found)}\n\n{markdown(columns, _rows(table, titles, found))}"


def _read(results: list[KeptResult]) -> str:
    named = releases(results)
    if len(named) == 1:
        return f"All with RabbitMQ {named[0]}."
    return (
        f"Each cell: RabbitMQ **{' / '.join(named)}**; one value where it is the same with all, {NOTHING} where there "
        "is none."
    )


def _measured(results: list[KeptResult]) -> str:
    """Where and when, a line for each version and machine."""
    days: dict[tuple[str, str], list[str]] = {}
    for each in results:
        days.setdefault((each.broker, each.machine), []).append(each.date)
    return "\n".join(
        f"- RabbitMQ {broker}: {' to '.join(dict.fromkeys((min(found), max(found))))} ({machine})"
        for (broker, machine), found in days.items()
    )


def _rows(table: FaultTable, titles: list[str], results: list[KeptResult]) -> list[tuple[str, ...]]:
    """A row for each fault."""
    named = releases(results)
    rows = []
    for title in titles:
        by_release = {each.release: each for each in results if each.fault == title}
        if by_release:
            played = [by_release.get(release) for release in named]
            promises = _together([_promises(table, each) for each in played])
            numbers = (_together([_cell(each, name) for each in played]) for name in table.numbers.values())
            rows.append((title, promises, *numbers))
    return rows


def _together(cells: Sequence[str]) -> str:
    return cells[0] if len(set(cells)) == 1 else " / ".join(cells)


def _cell(result: KeptResult | None, name: str) -> str:
    return (shown(result.numbers.get(name)) if result else "") or NOTHING


def _promises(table: FaultTable, result: KeptResult | None) -> str:
    """Whether they were kept, and what happened that is promised not to."""
    if result is None:
        return NOTHING
    found = ", ".join(
        f"{result.numbers[name]} {title}" for title, name in table.promised.items() if result.numbers.get(name)
    )
    if not result.problems:
        return f"kept ({found})" if found else "kept"
    return f"**broken**: {found or _text(result.problems)}"


def _text(problems: list[str]) -> str:
    """In one cell of a table, and not all of it."""
    return " ".join("; ".join(problems).split()).replace("|", "\\|")[:MAX_REASON]


def made(text: str, results: Iterable[KeptResult]) -> str:
    """The page with the tables of these results."""
    kept = list(results)
    return filled(text, {table.name: block(table, kept) for table in TABLES})


def make(results: Iterable[KeptResult], page: Path = PAGE, charts: Path = CHARTS) -> None:
    """Write the page and the heat maps anew."""
    kept = list(results)
    page.write_text(made(page.read_text(), kept))
    for name, draw in heat_map.CHARTS.items():
        (charts / name).write_text(draw(kept))
