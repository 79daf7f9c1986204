"""Panels of a dashboard over time as SVG, for light and dark pages."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle
from math import floor, isnan, log10

from benchmarks.chart import COLOURS, STYLE, picture, text

COLUMNS = 3
WIDTH, HEIGHT = 300, 110
"""Of the area of a panel's lines."""
LEFT, TOP, GAP, BELOW = 58, 60, 76, 96
LETTERS = 52
"""Of a legend, at most."""
LEGENDS = 3
TIMES = """\
.small { font-size: 11px }
.mark { stroke: #d33; stroke-width: 1; stroke-dasharray: 4 3 }
.warn { stroke: #e8a33d; stroke-width: 1; stroke-dasharray: 2 3 }
.thin { fill: none; stroke-width: 1.8; stroke-linejoin: round }
"""


@dataclass(frozen=True)
class Plot:
    """One panel: lines by legend, each a value per second since the beginning; nan where there is none."""

    title: str
    unit: str
    lines: Mapping[str, Mapping[float, float]]
    warn: float | None = None


def drawn(title: str, plots: Sequence[Plot], marks: Mapping[str, float], seconds: float) -> str:
    """The picture of some panels; `marks` are moments with a name, `seconds` is how long it lasted."""
    rows = -(-len(plots) // COLUMNS)
    wide = LEFT + COLUMNS * (WIDTH + GAP)
    high = TOP + rows * (HEIGHT + BELOW)
    inside = "".join(
        _plot(plot, LEFT + place % COLUMNS * (WIDTH + GAP), TOP + place // COLUMNS * (HEIGHT + BELOW), marks, seconds)
        for place, plot in enumerate(plots)
    )
    return picture(title, wide, high, f"{TIMES}{STYLE}", text(title, LEFT - 40, 18, "start", "title") + inside)


def _plot(plot: Plot, left: float, top: float, marks: Mapping[str, float], seconds: float) -> str:
    highest = max((value for line in plot.lines.values() for value in line.values() if not isnan(value)), default=0)
    highest = (highest or 1) * 1.08

    def x(at: float) -> float:
        return left + WIDTH * at / seconds

    def y(value: float) -> float:
        return top + HEIGHT * (1 - value / highest)

    drawing = text(plot.title, left, top - 10, "start") + _grid(left, highest, y, plot.unit)
    drawing += _axis(left, top, seconds) + "".join(_mark(x(at), top) for at in marks.values())
    if plot.warn is not None and plot.warn < highest:
        drawing += _across(left, y(plot.warn), "warn")
    for place, (colour, (legend, line)) in enumerate(zip(cycle(COLOURS), _important(plot), strict=False)):
        drawing += "".join(_line(piece, colour, x, y) for piece in _pieces(line))
        drawing += _legend(legend, colour, left, top + HEIGHT + 34 + 15 * place)
    return drawing


def _important(plot: Plot) -> list[tuple[str, Mapping[float, float]]]:
    """The lines that reach highest, in the order in which they came."""

    def peak(line: Mapping[float, float]) -> float:
        return max((value for value in line.values() if not isnan(value)), default=-1.0)

    kept = sorted(plot.lines, key=lambda legend: -peak(plot.lines[legend]))[:LEGENDS]
    return [(legend, line) for legend, line in plot.lines.items() if legend in kept]


def _pieces(line: Mapping[float, float]) -> list[list[tuple[float, float]]]:
    """The parts of a line between its gaps."""
    pieces: list[list[tuple[float, float]]] = [[]]
    for at, value in line.items():
        if not isnan(value):
            pieces[-1].append((at, value))
        elif pieces[-1]:
            pieces.append([])
    return [piece for piece in pieces if piece]


def _line(
    points: list[tuple[float, float]], colour: str, x: Callable[[float], float], y: Callable[[float], float]
) -> str:
    places = " ".join(f"{x(at):.1f},{y(value):.1f}" for at, value in points)
    return f'<polyline class="thin" stroke="{colour}" points="{places}"/>\n'


def _legend(legend: str, colour: str, left: float, y: float) -> str:
    words = legend if len(legend) <= LETTERS else legend[: LETTERS - 1] + "…"
    dash = f'<line class="thin" stroke="{colour}" x1="{left}" x2="{left + 14}" y1="{y - 4}" y2="{y - 4}"/>\n'
    return dash + text(words, left + 20, y, "start", "small")


def _grid(left: float, highest: float, y: Callable[[float], float], unit: str) -> str:
    distance = spacing(highest)
    values = [number * distance for number in range(int(highest / distance) + 1)]
    return "".join(
        _across(left, y(value), "axis") + text(amount(value, unit), left - 6, y(value) + 4, "end", "small")
        for value in values
    )


def spacing(highest: float) -> float:
    """The distance of the lines of a low grid: 1, 2 or 5 times a power of ten, so that there are three to five."""
    power = float(10 ** floor(log10(highest)))
    return next(power * part for part in (0.2, 0.5, 1, 2) if highest / (power * part) < 5)


def _across(left: float, y: float, kind: str) -> str:
    return f'<line class="{kind}" x1="{left}" x2="{left + WIDTH}" y1="{y:.1f}" y2="{y:.1f}"/>\n'


def _axis(left: float, top: float, seconds: float) -> str:
    minutes = range(int(seconds // 60) + 1)
    return "".join(
        text(f"{minute} min", left + WIDTH * minute * 60 / seconds, top + HEIGHT + 16, "middle", "small")
        for minute in minutes
    )


def _mark(x: float, top: float) -> str:
    return f'<line class="mark" x1="{x:.1f}" x2="{x:.1f}" y1="{top}" y2="{top + HEIGHT}"/>\n'


def amount(value: float, unit: str) -> str:
    """A value with its unit, as Grafana would write it; nothing where the numbers mean nothing."""
    match unit:
        case "s" if 0 < value < 1:
            return f"{value * 1000:g} ms"
        case "s" if value >= 120 and value % 30 == 0:
            return f"{value / 60:g} min"
        case "s":
            return f"{value:g} s"
        case "ops":
            return f"{value:g}/s"
        case "bytes":
            return f"{value / (1 << 20):g} MiB"
        case "":
            return ""
    return f"{value:g}"
