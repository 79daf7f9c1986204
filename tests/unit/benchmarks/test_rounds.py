"""Programs take turns, and medians are compared within rounds."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from benchmarks import machine, rounds
from benchmarks.figures import COMPARISONS, ECHO, MEMORY, PYZEEBE, SERVICE, Cell, Figures
from benchmarks.rounds import Effort, Result

EFFORT = Effort(rounds=3, seconds=2.0, wait=0.0)
QUICK, SLOW = Cell(0, 1), Cell(5, 32)


class Program:
    """Gets faster from turn to turn; notes who was measured."""

    def __init__(self, name: str, journal: list[str]) -> None:
        self.name = name
        self.journal = journal

    def measure(self, seconds: float, in_flight: int) -> Figures:
        self.journal.append(self.name)
        return {"rate": float(self.journal.count(self.name)), "cpu": seconds * in_flight}


def test_programs_take_turns_and_the_median_of_the_rounds_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every second round goes the other way round; the gateway is told its latency before each load.

    The echo does not play where the gateway takes its time.
    """
    monkeypatch.setattr(machine, "settle", lambda _: None)
    journal: list[str] = []
    programs = {name: Program(name, journal) for name in (SERVICE, MEMORY, ECHO)}
    launcher: Any = SimpleNamespace(gateway=SimpleNamespace(take=lambda latency: journal.append(f"latency {latency}")))
    quick, slow = rounds.measure(launcher, programs, [QUICK, SLOW], EFFORT)
    there, slowly = [SERVICE, MEMORY, ECHO], [SERVICE, MEMORY]
    assert journal == [*("latency 0", *there, *there[::-1], *there), *("latency 5", *slowly, *slowly[::-1], *slowly)]
    assert quick.programs[SERVICE] == {"rate": 2.0, "cpu": 2.0}
    assert quick.programs.keys() - slow.programs.keys() == {ECHO}


def test_what_is_compared_is_compared_within_a_round() -> None:
    """Each round says 0.5, although the middle of one program stands against the middle of another with 0.05."""
    taken = [{SERVICE: {"rate": rate / 2}, PYZEEBE: {"rate": rate}} for rate in (1.0, 10.0, 100.0)]
    taken[0][SERVICE]["rate"] = 0.5
    [comparison] = [each for each in COMPARISONS if each.title == "commands/s, in those of pyzeebe + aio-pika"]
    assert comparison.of(taken) == 0.5


def test_a_comparison_with_a_program_that_is_not_there_is_left_out() -> None:
    figures = {"rate": 100.0, "cpu": 900.0}
    found = Result.of(QUICK, [{SERVICE: figures, MEMORY: figures}])
    assert set(found.compared) == {
        "ledger in a file against memory, throughput lost",
        "ledger in a file against memory, CPU per command",
    }


def test_results_that_were_kept_are_read_as_they_were(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rounds, "RESULTS", tmp_path)
    figures = {"rate": 100.0, "cpu": 900.0, "p99.9": 12.5}
    results = [Result.of(SLOW, [{SERVICE: figures, MEMORY: figures}])]
    kept, read = rounds.read(rounds.write(results, EFFORT, "peers"))
    assert read == results
    assert (kept["rounds"], kept["seconds"]) == (3, 2.0)
