"""The simulation finds what it is there for: each bug that is planted, within so many schedules."""

from __future__ import annotations

import gc

import pytest

from tests.cases import check_all
from tests.simulation.bugs import BUGS, Bug
from tests.simulation.run import play
from tests.simulation.stores import STORES
from tests.untraced import untraced

pytestmark = pytest.mark.timeout(900)
MOST = 2000
"""Schedules within which each is found."""
SIGNS = {
    "acks before it publishes": "was lost",
    "takes what was not confirmed for sent": "was lost",
    "claims in two steps": "was executed 2 times",
    "never renews its lease": "nothing in the schedule justifies",
    "takes an orphan for new": "was executed 2 times",
    "takes what runs elsewhere for new": "was executed 2 times",
    "compares no contents": "never executed",
    "remembers an answer after it was sent": "nothing in the schedule justifies",
    "forgets that an outcome is unknown": "was executed 2 times",
    "keeps a claim that came to nothing": "nothing in the schedule justifies",
    "sends again what may have been executed": "was executed 2 times",
    "runs a repetition beside the first one": "was executed 2 times",
    "does not tell that a run before may have done it": "was said not to be executed",
    "takes whoever came first for the owner of an id": "was said not to be executed",
    "takes a redelivery for the first delivery": "was said not to be executed",
    "takes two slots where it waited for one": "has not given back",
    "never gives back what it does not run": "still not done",
}
"""What is found then."""


def find(bug: Bug) -> list[str]:
    """What the first schedule that finds it says."""
    with untraced(), STORES["memory"].open("") as make_places, bug():
        for seed in range(MOST):
            if problems := play(seed, make_places).problems:
                return problems
    return []


def test_every_planted_bug_is_found() -> None:
    gc.freeze()

    def is_found(name: str) -> None:
        problems = find(BUGS[name])
        assert SIGNS[name] in "; ".join(problems), problems

    assert set(SIGNS) == set(BUGS)
    check_all(list(BUGS), is_found)
    gc.unfreeze()
