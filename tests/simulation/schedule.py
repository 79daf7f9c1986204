"""What is going to happen in a run: requests, and what strikes them; drawn from a seed, and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from math import inf
from random import Random
from typing import Final

from tests.simulation.gateway import Fate

BUSY = 12.0
"""Seconds in which most requests are sent."""


class Kind(Enum):
    """What a request asks for."""

    CREATE = "create-instance"
    CREATE_LONG = "create-instance, and wait for its end"
    PUBLISH = "publish-message"
    SET = "set-variables"
    CANCEL = "cancel-instance"
    COMPLETE = "complete-job"

    @property
    def is_idempotent(self) -> bool:
        """Whether it may run twice, as the contract says."""
        return self in (Kind.SET, Kind.CANCEL, Kind.COMPLETE)


@dataclass(frozen=True)
class Request:
    """One request: `sent` says when, once for each time; seconds since the run began."""

    number: int
    kind: Kind
    identity: str | None
    """Its user and id; requests of the same identity with other numbers conflict with it."""
    user: str | None
    sent: tuple[float, ...]
    silent: bool = False
    """Nobody waits for an answer."""
    patience: float | None = None
    """Seconds from sending to the deadline that it names."""


@dataclass(frozen=True)
class Strike:
    """Something that happens at a moment: `at` and `seconds` in seconds since the run began, or of its length."""

    replica: int
    at: float
    seconds: float


@dataclass(frozen=True)
class Crash:
    """A process dies `steps` callbacks after it took so many deliveries, and is back after `back` seconds."""

    replica: int
    deliveries: int
    steps: int
    back: float


@dataclass(frozen=True)
class Schedule:
    """Everything that is decided before a run; delays and the order of what is ready come from the seed as it runs."""

    seed: int
    replicas: int
    prefetch: int
    places: int
    """Commands that run in a replica at a time."""
    slow: float
    """Which part of all ways is slow."""
    requests: tuple[Request, ...]
    crashes: tuple[Crash, ...] = ()
    stops: tuple[Strike, ...] = ()
    """Ended in order, and back after so many seconds."""
    freezes: tuple[Strike, ...] = ()
    cuts: tuple[Strike, ...] = ()
    """Connections lost; a side notices after at most so many seconds."""
    ledger_outages: tuple[Strike, ...] = ()
    """Of the way of one replica to the ledger; -1: of all."""
    broker_outages: tuple[Strike, ...] = ()
    gateway_outages: tuple[Strike, ...] = ()
    refusals: tuple[Strike, ...] = ()
    """The callers' reply queue takes nothing."""
    clock_steps: tuple[Strike, ...] = ()
    """A replica's clock is set forward by so many seconds, or back."""
    fates: tuple[tuple[Fate, float], ...] = ()

    @property
    def end(self) -> float:
        """When everything that strikes is over."""
        lasting = (*self.stops, *self.freezes, *self.ledger_outages, *self.broker_outages, *self.gateway_outages)
        ends = [each.at + each.seconds for each in (*lasting, *self.cuts, *self.refusals)]
        return max([*ends, *(each.at for each in self.clock_steps), *(max(each.sent) for each in self.requests)])


ALL: Final = -1
KINDS: Final = (Kind.CREATE, Kind.CREATE, Kind.CREATE, Kind.PUBLISH, Kind.SET, Kind.CANCEL, Kind.COMPLETE)
USERS: Final = (None, "ann", "bob")
STEPS: Final = (1.0, 40.0, 7200.0)
"""Seconds by which a clock is set."""


@dataclass(frozen=True)
class Limits:
    """What a schedule may have where the ledger is."""

    replicas: int | None = None
    """How many there are, whatever the seed says; None: as it says."""
    clock_step: float = inf
    """Seconds by which a clock is set at most: an entry whose age the process's own clock tells is forgotten then."""


NONE: Final = Limits()


