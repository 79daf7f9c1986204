"""Play a schedule, and judge it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

from tests.simulation.checker import judge
from tests.simulation.schedule import NONE, Limits, Schedule, draw
from tests.simulation.store import MakePlaces
from tests.simulation.world import Outcome, World
from zeebe_amqp.amqp import reconnecting


@dataclass(frozen=True)
class Run:
    """A schedule that was played."""

    outcome: Outcome
    problems: list[str]
    """Every broken promise in words; empty when all were kept."""

    @property
    def schedule(self) -> Schedule:
        """What was played."""
        return self.outcome.schedule


def play(seed: int, make_places: MakePlaces, limits: Limits = NONE) -> Run:
    """Play the schedule of a seed.

    Args:
        seed: which.
        make_places: makes the rows of the ledger; see `stores.py`.
        limits: of what may be in the schedule.
    """
    world = World(draw(seed, limits), make_places)

    async def connect(url: str, name: str, tls: object = None) -> Any:
        return world.connect(name)

    with patch.object(reconnecting, "connect", connect), quiet():
        outcome = world.run()
    return Run(outcome, judge(outcome))


@contextmanager
def quiet() -> Iterator[None]:
    """Nobody reads what the service logs: a run fails thousands of times, on purpose."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(before)
