"""The same schedules on each real store."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts.postgres import Postgres
from scripts.redis import Redis
from tests.cases import check_all
from tests.simulation.report import failure
from tests.simulation.run import play
from tests.simulation.stores import STORES
from tests.untraced import untraced

pytestmark = pytest.mark.timeout(900)
NUMBER = 200


@pytest.fixture
def places(tmp_path: Path, redis: Redis) -> Iterator[dict[str, str]]:
    """Where each store is; the machine of this PostgreSQL does not crash, so it need not wait for its disk."""
    with Postgres(tmp_path / "postgres", settings="fsync = off\n") as postgres:
        yield {"sqlite": str(tmp_path), "redis": redis.url, "postgresql": postgres.url}


def test_every_promise_is_kept_on_each_real_store(places: dict[str, str]) -> None:
    def is_kept(name: str) -> None:
        kind = STORES[name]
        with untraced(), kind.open(places[name]) as make_places:
            for seed in range(NUMBER):
                run = play(seed, make_places, kind.limits)
                assert not run.problems, failure(run, f"python -m tests.simulation --store {name} --seed {seed}")

    assert set(places) == set(STORES) - {"memory"}
    check_all(list(places), is_kept)
