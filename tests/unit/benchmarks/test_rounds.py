"""Programs take turns, and medians are compared within rounds."""

from __future__ import annotations

from typing import Any, cast

import pytest

from benchmarks import machine, rounds
from benchmarks.figures import COMPARISONS, ECHO, MEMORY, PYZEEBE, SERVICE, Cell, Figures, middle
from benchmarks.rounds import Effort, Result

EFFORT = Effort(rounds=3, seconds=2.0, wait=0.0)
QUICK, SLOW = Cell(0, 1), Cell(5, 32)


class Gateway:
    """Notes the latencies that it is told."""

    def __init__(self) -> None:
        self.taken: list[float] = []

    def take(self, milliseconds: float) -> None:
        self.taken.append(milliseconds)


class World:
    """A world of nothing but a gateway."""

    def __init__(self) -> None:
        self.gateway = Gateway()


class Program:
    """Gets faster from turn to turn; notes who was measured."""

    def __init__(self, name: str, journal: list[str]) -> None:
        self.name = name
        self.journal = journal

    def measure(self, seconds: float, in_flight: int) -> Figures:
        self.journal.append(self.name)
        return {"rate": float(self.journal.count(self.name)), "cpu": seconds * in_flight}


@pytest.fixture
def journal(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Who was measured; nobody waits for a quiet machine."""
    monkeypatch.setattr(machine, "settle", lambda _: None)
    return []


def measured(journal: list[str], *cells: Cell) -> list[Result]:
    programs = {name: Program(name, journal) for name in (SERVICE, MEMORY, ECHO)}
    return rounds.measure(cast(Any, World()), programs, cells, EFFORT)


def test_every_second_round_goes_the_other_way_round(journal: list[str]) -> None:
    measured(journal, QUICK)
    there = [SERVICE, MEMORY, ECHO]
    assert journal == there + there[::-1] + there


def test_the_median_of_the_rounds_counts(journal: list[str]) -> None:
    [found] = measured(journal, QUICK)
    assert found.programs[SERVICE] == {"rate": 2.0, "cpu": 2.0}


def test_the_echo_does_not_play_where_the_gateway_takes_its_time(journal: list[str]) -> None:
    quick, slow = measured(journal, QUICK, SLOW)
    assert ECHO in quick.programs
    assert ECHO not in slow.programs


def test_the_gateway_is_told_its_latency_before_each_load(journal: list[str]) -> None:
    world = World()
    rounds.measure(cast(Any, world), {SERVICE: Program(SERVICE, journal)}, [QUICK, SLOW], EFFORT)
    assert world.gateway.taken == [0, 5]


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


def test_load_gateway_and_idle_time_are_told_of_what_had_them() -> None:
    one = {"load": 20.0, "gateway": 25.0, "broker": 200.0, "idle": 30.0, "foreign": 0.0}
    other = {**one, "load": 22.4, "idle": 12.0}
    told = rounds.beside({SERVICE: one, MEMORY: other, ECHO: {**one, "load": 90.0}, "alone": {"rate": 1.0}})
    assert told == {"load": "20 to 22", "gateway": "25", "broker": "200", "idle": "12 to 30", "foreign": "0"}
    assert rounds.beside({"alone": {"rate": 1.0}}) == {}


def test_the_middle_is_that_of_each_figure() -> None:
    taken = [{"a": {"x": 1.0, "y": 9.0}}, {"a": {"x": 2.0, "y": 8.0}}, {"a": {"x": 3.0, "y": 7.0}}]
    assert middle(taken) == {"a": {"x": 2.0, "y": 8.0}}
