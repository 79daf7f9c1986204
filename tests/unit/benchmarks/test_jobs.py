"""Jobs on queues beside other ways: turns, figures, the page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from benchmarks import machine
from benchmarks.figures import Figures
from benchmarks.jobs import page, rounds
from benchmarks.jobs.gateways import Load, summary
from benchmarks.jobs.rounds import Effort, JobResult
from benchmarks.jobs.ways import JOB_TYPES, POLLS, QUEUE, WAYS
from benchmarks.page import PAGE

FAST, STEADY, WARM = Load("fast", 10), Load("steady", 5), Load("warm", 2)
TIMES = {"begun p50": 4.0, "begun p99": 9.0, "done p50": 6.0, "done p99": 12.0}


class Program:
    """Its pid says how much of the processor it takes."""

    def __init__(self, pid: int) -> None:
        self.pid = pid


class Gateway:
    """Gets faster from turn to turn; notes what it was asked for."""

    title = "a gateway"
    warm = WARM
    loads = (FAST, STEADY)
    address = "127.0.0.1:1"
    process: Any = Program(1)

    def __init__(self) -> None:
        self.journal: list[str] = []

    def play(self, job_type: str, load: Load) -> Figures:
        self.journal.append(f"{job_type}: {load.title}")
        return {"count": load.count, "rate": float(self.journal.count(self.journal[-1])), **TIMES}

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *_: object) -> None:
        pass


@contextmanager
def start(way: str, gateway: Any) -> Iterator[Mapping[str, Any]]:
    gateway.journal.append(f"{JOB_TYPES[way]}: starts")
    yield {"service": Program(2), "worker": Program(3)} if way == QUEUE else {"worker": Program(3)}


def test_ways_take_turns_and_start_for_each(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every second round goes the other way round; CPU is per job, that of the gateway apart."""
    spent = dict.fromkeys(range(10), 0.0)

    def cpu(pid: int) -> float:
        spent[pid] += pid
        return spent[pid]

    monkeypatch.setattr(machine, "settle", lambda _: None)
    monkeypatch.setattr(machine, "cpu_seconds", cpu)
    gateway: Any = Gateway()
    fast, steady = rounds.measure(gateway, (QUEUE, POLLS), start, Effort(3, 60.0, 0.0))
    queue, polls = (
        [f"{JOB_TYPES[way]}: {what}" for what in ("starts", "warm", "fast", "steady")] for way in (QUEUE, POLLS)
    )
    assert gateway.journal == [*queue, *polls, *polls, *queue, *queue, *polls]
    assert (fast.gateway, fast.load, steady.load) == ("a gateway", "fast", "steady")
    assert fast.ways[QUEUE] == {
        "count": 10, "rate": 2.0, **TIMES, "service": 2e5, "worker": 3e5, "gateway": 1e5, "cpu": 5e5
    }  # fmt: skip
    assert fast.ways[POLLS]["cpu"] == 3e5
    assert steady.ways[POLLS]["cpu"] == 6e5


def test_no_round_begins_that_would_take_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each takes the same time; the first one is played in any case."""
    monkeypatch.setattr(machine, "settle", lambda _: None)
    monkeypatch.setattr(machine, "cpu_seconds", lambda _: 0.0)
    for seconds, played in ((1.0, 1), (17.0, 2), (1000.0, 5)):
        clock = SimpleNamespace(monotonic=partial(next, iter(range(0, 100, 4))))
        monkeypatch.setattr(rounds, "time", clock)
        gateway: Any = Gateway()
        fast, _ = rounds.measure(gateway, (POLLS,), start, Effort(5, seconds, 0.0))
        assert fast.rounds == played


def test_ways_are_compared_within_a_round_and_one_that_is_missing_is_left_out() -> None:
    """Each round says 0.5, although the rounds differ tenfold."""
    taken = [
        {
            QUEUE: {"rate": rate / 2, "cpu": 900.0, **TIMES},
            POLLS: {"rate": rate, "cpu": 300.0, **TIMES, "begun p50": 1.5},
        }
        for rate in (1.0, 10.0, 100.0)
    ]
    found = JobResult.of("a gateway", "fast", taken)
    assert found.compared == {
        f"jobs/s, in those of {POLLS}": "0.50",
        f"CPU per job, in that of {POLLS}": "3.00",
        f"until the handler begins, p50, beyond {POLLS}": "+2.5 ms",
        f"until the job has ended, p50, beyond {POLLS}": "+0.0 ms",
    }
    assert found.ways[QUEUE]["rate"] == 5.0


def test_the_times_of_jobs_come_to_figures() -> None:
    taken = [(number / 1000, number / 500) for number in range(1, 101)]
    figures = summary(taken[::-1], 4.0)
    assert figures == pytest.approx(
        {"count": 100, "rate": 25.0, "begun p50": 50, "begun p99": 99, "done p50": 100, "done p99": 198}
    )
    assert summary([(0.001, 0.002)], 1.0)["done p99"] == 2.0


def test_results_are_kept_and_the_page_shows_them(tmp_path: Path) -> None:
    ours: Figures = {
        "rate": 500.4,
        "cpu": 900.0,
        "service": 400.0,
        "broker": 300.0,
        "worker": 200.0,
        "gateway": 50.0,
        **TIMES,
    }
    theirs: Figures = {"rate": 1000.0, "cpu": 300.0, "worker": 300.0, "gateway": 60.0, **TIMES}
    found = JobResult.of("a gateway", "fast", [{QUEUE: ours, POLLS: theirs}])
    file, text = tmp_path / "jobs.json", tmp_path / "page.md"
    rounds.write([found], 12.3, file)
    kept, results = rounds.read(file)
    assert results == [found]
    text.write_text("before\n<!-- made: other -->\nother\n<!-- end -->\n<!-- made: jobs -->\nold\n<!-- end -->\n")
    page.make(kept, results, text)
    made = text.read_text()
    assert made.startswith("before\n<!-- made: other -->\nother\n<!-- end -->\n<!-- made: jobs -->\n\n")
    assert "old" not in made
    assert "; 12 s together, medians." in made
    assert "**a gateway, fast** (1 rounds)" in made
    assert f"| {QUEUE} | 500 | 4.0, 9.0 | 6.0, 12.0 | 900 | 400, 300, 200 | 50 |" in made
    assert f"| {POLLS} | 1000 | 4.0, 9.0 | 6.0, 12.0 | 300 | -, -, 300 | 60 |" in made
    assert f"| jobs/s, in those of {POLLS} | 0.50 |" in made
    page.make(kept, results, text)
    assert text.read_text() == made


def test_the_page_shows_the_kept_results() -> None:
    kept, results = rounds.read()
    text = PAGE.read_text()
    assert page.made(text, kept, results) == text, "make bench-jobs PAGE=yes"
    assert text.count("<!-- made: jobs -->") == 1
    assert {way for each in results for way in each.ways} == set(WAYS)
