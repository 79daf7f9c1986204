"""The ledger over memory and over a file, and the way to each."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from unittest.mock import AsyncMock, Mock

import pytest

from consumer.core.message import Reply
from consumer.ledger import LedgerError, State, open_ledger, reset
from consumer.ledger.memory import MemoryStore
from consumer.ledger.redis import RedisStore
from consumer.ledger.sqlite import SqliteStore
from tests.cases import for_each
from tests.unit.consumer.ledger.promises import DIGEST, ClockedPlace, LedgerPromises, SharedLedgerPromises, limits


class TestMemory(LedgerPromises):
    @pytest.fixture
    async def place(self) -> AsyncIterator[ClockedPlace]:
        async with ClockedPlace(MemoryStore) as memory:
            yield memory


def stored(path: Path) -> ClockedPlace:
    """A ledger file for one test."""
    return ClockedPlace(lambda: SqliteStore(f"sqlite:///{path}"))


class TestSqlite(SharedLedgerPromises):
    @pytest.fixture
    async def place(self, tmp_path: Path) -> AsyncIterator[ClockedPlace]:
        async with stored(tmp_path / "state" / "ledger.db") as files:
            yield files


@for_each([
    ("memory://", MemoryStore),
    ("sqlite:///x.db", SqliteStore),
    ("redis://localhost:1/0", RedisStore),
    ("rediss://user:hush@localhost", RedisStore),
])  # fmt: skip
async def test_the_url_decides(url: str, kind: type) -> None:
    assert type(open_ledger(url, limits())._store) is kind


async def test_each_operation_is_timed_by_its_name_also_one_that_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    record = Mock()
    ledger = open_ledger("memory://", limits(), record)
    for name in "ab":
        await ledger.claim(name, DIGEST)
    await ledger.finish("a", Reply("x"))
    await ledger.release("b")
    monkeypatch.setattr(ledger._store, "claim", AsyncMock(side_effect=OSError("away")))
    with pytest.raises(LedgerError, match="the ledger memory:// cannot be used: away"):
        await ledger.claim("a", DIGEST)
    told = [(*each.args, each.kwargs["operation"]) for each in record.mock_calls]
    assert [(name, operation) for name, _, operation in told] == [
        ("ledger.duration", each) for each in ("claim", "claim", "finish", "release", "claim")
    ]
    assert all(0 <= seconds < 60 for _, seconds, _ in told)


async def test_reset_moves_the_file_aside_that_nobody_uses(tmp_path: Path) -> None:
    path = tmp_path / "state" / "ledger.db"
    files, url = stored(path), f"sqlite:///{path}"
    assert reset(url) is None
    ledger = await files.open(limits())
    await ledger.claim("a", DIGEST)
    program = "import sys; from consumer.ledger import reset; reset(sys.argv[1])"
    command = [sys.executable, "-c", program, url]
    other = await asyncio.to_thread(subprocess.run, command, check=False, capture_output=True, text=True)
    assert f"--reset-ledger: {path} is in use by another process" in other.stderr
    await ledger.close()
    aside = reset(url)
    assert list(path.parent.iterdir()) == [aside]
    again = await files.open(limits())
    assert (await again.claim("a", DIGEST)).state is State.NEW
    await again.close()


def test_reset_helps_with_a_broken_file_and_refuses_what_is_no_file(tmp_path: Path) -> None:
    for name in ("ledger.db", "ledger.db-wal"):
        (tmp_path / name).write_bytes(b"broken" * 1000)
    aside = reset(f"sqlite:///{tmp_path / 'ledger.db'}")
    assert aside is not None
    assert sorted(file.name for file in tmp_path.iterdir()) == [aside.name, f"{aside.name}-wal"]
    for url in ("memory://", "redis://localhost/0"):
        with pytest.raises(LedgerError, match=r"--reset-ledger: .*:// has no file"):
            reset(url)
