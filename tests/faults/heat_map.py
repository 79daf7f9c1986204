"""The heat maps of docs/reliability.md: what became of each promise under each fault, with each release of RabbitMQ.

A row stands for all moments at which a fault strikes; its fields show the worst of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum

from benchmarks.chart import picture, text
from tests.faults.results import KeptResult, releases
from tests.faults.tables import CLUSTER, JOBS, REQUESTS, FaultTable

LABELS, TOP, HIGH = 390, 58, 17
"""Where the fields begin, and how high a row is."""
FIELD, GAP = 24, 14
"""How wide a field is, and the space between two promises."""
STYLE = """\
text { font: 12px system-ui, sans-serif; fill: #333 }
.title { font-weight: 600 }
.small { font-size: 10px; fill: #777 }
.number { font-size: 10px; fill: #000 }
.kept { fill: #3a9d5d } .allowed { fill: #e8a33d } .broken { fill: #d03b3b }
.unknown { fill: none; stroke: #d03b3b; stroke-dasharray: 2 2 } .absent { fill: none; stroke: #8884 }
@media (prefers-color-scheme: dark) { text { fill: #ddd } .small { fill: #999 } }
"""


class Finding(IntEnum):
    """What became of a promise; the highest is the worst."""

    ABSENT = 0
    KEPT = 1
    ALLOWED = 2
    UNKNOWN = 3
    BROKEN = 4


MEANINGS = {
    Finding.KEPT: "kept",
    Finding.ALLOWED: "happened, was not promised",
    Finding.BROKEN: "broken",
    Finding.UNKNOWN: "could not be played",
    Finding.ABSENT: "not played",
}


@dataclass(frozen=True)
class Field:
    """One field: what became of a promise under a fault with one release."""

    finding: Finding
    times: int = 0
    """How often it happened, at the worst moment."""


@dataclass(frozen=True)
class FaultRow:
    """A fault, at all its moments."""

    name: str
    moments: int
    fields: Mapping[str, Sequence[Field]]
    """By promise: one for each release."""


def field(results: Iterable[KeptResult], name: str) -> Field:
    """The worst that was found of what `name` counts."""
    return max((_field(each, name) for each in results), key=_rank, default=Field(Finding.ABSENT))


def _rank(each: Field) -> tuple[Finding, int]:
    return each.finding, each.times


def _field(result: KeptResult, name: str) -> Field:
    times = int(result.numbers.get(name) or 0)
    if not result.numbers:
        return Field(Finding.UNKNOWN)
    if not times:
        return Field(Finding.KEPT)
    return Field(Finding.BROKEN if result.problems else Finding.ALLOWED, times)


def rows(table: FaultTable, results: Sequence[KeptResult], named: Sequence[str]) -> list[FaultRow]:
    """A row for each fault of a table that was played; `named` are the releases."""
    groups: dict[str, list[str]] = {}
    for fault in table.faults:
        groups.setdefault(_base(fault.title), []).append(fault.title)
    found = []
    for base, titles in groups.items():
        played = [each for each in results if each.fault in titles]
        if played:
            fields = {
                promise: [field((each for each in played if each.release == release), name) for release in named]
                for promise, name in table.promised.items()
            }
            found.append(FaultRow(base, len({each.fault for each in played}), fields))
    return found


def _base(title: str) -> str:
    """The fault without its moment, and without what names its table or a second consumer."""
    for prefix in ("jobs: ", "cluster: "):
        title = title.removeprefix(prefix)
    return title.partition(": ")[0].removesuffix(", two consumers")


def drawn(sections: Mapping[str, Sequence[FaultRow]], named: Sequence[str]) -> str:
    """The heat map of some sections, by their titles."""
    promises = list(next(row for section in sections.values() for row in section).fields)
    wide = LABELS + len(promises) * (len(named) * FIELD + GAP) + GAP
    body, y = _head(promises, named), float(TOP)
    for title, section in sections.items():
        body += text(title, 0, y + 13, "start", "title")
        y += HIGH + 2
        for row in section:
            body += _row(row, y)
            y += HIGH
        y += 8
    body += _legend(y + 4)
    high = y + 2 * HIGH + 8
    return picture("faults and promises", wide, high, STYLE, body)


def _left(place: int, releases: int) -> float:
    return LABELS + place * (releases * FIELD + GAP)


def _head(promises: Sequence[str], named: Sequence[str]) -> str:
    drawing = text("RabbitMQ", LABELS - 10, TOP - 8, "end", "small")
    for place, promise in enumerate(promises):
        left = _left(place, len(named))
        drawing += text(promise, left + len(named) * FIELD / 2, TOP - 28, kind="title")
        for number, release in enumerate(named):
            drawing += text(release, left + (number + 0.5) * FIELD, TOP - 8, kind="small")
    return drawing


def _row(row: FaultRow, y: float) -> str:
    name = row.name if row.moments == 1 else f"{row.name} ({row.moments})"
    drawing = text(name, LABELS - 10, y + 12, "end")
    for place, fields in enumerate(row.fields.values()):
        for number, each in enumerate(fields):
            x = _left(place, len(fields)) + number * FIELD
            drawing += _square(x, y, each.finding)
            if each.times:
                drawing += text(str(each.times), x + FIELD / 2, y + 12, kind="number")
    return drawing


def _square(x: float, y: float, finding: Finding) -> str:
    size = f'width="{FIELD - 2}" height="{HIGH - 2}"'
    return f'<rect class="{finding.name.lower()}" x="{x + 1:g}" y="{y + 1:g}" {size} rx="2"/>\n'


def _legend(y: float) -> str:
    drawing, x = "", 0.0
    for finding, meaning in MEANINGS.items():
        drawing += _square(x, y, finding) + text(meaning, x + FIELD + 4, y + 12, "start")
        x += FIELD + 20 + 6.2 * len(meaning)
    return drawing


def requests(results: Sequence[KeptResult]) -> str:
    """The heat map of requests: one broker, and a cluster."""
    named = releases(results)
    sections = {"One broker": REQUESTS, "A cluster of three": CLUSTER}
    return drawn({title: rows(table, results, named) for title, table in sections.items()}, named)


def jobs(results: Sequence[KeptResult]) -> str:
    """The heat map of jobs on queues."""
    named = releases(results)
    return drawn({"Jobs on queues": rows(JOBS, results, named)}, named)


CHARTS = {"faults.svg": requests, "faults-of-jobs.svg": jobs}
"""By their names in docs/charts/."""
