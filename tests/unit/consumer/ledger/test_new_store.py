"""A new ledger is one store and its name in one table: recovery and all the rest come with it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from consumer import ledger as room
from consumer.ledger import State, open_ledger
from tests.unit.consumer.ledger.promises import DIGEST, OTHER, ClockedPlace, SharedLedgerPromises, limits, named
from tests.unit.consumer.ledger.shared_dict import DictStore, Shared


@pytest.fixture
def shared() -> Shared:
    return Shared()


@pytest.fixture
async def place(shared: Shared) -> AsyncIterator[ClockedPlace]:
    async with ClockedPlace(lambda: DictStore(shared)) as dictionary:
        yield dictionary


class TestDictionary(SharedLedgerPromises):
    pass


async def test_what_another_living_process_runs_is_running_until_that_dies(place: ClockedPlace, shared: Shared) -> None:
    first, second = await place.open(limits()), await place.open(limits())
    await first.claim(named("a"), DIGEST)
    assert (await second.claim(named("a"), DIGEST)).state is State.RUNNING
    assert (await second.claim(named("a"), OTHER)).state is State.CONFLICT
    shared.alive.discard(first._owner)
    assert (await second.claim(named("a"), DIGEST)).state is State.ORPHANED


async def test_its_name_in_the_table_is_all_that_opens_it(shared: Shared, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(room.STORES, "dict", lambda *_: DictStore(shared))
    assert (await open_ledger("dict://here", limits()).claim(named("a"), DIGEST)).state is State.NEW
    assert len(shared.rows) == 1
