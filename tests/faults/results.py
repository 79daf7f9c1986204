"""What came of each fault with each release of RabbitMQ, kept in a file: a line each."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeAlias

from tests.faults.tables import TITLES

FILE = Path(__file__).with_name("results.jsonl")
Number: TypeAlias = float | None
"""Times are in seconds; None where there was nothing to measure."""


@dataclass(frozen=True)
class KeptResult:
    """One fault and what came of it, as it is kept."""

    fault: str
    """Its title."""
    broker: str
    """The whole version: "4.3.6"."""
    date: str
    """The day, as ISO 8601 writes it."""
    machine: str
    numbers: Mapping[str, Number]
    """By what a verdict calls them; empty when the fault could not be played."""
    problems: list[str]
    """Every broken promise, or why it could not be played."""

    @property
    def release(self) -> str:
        """The release, as people say it: "4.3"."""
        return ".".join(self.broker.split(".")[:2])


def releases(results: Iterable[KeptResult]) -> list[str]:
    """Which releases there are results of, the oldest first."""
    return sorted({each.release for each in results}, key=_age)


def _age(version: str) -> list[int]:
    return [int(part) for part in version.split(".")]


def replaced(former: Iterable[KeptResult], new: Iterable[KeptResult]) -> list[KeptResult]:
    """The former ones, and new ones in the place of those of the same fault and release; in order.

    Faults that there are no more are left out.
    """
    found = {(each.release, each.fault): each for each in (*former, *new) if each.fault in TITLES}
    return sorted(found.values(), key=lambda each: (_age(each.release), TITLES.index(each.fault)))


def read(file: Path = FILE) -> list[KeptResult]:
    """What is kept."""
    return [KeptResult(**json.loads(line)) for line in file.read_text().splitlines()]


def write(new: Iterable[KeptResult], file: Path = FILE) -> list[KeptResult]:
    """Keep these, too; all that is kept."""
    kept = replaced(read(file), new)
    file.write_text("".join(f"{json.dumps(asdict(each), ensure_ascii=False)}\n" for each in kept))
    return kept
