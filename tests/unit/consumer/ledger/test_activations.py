"""The newest activations of jobs, where each store keeps them; what all promise is in `promises`."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Any
from unittest.mock import AsyncMock

import pytest

from consumer.core.activation import Activation
from consumer.ledger import Ledger, LedgerError, activation_table, memory, open_ledger, table
from consumer.ledger import ledger as book
from consumer.ledger.memory import MemoryStore
from consumer.ledger.sqlite import SqliteStore
from consumer.ledger.store import ActivationRow
from tests.unit.consumer.ledger.promises import limits


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.db"


async def started(path: Path) -> Ledger:
    ledger = Ledger(SqliteStore(f"sqlite:///{path}"), limits())
    await ledger.start()
    return ledger


async def test_a_file_without_a_table_for_activations_gets_one(path: Path) -> None:
    await (await started(path)).close()
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("DROP TABLE activations")
    activation = Activation(2**62 + 1, int(time.time() * 1000), 1, "00-trace", 7)
    for _ in range(2):
        ledger = await started(path)
        await ledger.record_activations([activation])
        assert await ledger.newest_activation(activation.key) == activation
        await ledger.close()


async def test_activations_that_have_expired_are_removed_so_many_at_a_time(path: Path, monkeypatch: Any) -> None:
    for kind in (memory, activation_table):
        monkeypatch.setattr(kind, "TRIMMED_AT_ONCE", 10)
    file, store = SqliteStore(f"sqlite:///{path}"), MemoryStore()
    await file.open(b"o" * 8, 30)
    rows = [ActivationRow(key, 0, 0, "", 0, expires=100.0 + key % 2) for key in range(30)]
    for each in (file, store):
        await each.write_activations(rows, [], 0)
        await each.write_activations([rows[1]._replace(expires=300.0)], [], 0)
    left = []
    for now in (50, 200, 200, 200, 200):
        for each in (file, store):
            await each.write_activations([], [], now)
        assert file._table is not None
        counted = file._table._connection.execute("SELECT count(*) FROM activations").fetchone()
        left.append((*counted, len(store._activations)))
    await file.close()
    assert left == [(30, 30), (20, 20), (10, 11), (1, 1), (1, 1)], "the one that is kept longer was looked at"


async def test_activations_are_written_all_or_none(path: Path) -> None:
    table_of = table.Table(path)
    bad = ActivationRow(3, 1, 1, None, 0, 1e12)  # type: ignore[arg-type]
    with pytest.raises(sqlite3.IntegrityError):
        table_of.write_activations([ActivationRow(2, 1, 1, "", 0, 1e12), bad], [], 0)
    assert table_of.activations.find(2) is None
    table_of.write_activations([ActivationRow(2, 1, 1, "", 0, 1e12)], [], 0)
    assert table_of.activations.find(2) is not None
    table_of.close()


async def test_what_cannot_record_activations_pauses_everything_until_it_can(path: Path) -> None:
    ledger = await started(path)
    activation = Activation(1, int(time.time() * 1000), 1)
    await asyncio.to_thread(path.rename, path.with_name("elsewhere"))
    with pytest.raises(LedgerError, match="the file was removed or replaced"):
        await ledger.record_activations([activation])
    for attempt in (ledger.record_activations([activation]), ledger.newest_activation(1)):
        with pytest.raises(LedgerError, match="the file was removed or replaced"):
            await attempt
    assert ledger.problem is not None
    await ledger.close()


async def test_a_store_that_cannot_be_read_says_nothing_of_activations(monkeypatch: Any) -> None:
    ledger = open_ledger("memory://", limits())
    monkeypatch.setattr(ledger._store, "find_activation", AsyncMock(side_effect=OSError("away")))
    with pytest.raises(LedgerError, match="the ledger memory:// cannot be used: away"):
        await ledger.newest_activation(1)


async def test_no_more_ended_jobs_wait_than_there_is_room_for(monkeypatch: Any) -> None:
    monkeypatch.setattr(book, "MAX_ENDED", 2)
    ledger = open_ledger("memory://", limits())
    activations = [Activation(key, int(time.time() * 1000), 1) for key in range(4)]
    await ledger.record_activations(activations)
    for key in range(3):
        ledger.forget_activation(key)
    await ledger.record_activations([activations[3]])
    found = [await ledger.newest_activation(key) for key in range(4)]
    assert found == [None, None, *activations[2:]]
