"""A leak is told from noise."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cases import check_all, for_each
from tests.faults import soak, soak_page
from tests.faults.soak import ALLOWED, HOUR, KEPT, LEDGERS, lows, trend, what

NUMBER = 120
INTERVAL = 5.0


def samples(value: Callable[[float], float]) -> list[tuple[float, float]]:
    """What is measured of something that has a value at every second."""
    return [(n * INTERVAL, value(n * INTERVAL)) for n in range(NUMBER)]


def test_a_growth_beyond_what_is_allowed_is_named() -> None:
    def is_named(slope: float, noise: float, verdict: str) -> None:
        chance = random.Random(1)
        line = samples(lambda second: 100 + slope * second / HOUR + noise * chance.uniform(-1, 1))
        assert trend(line).verdict(10) == verdict

    flat, grows = [(0, 0, "flat"), (0, 1, "flat"), (-100, 1, "flat")], [(100, 1, "grows"), (100, 0, "grows")]
    check_all([*flat, *grows, (0, 100, "too short to tell")], is_named)


def test_the_lows_are_the_lowest_of_each_stretch_of_time() -> None:
    found = lows([(0.0, 5.0), (10.0, 3.0), (29.9, 4.0), (30.0, 9.0), (91.0, 7.0), (95.0, 8.0)], 30)
    assert found == [(10.0, 3.0), (30.0, 9.0), (91.0, 7.0)]


@for_each([(0.0, "flat"), (600.0, "grows")])
def test_a_leak_under_a_load_that_comes_and_goes_is_found(leaks: float, verdict: str) -> None:
    chance = random.Random(5)
    taken = samples(lambda second: int(leaks * second / HOUR) + chance.choice((0, 0, 3, 17, 40)))
    assert trend(lows(taken, 30)).verdict(32) == verdict


def test_samples_are_kept_by_ledger_in_place_of_earlier_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(soak, "KEPT", tmp_path / "soak.json")
    monkeypatch.setattr(soak_page, "make", lambda _: None)
    for value, ledger in [(1.0, "sqlite"), (2.0, "postgresql"), (3.0, "sqlite")]:
        soak.keep(ledger, "4.3.6", {"RSS MiB, 2": [(0.4, value), (29.0, value + 1)]})
    kept = json.loads((tmp_path / "soak.json").read_text())
    assert {name: each["samples"] for name, each in kept.items()} == {
        "sqlite": {"RSS MiB, 2": [[0, 3.0]]},
        "postgresql": {"RSS MiB, 2": [[0, 2.0]]},
    }


def test_what_is_kept_is_of_an_hour_and_of_what_is_judged() -> None:
    kept = json.loads(soak.KEPT.read_text())
    assert set(kept) == set(LEDGERS)
    for ledger, run in kept.items():
        assert {what(name) for name in run["samples"]} == set(ALLOWED), ledger
        assert all(taken[-1][0] > 3500 for taken in run["samples"].values()), ledger


def kept(replicas: int, memory: float = 90.0) -> dict[str, Any]:
    """As --write keeps a soak of ten minutes."""
    found = {}
    for number in range(1, replicas + 1):
        which = f", {number}" if number > 1 else ""
        for measure, value in (("RSS MiB", memory + number), ("file descriptors", 26.0), ("tasks", 25.0)):
            found[f"{measure}{which}"] = [[30 * place, value] for place in range(20 - number)]
    return {"broker": "4.3.6", "date": "2026-01-02", "samples": found}


def test_the_page_and_its_charts_show_the_samples_that_are_kept() -> None:
    text, found = soak_page.PAGE.read_text(), soak_page.read(KEPT)
    assert text.count(f"<!-- made: {soak_page.NAME} -->") == 1
    assert soak_page.made(text, found) == text
    drawn = {file.name: file.read_text() for file in soak_page.CHARTS.glob("soak-*.svg")}
    assert drawn == soak_page.charts(found)
    other = soak_page.made(text, {"postgresql": kept(2)})
    assert "(charts/soak-postgresql.svg)\n\nRabbitMQ 4.3.6, 2026-01-02." in other
    assert soak_page.made(other, found) == text


def test_every_replica_of_a_soak_has_a_line_for_each_measure() -> None:
    drawn = soak_page.charts({"sqlite": kept(1), "postgresql": kept(2)})
    assert [*drawn] == ["soak-postgresql.svg", "soak-sqlite.svg"]
    for number, text in enumerate(reversed(drawn.values()), 1):
        assert text.count("<polyline") == 2 * number
        assert f">replica {number}</text>" in text
    for measure in ("RSS MiB", "file descriptors"):
        assert f">{measure}, ledger sqlite</text>" in drawn["soak-sqlite.svg"]
    marks = soak_page.panel("memory", "RSS MiB", kept(1)["samples"]).marks
    assert [each for each in marks if each] == ["0", "2", "3", "4", "6", "8", "9"]
    assert soak_page.charts({"sqlite": kept(1, memory=120)})["soak-sqlite.svg"] != drawn["soak-sqlite.svg"]
