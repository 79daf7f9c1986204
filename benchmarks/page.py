"""The tables and charts of docs/performance.md and a table of docs/sizing.md, made from the newest results with peers.

A table stands between two comments, which a page shows nobody: `<!-- made: NAME -->` and `<!-- end -->`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from itertools import product
from pathlib import Path
from typing import Any

from benchmarks import chart, rounds
from benchmarks.chart import Panel
from benchmarks.figures import CALL, COMPARISONS, ECHO, FASTSTREAM, MEMORY, PYZEEBE, SERVICE, TRACED, Figures
from benchmarks.rounds import Result

DOCS = Path(__file__).parents[1] / "docs"
PAGE = DOCS / "performance.md"
SIZING = DOCS / "sizing.md"
ONE_REPLICA = "one replica"
"""The table of docs/sizing.md."""
COLUMNS = ("", "commands/s", "p50 ms", "p99 ms", "CPU µs per command", "RSS MB")
FORMS = {"rate": "{:.0f}", "p50": "{:.1f}", "p99": "{:.1f}", "cpu": "{:.0f}", "rss": "{:.0f}"}
"""How the figures of these columns are written."""
DRAWN = (SERVICE, PYZEEBE, FASTSTREAM)
CEILINGS = (ECHO, CALL)
PERCENTILES = ("50", "75", "90", "95", "99", "99.9")
SHOWN = (1, 32)
"""Requests at a time in the chart of latencies."""


def newest() -> Path:
    """The newest results with peers."""
    return sorted(rounds.RESULTS.glob("*-peers.json"))[-1]


def row(name: str, figures: Figures) -> tuple[str, ...]:
    """The cells of a program; empty where it has no figure."""
    return name, *(form.format(figures[key]) if key in figures else "" for key, form in FORMS.items())


def rows(result: Result) -> list[tuple[str, ...]]:
    """The rows of a table."""
    return [row(name, figures) for name, figures in result.programs.items()]


def wanted(title: str) -> str:
    """What a comparison should be, in brackets."""
    [aim] = [each.wanted for each in COMPARISONS if each.title == title]
    return f" (wanted: at most {aim})" if aim else ""


def markdown(titles: Iterable[str], lines: Iterable[tuple[str, ...]]) -> str:
    """A table; figures stand on the right."""
    head = [*titles]
    bars = ("---", *("--:" for _ in head[1:]))
    return "\n".join(f"|{'|'.join(f' {cell} ' if cell else ' ' for cell in each)}|" for each in (head, bars, *lines))


def when(kept: dict[str, Any], results: list[Result]) -> str:
    """How and when the figures were found, and that load and gateway were not the limit."""
    how = f"{kept['date'][:10]}, {kept['machine']}; {kept['rounds']} rounds of {kept['seconds']:g} s, medians."
    lines = [(each.cell.title, *rounds.beside(each.programs).values()) for each in placed(results)]
    return f"{how}\n\n{markdown(('', *rounds.BESIDE.values()), lines)}"


def placed(results: list[Result]) -> list[Result]:
    """The results about consumers."""
    return [each for each in results if SERVICE in each.programs]


def tables(results: list[Result], latency: int) -> str:
    """The figures of all programs at one latency of the gateway."""
    return "\n\n".join(
        f"**{each.cell.title}**\n\n{markdown(COLUMNS, rows(each))}" for each in results if each.cell.latency == latency
    )


def summary(results: list[Result]) -> str:
    """Commands per second and CPU of what people choose from, under every load."""
    found = placed(results)
    names = [name for name in found[0].programs if name not in CEILINGS]
    lines = [(name, *(short(each.programs[name]) for each in found)) for name in names]
    return markdown(("commands/s, CPU µs", *(each.cell.title for each in found)), lines)


def short(figures: Figures) -> str:
    """Two figures in one cell."""
    return f"{figures['rate']:.0f}, {figures['cpu']:.0f}"


def compared(results: list[Result]) -> str:
    """What was compared within the rounds."""
    found = placed(results)
    titles = dict.fromkeys(title for each in found for title in each.compared)
    lines = [(f"{title}{wanted(title)}", *(each.compared.get(title, "") for each in found)) for title in titles]
    return markdown(("", *(each.cell.title for each in found)), lines)


def callers(results: list[Result]) -> str:
    """What a call costs a caller."""
    [found] = [each for each in results if each.cell == rounds.CALLERS]
    said = "; ".join(f"{title}: {figure}{wanted(title)}" for title, figure in found.compared.items())
    lines = [row(name, figures)[:-1] for name, figures in found.programs.items()]
    return f"{markdown(COLUMNS[:-1], lines)}\n\n{said}."


TABLES: dict[str, Callable[[list[Result]], str]] = {
    "summary": summary,
    "compared": compared,
    "at once": lambda results: tables(placed(results), 0),
    "5 ms": lambda results: tables(results, 5),
    "callers": callers,
}


def made(text: str, kept: dict[str, Any], results: list[Result]) -> str:
    """The page with the tables of these results."""
    return filled(text, {name: make(results) for name, make in TABLES.items()} | {"when": when(kept, results)})


def filled(text: str, blocks: Mapping[str, str]) -> str:
    """The page with these blocks, by name; others stay as they are."""

    def block(found: re.Match[str]) -> str:
        return f"{found[1]}\n\n{blocks[found[2]]}\n\n{found[3]}" if found[2] in blocks else found[0]

    return re.sub(r"(<!-- made: (.+?) -->)\n.*?(<!-- end -->)", block, text, flags=re.DOTALL)


def throughput(results: list[Result]) -> str:
    """The chart of commands per second by requests at a time."""

    def lines(found: list[Result]) -> dict[str, list[float]]:
        return {name: [each.programs[name]["rate"] for each in found] for name in DRAWN if name in found[0].programs}

    return chart.drawn("commands per second", "requests in flight", by_latency(results, lines))


def latencies(results: list[Result]) -> str:
    """The chart of milliseconds by percentile."""
    panels = [
        Panel(
            each.cell.title,
            PERCENTILES,
            {name: [each.programs[name][f"p{mark}"] for mark in PERCENTILES] for name in DRAWN},
        )
        for each in placed(results)
        if each.cell.latency and each.cell.in_flight in SHOWN
    ]
    return chart.drawn("milliseconds until the answer", "percentile", panels)


def by_latency(results: list[Result], lines: Callable[[list[Result]], dict[str, list[float]]]) -> list[Panel]:
    """A panel for each latency of the gateway, with some lines by requests in flight."""
    panels = []
    for latency in dict.fromkeys(each.cell.latency for each in placed(results)):
        found = [each for each in placed(results) if each.cell.latency == latency]
        title = f"gateway takes {latency} ms" if latency else "gateway answers at once"
        panels.append(Panel(title, tuple(str(each.cell.in_flight) for each in found), lines(found)))
    return panels


def loads(results: list[Result]) -> str:
    """The chart of milliseconds by requests in flight."""

    def lines(found: list[Result]) -> dict[str, list[float]]:
        return {
            f"{name}, {mark}": [each.programs[name][mark] for each in found]
            for name, mark in product((SERVICE, PYZEEBE), ("p50", "p99"))
        }

    return chart.drawn("milliseconds until the answer", "requests in flight", by_latency(results, lines))


def costs(results: list[Result]) -> str:
    """The chart of what ledger and traces cost."""

    def lines(found: list[Result]) -> dict[str, list[float]]:
        return {name: [each.programs[name]["cpu"] for each in found] for name in (MEMORY, SERVICE, TRACED)}

    return chart.drawn("CPU µs per command", "requests in flight", by_latency(results, lines))


def one_replica(results: list[Result]) -> str:
    """What one replica does under each load, with a gateway that takes its time."""
    found = [each for each in placed(results) if each.cell.latency]
    rows = [row(str(each.cell.in_flight), each.programs[SERVICE]) for each in found]
    return markdown(("requests at a time", *COLUMNS[1:]), rows)


CHARTS = {"throughput.svg": throughput, "latency.svg": latencies, "load.svg": loads, "ledger.svg": costs}


def make() -> None:
    """Write the page and its charts anew."""
    kept, results = rounds.read(newest())
    PAGE.write_text(made(PAGE.read_text(), kept, results))
    SIZING.write_text(filled(SIZING.read_text(), {ONE_REPLICA: one_replica(results)}))
    (DOCS / "charts").mkdir(exist_ok=True)
    for name, draw in CHARTS.items():
        (DOCS / "charts" / name).write_text(draw(results))
