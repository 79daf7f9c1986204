"""The part of docs/performance.md about jobs, made from the kept results."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.figures import Figures
from benchmarks.jobs.rounds import JobResult
from benchmarks.page import PAGE, filled, markdown

NAME = "jobs"
COLUMNS = (
    "",
    "jobs/s",
    "until the handler begins: p50, p99 ms",
    "until the job has ended: p50, p99 ms",
    "CPU µs per job",
    "of that service, broker, worker",
    "gateway, CPU µs",
)


def row(way: str, figures: Figures) -> tuple[str, ...]:
    """The cells of a way."""
    times = (f"{figures[f'{name} p50']:.1f}, {figures[f'{name} p99']:.1f}" for name in ("begun", "done"))
    parts = ", ".join(f"{figures[name]:.0f}" if name in figures else "-" for name in ("service", "broker", "worker"))
    return way, f"{figures['rate']:.0f}", *times, f"{figures['cpu']:.0f}", parts, f"{figures['gateway']:.0f}"


def table(result: JobResult) -> str:
    """What was found at one gateway under one load."""
    rows = [row(way, figures) for way, figures in result.ways.items()]
    return f"**{result.gateway}, {result.load}** ({result.rounds} rounds)\n\n{markdown(COLUMNS, rows)}"


def compared(results: list[JobResult]) -> str:
    """What was compared within the rounds."""
    titles = dict.fromkeys(title for each in results for title in each.compared)
    lines = [(title, *(each.compared.get(title, "") for each in results)) for title in titles]
    return markdown(("", *(f"{each.gateway}, {each.load}" for each in results)), lines)


def shown(kept: dict[str, Any], results: list[JobResult]) -> str:
    """Everything."""
    how = f"{kept['date'][:10]}, {kept['machine']}; {kept['seconds']} s together, medians."
    tables = "\n\n".join(map(table, results))
    return f"{how}\n\n{tables}\n\nCompared within the rounds, medians:\n\n{compared(results)}"


def made(text: str, kept: dict[str, Any], results: list[JobResult]) -> str:
    """The page with these results."""
    return filled(text, {NAME: shown(kept, results)})


def make(kept: dict[str, Any], results: list[JobResult], page: Path = PAGE) -> None:
    """Write the page anew."""
    page.write_text(made(page.read_text(), kept, results))
