"""What fuzzing promises, with few inputs, the same ones every time; `make fuzz` has a million others."""

from __future__ import annotations

import json
import random
from pathlib import Path

from tests.cases import check_all
from tests.fuzz.growth import growing
from tests.fuzz.inputs import mutated
from tests.fuzz.table import TARGETS
from tests.fuzz.target import Target
from tests.fuzz.watch import Watch
from tests.untraced import untraced

REGRESSIONS = Path(__file__).parents[1] / "fuzz" / "regressions"
"""Every input that once broke a promise, by target."""
RESULTS = REGRESSIONS.with_name("results.json")
PAGE = Path(__file__).parents[2] / "docs" / "security.md"
INPUTS = 1_500
"""Inputs of each target, times its share."""
TRIES = 25
"""Long inputs of each target."""


def test_what_once_broke_a_promise_does_not_any_more() -> None:
    found = sorted(REGRESSIONS.glob("*/*"))
    check_all({f"{each.parent.name}/{each.name}": (each,) for each in found}, replay)
    assert {each.parent.name for each in found} <= TARGETS.keys()


def test_a_broken_promise_and_a_square_of_time_are_noticed(tmp_path: Path) -> None:
    watch = Watch(Target("odd", lambda data: data.decode("ascii"), lambda: [b"a"]))
    for data in (b"a", b"long \xff", b"\xff"):
        watch.run(data)
    watch.write(tmp_path)
    [(where, _, path)] = json.loads((tmp_path / "odd.json").read_text())["failures"]
    assert where.startswith("UnicodeDecodeError at ")
    assert Path(path).read_bytes() == b"\xff", "the shortest one"

    def square(data: bytes) -> object:
        return [data.count(b"a", at) for at in range(0, len(data), 4)]

    with untraced():
        assert growing(square, [b"ab"], 1, random.Random(1))
        assert not growing(bytes.decode, [b"ab"], 1, random.Random(1))


def test_the_page_says_what_was_measured() -> None:
    found = json.loads(RESULTS.read_text())
    assert {each["target"] for each in found["targets"]} == TARGETS.keys()
    assert not any(each["failures"] for each in found["targets"])
    total = sum(each["executions"] for each in found["targets"])
    assert total >= 1_000_000
    said = f"`make fuzz` runs {total:,} inputs through everything that reads foreign bytes"
    assert said in PAGE.read_text()
    assert f"On {found['date']} (" in PAGE.read_text().partition(said)[2][:200]


def replay(path: Path) -> None:
    TARGETS[path.parent.name].run(path.read_bytes())


def test_no_input_near_a_good_one_breaks_a_promise() -> None:
    def holds(target: Target) -> None:
        chance, seeds, watch = random.Random(target.name), [*target.seeds()], Watch(target)
        with untraced():
            for data in seeds:
                watch.run(data)
            for _ in range(int(INPUTS * target.share)):
                watch.run(mutated(chance.choice(seeds), seeds, target.words, chance))
        assert not watch.failures

    check_all({name: (target,) for name, target in TARGETS.items()}, holds)


def test_no_input_takes_longer_than_its_size_allows() -> None:
    def holds(target: Target) -> None:
        with untraced():
            seeds = [*target.seeds()]
            assert not growing(target.run, seeds, TRIES, random.Random(target.name))

    check_all({name: (target,) for name, target in TARGETS.items()}, holds)
