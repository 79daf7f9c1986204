"""What was found, by release of RabbitMQ: benchmarks/results/strict.json."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from benchmarks import machine
from benchmarks.strict.attacks import ATTACKS, Outcome

__all__ = ["FILE", "Result", "now", "read", "write"]

FILE = Path(__file__).parents[1] / "results" / "strict.json"
REFUSED, NOTHING, ABSENT = "refused", "without effect", "-"


@dataclass(frozen=True)
class Result:
    """One release: by attack, what came of it."""

    release: str
    date: str
    machine: str
    lax: dict[str, str]
    """Without strict replies; what needs their exchange is not there."""
    strict: dict[str, str]
    """With them, and the permissions that are printed."""
    everything: dict[str, str]
    """With them, and attackers who may do everything."""

    def problems(self) -> Iterator[str]:
        """Every broken promise."""
        for attack in ATTACKS:
            found = self.strict.get(attack.name, "not tried")
            if found not in (REFUSED, NOTHING):
                yield f"RabbitMQ {self.release}: {attack.name}: {found}"


def now(release: str, lax: Sequence[Outcome], strict: Sequence[Outcome], everything: Sequence[Outcome]) -> Result:
    """What was found now, on this machine."""
    today = datetime.now(UTC).date().isoformat()
    return Result(release, today, machine.described(), *(_shown(each) for each in (lax, strict, everything)))


def _shown(outcomes: Sequence[Outcome]) -> dict[str, str]:
    return {each.name: each.shown for each in outcomes}


def write(result: Result, file: Path = FILE) -> None:
    """Keep it, instead of what was found on the same release before."""
    kept = {each.release: each for each in (*(read(file) if file.exists() else ()), result)}
    rows = [asdict(kept[release]) for release in sorted(kept, key=_order)]
    file.write_text(json.dumps(rows, indent=1) + "\n")


def read(file: Path = FILE) -> list[Result]:
    """What was found, the oldest release first."""
    return [Result(**row) for row in json.loads(file.read_text())]


def _order(release: str) -> list[int]:
    return [int(part) for part in release.split(".")]
