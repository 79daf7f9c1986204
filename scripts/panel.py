"""A panel of the dashboard, and the kinds of panels that are used."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

RATE = "[$__rate_interval]"
TARGETS = 'job=~"$job",instance=~"$instance"'
"""Stands for @ in the expressions below."""


@dataclass(frozen=True)
class Panel:
    """One panel: what it shows, in which unit (Grafana's name of it), and the expression of each legend.

    `warn` and `alarm` are the values from which it turns orange and red.
    """

    title: str
    about: str
    unit: str
    lines: Mapping[str, str]
    width: int = 8
    kind: str = "timeseries"
    warn: float | None = None
    alarm: float | None = None

    @property
    def expressions(self) -> dict[str, str]:
        """The expressions by their legends, as Grafana gets them."""
        return {legend: line.replace("@", TARGETS) for legend, line in self.lines.items()}


def fill(expression: str, interval: str, span: str, job: str) -> str:
    """An expression with values for Grafana's variables, for any instance; durations such as "1m"."""
    values = {"$__rate_interval": interval, "$__range": span, "$job": job, "$instance": ".*"}
    pattern = re.compile("|".join(map(re.escape, values)))
    return pattern.sub(lambda found: values[found[0]], expression)


def stat(title: str, about: str, unit: str, line: str, warn: float | None, alarm: float | None) -> Panel:
    """One number, large, with its course behind it."""
    return Panel(title, about, unit, {title: line}, 4, "stat", warn, alarm)


def rates(title: str, about: str, metric: str, *labels: str, only: str = "", width: int = 8) -> Panel:
    """Events per second of a counter, a line for each combination of labels."""
    legend = " ".join(f"{{{{{label}}}}}" for label in labels)
    line = f"sum by ({', '.join(labels)}) (rate({metric}{{@{only}}}{RATE}))"
    return Panel(title, about, "ops", {legend: line}, width)


def quantiles(title: str, about: str, metric: str, label: str = "", width: int = 8, warn: float | None = None) -> Panel:
    """The median, and what one in twenty and one in a hundred exceed, of a histogram; for each value of a label."""
    name, by = (f" {{{{{label}}}}}", f"{label}, le") if label else ("", "le")
    rate = f"sum by ({by}) (rate({metric}_bucket{{@}}{RATE}))"
    lines = {f"p{part}{name}": f"histogram_quantile(0.{part}, {rate})" for part in (50, 95, 99)}
    return Panel(title, about, "s", lines, width, warn=warn)


def gauges(
    title: str, about: str, unit: str, lines: Mapping[str, str], width: int = 8, warn: float | None = None
) -> Panel:
    """Values as they are."""
    return Panel(title, about, unit, lines, width, warn=warn)


@dataclass(frozen=True)
class Section:
    """Panels under one heading; they fill lines of 24 columns."""

    title: str
    panels: tuple[Panel, ...] = field(default_factory=tuple)
