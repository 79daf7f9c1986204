"""Charts of lines and of bars as SVG, for light and dark pages."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from math import floor, log10

WIDTH, HEIGHT = 380, 220
"""Of the area of a panel's lines."""
LEFT, TOP, GAP, BOTTOM = 56, 54, 70, 84
NAMES, BAR = 170, 18
"""The room for the names of bars, and how high a bar is."""
COLOURS = ("#2f7fd6", "#d9742b", "#3a9d5d", "#a45fc4")
"""Readable on white and on black."""
STYLE = """\
text { font: 13px system-ui, sans-serif; fill: #333 }
.axis { stroke: #8888; stroke-width: 1 }
.line { fill: none; stroke-width: 2.5; stroke-linejoin: round }
.title { font-weight: 600 }
@media (prefers-color-scheme: dark) { text { fill: #ddd } }
"""


@dataclass(frozen=True)
class Panel:
    """One of the diagrams that stand side by side; every line has a value per mark."""

    title: str
    marks: Sequence[str]
    lines: dict[str, list[float]]


def step(highest: float) -> float:
    """The distance of the lines of a grid: 1, 2 or 5 times a power of ten, so that there are three to seven of them."""
    power = float(10 ** floor(log10(highest)))
    return power * next(part for part in (0.2, 0.5, 1, 2) if highest / (power * part) <= 7)


def drawn(what: str, below: str, panels: Sequence[Panel]) -> str:
    """The chart of some panels, whose values are `what` and whose marks are `below`."""
    wide = LEFT + len(panels) * (WIDTH + GAP)
    high = TOP + HEIGHT + BOTTOM
    names = max((list(panel.lines) for panel in panels), key=len)
    inside = "".join(_panel(panel, LEFT + place * (WIDTH + GAP), below) for place, panel in enumerate(panels))
    drawing = text(what, LEFT - 40, 18, "start", "title") + inside + _legend(names, high - 20)
    return picture(f"{what} by {below}", wide, high, STYLE, drawing)


def bars(what: str, series: Sequence[str], rows: Mapping[str, Sequence[float]]) -> str:
    """The chart of some bars by their names; each is made of a part for each of the series."""
    highest = max(map(sum, rows.values()))
    drawing, y = text(what, 0, 18, "start", "title"), 34.0
    for name, parts in rows.items():
        drawing += text(name, NAMES - 8, y + BAR - 5, "end")
        x = float(NAMES)
        for colour, part in zip(COLOURS, parts, strict=False):
            wide = part / highest * WIDTH
            drawing += f'<rect fill="{colour}" x="{x:.1f}" y="{y:.1f}" width="{wide:.1f}" height="{BAR}"/>\n'
            x += wide
        drawing += text(f"{sum(parts):.1f}", x + 6, y + BAR - 5, "start")
        y += BAR + 8
    return picture(what, NAMES + WIDTH + 50, y + 30, STYLE, drawing + _legend(series, y + 12))


def picture(title: str, wide: int, high: float, style: str, drawing: str) -> str:
    """A whole SVG of this size; readers who do not see it are told the title."""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide} {high:g}" width="{wide}" role="img">\n'
        f"<title>{escape(title)}</title>\n<style>\n{style}</style>\n{drawing}</svg>\n"
    )


def text(words: str, x: float, y: float, anchor: str = "middle", kind: str = "") -> str:
    """A line of text at a place."""
    named = f' class="{kind}"' if kind else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{named}>{escape(words)}</text>\n'


def _panel(panel: Panel, left: float, below: str) -> str:
    highest = max(max(line) for line in panel.lines.values()) * 1.05
    places = [left + WIDTH * (number + 0.5) / len(panel.marks) for number in range(len(panel.marks))]

    def height(value: float) -> float:
        return TOP + HEIGHT * (1 - value / highest)

    drawing = text(panel.title, left + WIDTH / 2, TOP - 12) + _grid(left, highest, height)
    for mark, place in zip(panel.marks, places, strict=True):
        drawing += text(mark, place, TOP + HEIGHT + 18)
    drawing += text(below, left + WIDTH / 2, TOP + HEIGHT + 38)
    for colour, values in zip(COLOURS, panel.lines.values(), strict=False):
        points = " ".join(f"{x:.1f},{height(value):.1f}" for x, value in zip(places, values, strict=True))
        drawing += f'<polyline class="line" stroke="{colour}" points="{points}"/>\n'
    return drawing


def _grid(left: float, highest: float, height: Callable[[float], float]) -> str:
    distance, drawing, value = step(highest), "", 0.0
    while value <= highest:
        y = height(value)
        drawing += f'<line class="axis" x1="{left}" x2="{left + WIDTH}" y1="{y:.1f}" y2="{y:.1f}"/>\n'
        drawing += text(f"{value:g}", left - 8, y + 4, "end")
        value += distance
    return drawing


def _legend(names: Sequence[str], y: float) -> str:
    drawing, x = "", float(LEFT)
    for colour, name in zip(COLOURS, names, strict=False):
        drawing += f'<line class="line" stroke="{colour}" x1="{x}" x2="{x + 24}" y1="{y}" y2="{y}"/>\n'
        drawing += text(name, x + 30, y + 4, "start")
        x += 60 + 7.5 * len(name)
    return drawing
