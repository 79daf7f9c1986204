"""The ledger over memory and over a file, and the way to each."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from consumer.ledger import Ledger, LedgerError, Limits, State, open_ledger, reset
from consumer.ledger.memory import MemoryStore
from consumer.ledger.redis import RedisStore
from consumer.ledger.sqlite import SqliteStore
from tests.unit.consumer.ledger.promises import DIGEST, TTL, LedgerPromises, SharedLedgerPromises, limits


class Clock:
    """A clock that goes when it is told to."""

    def __init__(self) -> None:
        self.now = time.time()

    def __call__(self) -> float:
        return self.now


class Memory:
    """Memory for one test."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.opened: list[Ledger] = []

    async def open(self, limits: Limits) -> Ledger:
        ledger = Ledger(MemoryStore(), limits, clock=self.clock)
        await ledger.start()
        self.opened.append(ledger)
        return ledger

    async def expire(self) -> None:
        self.clock.now += TTL


class Files:
    """A ledger file for one test."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "state" / "ledger.db"
        self.clock = Clock()
        self.opened: list[Ledger] = []

    async def open(self, limits: Limits) -> Ledger:
        ledger = Ledger(SqliteStore(f"sqlite:///{self.path}"), limits, clock=self.clock)
        await ledger.start()
        self.opened.append(ledger)
        return ledger

    async def expire(self) -> None:
        self.clock.now += TTL


class TestMemory(LedgerPromises):
    @pytest.fixture
    async def place(self) -> AsyncIterator[Memory]:
        memory = Memory()
        yield memory
        for ledger in memory.opened:
            await ledger.close()


class TestSqlite(SharedLedgerPromises):
    @pytest.fixture
    async def place(self, tmp_path: Path) -> AsyncIterator[Files]:
        files = Files(tmp_path)
        yield files
        for ledger in files.opened:
            await ledger.close()


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("memory://", MemoryStore),
        ("sqlite:///x.db", SqliteStore),
        ("redis://localhost:1/0", RedisStore),
        ("rediss://user:hush@localhost", RedisStore),
    ],
)
async def test_the_url_decides(url: str, kind: type) -> None:
    ledger = open_ledger(url, limits())
    assert type(ledger._store) is kind


@pytest.mark.parametrize("url", ["memory://", "redis://localhost/0"])
def test_only_a_file_can_be_reset(url: str) -> None:
    with pytest.raises(LedgerError, match=r"--reset-ledger: .*:// has no file"):
        reset(url)


async def test_reset_moves_the_file_aside(tmp_path: Path) -> None:
    files = Files(tmp_path)
    url = f"sqlite:///{files.path}"
    assert reset(url) is None
    ledger = await files.open(limits())
    await ledger.claim("a", DIGEST)
    program = "import sys; from consumer.ledger import reset; reset(sys.argv[1])"
    command = [sys.executable, "-c", program, url]
    other = await asyncio.to_thread(subprocess.run, command, check=False, capture_output=True, text=True)
    assert f"--reset-ledger: {files.path} is in use by another process" in other.stderr
    await ledger.close()
    aside = reset(url)
    assert list(files.path.parent.iterdir()) == [aside]
    again = await files.open(limits())
    assert (await again.claim("a", DIGEST)).state is State.NEW
    await again.close()


def test_reset_helps_with_a_broken_file(tmp_path: Path) -> None:
    for name in ("ledger.db", "ledger.db-wal"):
        (tmp_path / name).write_bytes(b"broken" * 1000)
    aside = reset(f"sqlite:///{tmp_path / 'ledger.db'}")
    assert aside is not None
    assert sorted(file.name for file in tmp_path.iterdir()) == [aside.name, f"{aside.name}-wal"]
