"""The lines of a soak on docs/reliability.md, made from the samples that `make soak WRITE=yes` kept."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks import chart
from benchmarks.chart import Panel
from benchmarks.page import filled
from scripts.consumer import ROOT

PAGE = ROOT / "docs" / "reliability.md"
CHARTS = ROOT / "docs" / "charts"
NAME = "soak lines"
MEASURES = ("RSS MiB", "file descriptors")
MARKS = 5
"""How many moments are named below the lines."""


def read(file: Path) -> dict[str, Any]:
    """What is kept, by ledger; nothing before the first soak."""
    kept: dict[str, Any] = json.loads(file.read_text()) if file.exists() else {}
    return kept


def panel(title: str, measure: str, samples: Mapping[str, list[list[float]]]) -> Panel:
    """One measure of every replica, by minutes."""
    taken = [samples[name] for name in samples if name.partition(", ")[0] == measure]
    length = min(map(len, taken))
    step = max(1, length // MARKS)
    marks = [f"{taken[0][place][0] / 60:.0f}" if place % step == 0 else "" for place in range(length)]
    lines = {f"replica {number}": [value for _, value in each[:length]] for number, each in enumerate(taken, 1)}
    return Panel(title, marks, lines)


def drawn(ledger: str, samples: Mapping[str, list[list[float]]]) -> str:
    """The chart of the soak with a ledger."""
    panels = [panel(f"{measure}, ledger {ledger}", measure, samples) for measure in MEASURES]
    return chart.drawn("a steady load, and a fault every 30 s", "minutes", panels)


def charts(kept: Mapping[str, Any]) -> dict[str, str]:
    """The charts of all soaks, by their names in docs/charts/."""
    return {f"soak-{ledger}.svg": drawn(ledger, each["samples"]) for ledger, each in sorted(kept.items())}


def told(kept: Mapping[str, Any]) -> str:
    """What the page says."""
    parts = [
        f"![Memory and file descriptors, ledger {ledger}](charts/soak-{ledger}.svg)\n\n"
        f"RabbitMQ {each['broker']}, {each['date']}."
        for ledger, each in sorted(kept.items())
    ]
    return "\n\n".join(parts) or "No samples are kept yet: `make soak WRITE=yes` keeps them, and draws their lines."


def made(text: str, kept: Mapping[str, Any]) -> str:
    """The page with these samples."""
    return filled(text, {NAME: told(kept)})


def make(kept: Mapping[str, Any]) -> None:
    """Write page and charts anew."""
    PAGE.write_text(made(PAGE.read_text(), kept))
    for name, text in charts(kept).items():
        (CHARTS / name).write_text(text)
