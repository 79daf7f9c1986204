"""Thousands of schedules, and what they are like; a failing one shows its history and can be played again."""

from __future__ import annotations

import gc
import subprocess
import sys
from collections.abc import Iterator
from functools import cache

import pytest

from scripts.consumer import ROOT
from tests.cases import check_all
from tests.simulation.report import Size, failure, middle
from tests.simulation.run import Run, play
from tests.simulation.schedule import draw
from tests.simulation.stores import STORES
from tests.untraced import untraced

pytestmark = pytest.mark.timeout(900)
NUMBER = 2000
LEAST = {"requests": 6, "replicas": 2, "crashes": 1, "redeliveries": 1}
"""What a schedule has in the median, at least."""


@pytest.fixture(scope="module", autouse=True)
def _uncollected() -> Iterator[None]:
    """What is here stays: the garbage collector need not look at it in each run."""
    gc.freeze()
    yield
    gc.unfreeze()


def play_in_memory(seed: int) -> Run:
    with untraced(), STORES["memory"].open("") as make_places:
        return play(seed, make_places)


@cache
def sizes() -> dict[int, Size]:
    """Of the schedules that kept every promise; the others fail."""
    found, broken = {}, []
    for seed in range(NUMBER):
        run = play_in_memory(seed)
        found[seed] = Size.of(run)
        if run.problems:
            broken.append(failure(run, f"make simulate N=1 SEED={seed}"))
    assert not broken, "\n\n".join(broken[:3])
    return found


def test_every_schedule_keeps_every_promise() -> None:
    assert len(sizes()) == NUMBER


def test_a_schedule_is_no_toy() -> None:
    found = middle(sizes().values())
    assert {name: found[name] >= least for name, least in LEAST.items()} == dict.fromkeys(LEAST, True), found


def test_everything_that_can_strike_strikes() -> None:
    plans = [draw(seed) for seed in range(NUMBER)]
    kinds = ("crashes", "stops", "freezes", "cuts", "ledger_outages", "broker_outages", "gateway_outages", "refusals")
    for kind in (*kinds, "clock_steps", "fates"):
        assert sum(bool(getattr(plan, kind)) for plan in plans) > NUMBER // 20, kind
    assert {plan.replicas for plan in plans} == {1, 2, 3}


def test_a_seed_plays_the_same_again() -> None:
    def is_same(seed: int) -> None:
        first, second = play_in_memory(seed), play_in_memory(seed)
        assert first.outcome.history.events == second.outcome.history.events
        assert len(first.outcome.history.events) > 10

    check_all(range(30), is_same)


def shown(*options: str, hash_seed: str) -> tuple[int, str]:
    """Exit code and output of the program, without the lines that tell times."""
    command = [sys.executable, "-m", "tests.simulation", *options]
    environment = {"PYTHONHASHSEED": hash_seed, "PATH": ""}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    return done.returncode, "\n".join(line for line in done.stdout.splitlines() if " schedules in " not in line)


def test_a_failing_seed_shows_its_history_and_plays_the_same_in_another_process() -> None:
    options = ("--bug", "acks before it publishes", "--schedules", "300")
    code, first = shown(*options, hash_seed="1")
    assert code == 1
    assert "was lost: not answered" in first
    assert " dies\n" in first
    seed = first.rpartition("--seed ")[2].partition(" ")[0]
    again, second = shown("--bug", "acks before it publishes", "--schedules", "1", "--seed", seed, hash_seed="2")
    assert (again, second.partition("\nof a schedule")[0]) == (1, first.partition("\nof a schedule")[0])


def test_what_kept_its_promises_is_told_by_size_alone_or_with_its_history() -> None:
    code, told = shown("--schedules", "2", hash_seed="0")
    assert (code, told.splitlines()[-1]) == (0, "0 of them broke a promise")
    assert "callers" not in told
    assert "callers    get" in shown("--schedules", "1", "--history", hash_seed="0")[1]
