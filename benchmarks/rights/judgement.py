"""How long alice waits, beside mallory and without him, in figures; and whether that is what was promised."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from benchmarks.rights.victim import Turn

PROMISED = 2.0
"""How many times as long alice's p99 may be while mallory attacks, at most."""
KINDS = ("alone", "elsewhere", "attacked")
"""Of turns: without mallory, while he sends to a queue that nobody reads, while he sends to the service."""
REFUSED = "RESOURCE_EXHAUSTED"


def percentile(milliseconds: Iterable[float], percent: float) -> float:
    """The smallest one that so many per cent do not exceed."""
    ordered = sorted(milliseconds)
    return ordered[max(0, -int(-percent / 100 * len(ordered) // 1) - 1)]


@dataclass
class Turns:
    """All turns of one kind, put together."""

    rounds: list[list[float]] = field(default_factory=list)
    wrong: Counter[str] = field(default_factory=Counter)

    def add(self, turn: Turn) -> None:
        """Add a turn."""
        self.rounds.append(turn.milliseconds)
        self.wrong += turn.wrong

    @property
    def count(self) -> int:
        """Requests."""
        return sum(map(len, self.rounds))

    def p(self, percent: float) -> float:
        """A percentile over all rounds, milliseconds."""
        return percentile((each for taken in self.rounds for each in taken), percent)

    def figures(self) -> dict[str, Any]:
        """What is kept."""
        return {
            "count": self.count,
            "p50": round(self.p(50), 2),
            "p99": round(self.p(99), 2),
            "p99 by round": [round(percentile(taken, 99), 2) for taken in self.rounds],
            "wrong": dict(self.wrong),
        }


@dataclass(frozen=True)
class Outcome:
    """What an attack did to alice."""

    name: str
    about: str
    alone: Mapping[str, Any]
    """Alice's figures without mallory."""
    elsewhere: Mapping[str, Any]
    """The same while he sends the same to a queue that nobody reads: what machine and broker make of it."""
    attacked: Mapping[str, Any]
    mallory: Mapping[str, Any]
    """What he sent, and his answers by code."""

    @property
    def ratio(self) -> float:
        """How many times as long alice's p99 is."""
        return float(self.attacked["p99"] / self.alone["p99"])

    @property
    def ratio_elsewhere(self) -> float:
        """How many times as long it is for want of machine and broker alone."""
        return float(self.elsewhere["p99"] / self.alone["p99"])

    @property
    def ratio_of_service(self) -> float:
        """How many times as long it is for what the service has to do: machine and broker are as busy elsewhere."""
        return float(self.attacked["p99"] / self.elsewhere["p99"])

    @property
    def wrong(self) -> int:
        """Answers that alice should not have got, over all turns."""
        return sum(sum(each["wrong"].values()) for each in (self.alone, self.elsewhere, self.attacked))

    @property
    def refused(self) -> int:
        """Requests of mallory's that were refused for want of a place."""
        return int(self.mallory["answers"].get(REFUSED, 0))

    @property
    def held(self) -> bool:
        """Whether it is what was promised."""
        return self.ratio <= PROMISED and self.wrong == 0

    @classmethod
    def of(cls, name: str, about: str, turns: Mapping[str, Turns], mallory: Mapping[str, Any]) -> Outcome:
        """Of all turns, by their kind."""
        alone, elsewhere, attacked = (turns[kind].figures() for kind in KINDS)
        return cls(name, about, alone, elsewhere, attacked, mallory)