def draw(seed: int, limits: Limits = NONE) -> Schedule:
    """The schedule of a seed, within what is possible."""
    chance = Random(f"schedule {seed}")
    count = chance.choice((1, 2, 2, 2, 3, 3)) if limits.replicas is None else limits.replicas
    requests = tuple(_requests(chance))
    begins = min(min(each.sent) for each in requests)
    strike = _Strikes(chance, count, begins)
    return Schedule(
        seed,
        count,
        prefetch=chance.choice((2, 4, 8, 16)),
        places=chance.choice((1, 2, 4, 8)),
        slow=chance.choice((0.0, 0.01, 0.05, 0.2)),
        requests=requests,
        crashes=tuple(_crashes(chance, count)),
        stops=strike.some(0.25, lambda: chance.uniform(0.5, 5)),
        freezes=strike.some(0.2, lambda: chance.choice((1.0, 8.0, 25.0, 45.0))),
        cuts=strike.some(0.55, lambda: chance.choice((0.01, 0.5, 20.0))),
        ledger_outages=strike.some(0.3, lambda: chance.choice((0.2, 3.0, 15.0, 40.0)), some_all=True),
        broker_outages=strike.some(0.12, lambda: chance.choice((0.2, 5.0)), some_all=True),
        gateway_outages=strike.some(0.12, lambda: chance.choice((0.3, 4.0)), some_all=True),
        refusals=strike.some(0.1, lambda: chance.choice((0.5, 5.0)), some_all=True),
        clock_steps=strike.some(0.3, lambda: chance.choice((-1, 1)) * min(chance.choice(STEPS), limits.clock_step)),
        fates=tuple(_fates(chance)),
    )


class _Strikes:
    def __init__(self, chance: Random, replicas: int, begins: float) -> None:
        self._chance, self._replicas, self._begins = chance, replicas, begins

    def some(self, likely: float, length: Callable[[], float], *, some_all: bool = False) -> tuple[Strike, ...]:
        """None, one, or a few."""
        made: list[Strike] = []
        while self._chance.random() < likely and len(made) < 3:
            replica = ALL if some_all and self._chance.random() < 0.5 else self._chance.randrange(self._replicas)
            made.append(Strike(replica, self._begins + self._chance.random() * BUSY, length()))
        return tuple(made)


def _crashes(chance: Random, replicas: int) -> Iterator[Crash]:
    for _ in range(chance.choice((0, 1, 1, 1, 2, 3))):
        steps = chance.randrange(1, 60) if chance.random() < 0.9 else chance.randrange(60, 600)
        yield Crash(chance.randrange(replicas), chance.randrange(1, 6), steps, chance.choice((0.1, 2.0, 40.0)))


def _fates(chance: Random) -> Iterator[tuple[Fate, float]]:
    if chance.random() < 0.3:
        return
    for fate in Fate:
        if fate is not Fate.FINE and chance.random() < 0.5:
            yield fate, chance.choice((0.02, 0.1))


def _requests(chance: Random) -> Iterator[Request]:
    number, begins = 0, 1.0
    for name in range(chance.randrange(4, 10)):
        user = chance.choice(USERS)
        identity = None if chance.random() < 0.15 else f"{user or ''}/id-{name}"
        silent = chance.random() < 0.2
        for _ in range(2 if identity and chance.random() < 0.15 else 1):
            number += 1
            kind = Kind.CREATE_LONG if chance.random() < 0.06 else chance.choice(KINDS)
            sent = tuple(_times(chance, begins, identity is not None and chance.random() < 0.5))
            patience = chance.choice((2.0, 30.0)) if chance.random() < 0.12 else None
            yield Request(number, kind, identity, user, sent, silent, patience)


def _times(chance: Random, begins: float, again: bool) -> Iterator[float]:
    """When it is sent: once, or again soon, or long after it was answered."""
    first = begins + chance.random() * BUSY * chance.choice((0.05, 1.0))
    yield first
    while again:
        first += chance.choice((0.0, 0.01, 1.0, 20.0, 70.0)) * chance.random()
        yield first
        again = chance.random() < 0.4
