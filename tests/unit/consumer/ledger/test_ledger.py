"""The ledger over memory and over a file: the way to each, what cannot be opened, and how much it holds."""

from __future__ import annotations

import asyncio
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import AsyncMock, Mock, create_autospec

import pytest

from consumer.core.message import Reply
from consumer.ledger import Claim, Ledger, LedgerError, State, codec, has_entries, open_ledger, reset, table
from consumer.ledger.memory import MemoryStore
from consumer.ledger.postgres import PostgresStore
from consumer.ledger.redis import RedisStore
from consumer.ledger.sqlite import SqliteStore
from consumer.ledger.store import LedgerRow
from tests.cases import for_each
from tests.unit.consumer.ledger.promises import (
    DIGEST,
    ClockedPlace,
    LedgerPromises,
    SharedLedgerPromises,
    limits,
    named,
    text,
)


class TestMemory(LedgerPromises):
    @pytest.fixture
    async def place(self) -> AsyncIterator[ClockedPlace]:
        async with ClockedPlace(MemoryStore) as memory:
            yield memory


class TestSqlite(SharedLedgerPromises):
    @pytest.fixture
    async def place(self, tmp_path: Path) -> AsyncIterator[ClockedPlace]:
        async with ClockedPlace(lambda: SqliteStore(f"sqlite:///{tmp_path / 'ledger.db'}")) as file:
            yield file


@for_each([
    ("memory://", MemoryStore),
    ("sqlite:///x.db", SqliteStore),
    ("redis://localhost:1/0", RedisStore),
    ("rediss://user:hush@localhost", RedisStore),
    ("postgresql://localhost:1/db", PostgresStore),
    ("postgres://user:hush@a,b/db", PostgresStore),
])  # fmt: skip
async def test_the_url_decides(url: str, kind: type) -> None:
    assert type(open_ledger(url, limits())._store) is kind


async def test_each_operation_is_timed_by_its_name_also_one_that_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    record = Mock()
    ledger = open_ledger("memory://", limits(), record)
    for name in "ab":
        await ledger.claim(named(name), DIGEST)
    await ledger.finish(named("a"), Reply("x"))
    await ledger.release(named("b"))
    monkeypatch.setattr(ledger._store, "claim", AsyncMock(side_effect=OSError("away")))
    with pytest.raises(LedgerError, match="the ledger memory:// cannot be used: away"):
        await ledger.claim(named("a"), DIGEST)
    told = [(*each.args, each.kwargs["operation"]) for each in record.mock_calls]
    assert [(name, operation) for name, _, operation in told] == [
        ("ledger.duration", each) for each in ("claim", "claim", "finish", "release", "claim")
    ]
    assert all(0 <= seconds < 60 for _, seconds, _ in told)


async def test_a_reply_that_can_no_longer_be_read_counts_as_not_kept(caplog: pytest.LogCaptureFixture) -> None:
    for record in (bytes((codec.PLAIN,)) + b"{", bytes((codec.COMPRESSED,)) + b"?", b"", b"\7x"):
        assert await codec.unpack(record) is None
    assert caplog.text.count("cannot be read") == 4


def test_the_limits_of_running_entries_are_never_shorter_than_those_of_answers() -> None:
    assert (limits(ttl=1).running_ttl, limits(ttl=7200).running_ttl) == (3600, 7200)


# --- a file ---


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.db"


@pytest.fixture
async def ledger(path: Path) -> AsyncIterator[Ledger]:
    opened = await started(path)
    yield opened
    await opened.close()


async def started(path: Path, **bounds: float) -> Ledger:
    ledger = Ledger(SqliteStore(f"sqlite:///{path}"), limits(**bounds), sleep=hurry)
    await ledger.start()
    return ledger


async def hurry(seconds: float) -> None:
    await asyncio.sleep(seconds / 100)


async def refusal(path: Path) -> str:
    with pytest.raises(LedgerError) as caught:
        await started(path)
    return str(caught.value)


@contextmanager
def full_disk() -> Iterator[None]:
    """No file of this process can grow."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)


async def test_file_and_folder_are_made_for_this_user_only(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "ledger.db"
    ledger = await started(path)
    modes = {oct(file.stat().st_mode & 0o777) for file in path.parent.iterdir()}
    assert (modes, oct(path.parent.stat().st_mode & 0o777)) == ({"0o600"}, "0o700")
    await ledger.close()


async def test_closing_ends_the_thread_of_the_file(path: Path) -> None:
    ledger = open_ledger(f"sqlite:///{path}", limits())
    before = set(threading.enumerate())
    await ledger.start()
    started = set(threading.enumerate()) - before
    await ledger.close()
    for thread in started:
        await asyncio.to_thread(thread.join, 10)
    assert [thread.name for thread in started if thread.is_alive()] == []
    assert "ledger" in {thread.name for thread in started}


async def test_a_file_in_use_is_refused_to_others_and_moved_aside_only_afterwards(ledger: Ledger, path: Path) -> None:
    url = f"sqlite:///{path}"
    await ledger.claim(named("a"), DIGEST)
    for program, words in (
        ("import pathlib, sys, consumer.ledger.table as t; t.Table(pathlib.Path(sys.argv[1]))", "LEDGER: "),
        ("import sys; from consumer.ledger import reset; reset('sqlite:///' + sys.argv[1])", "--reset-ledger: "),
    ):
        command = [sys.executable, "-c", program, str(path)]
        done = await asyncio.to_thread(subprocess.run, command, check=False, capture_output=True, text=True)
        assert f"{words}{path} is in use by another process; accepted: a file " in done.stderr
    assert (await ledger.claim(named("b"), DIGEST)).state is State.NEW, "the first one goes on"
    await ledger.close()
    aside = reset(url)
    assert (list(path.parent.iterdir()), reset(url)) == ([aside], None)
    again = await started(path)
    assert (await again.claim(named("a"), DIGEST)).state is State.NEW
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


async def test_what_is_no_file_of_ours_is_refused_and_so_is_one_that_cannot_be_written(tmp_path: Path) -> None:
    newer, theirs, broken = (tmp_path / name for name in ("newer", "theirs", "broken"))
    await (await started(newer)).close()
    for path, statement in ((newer, "PRAGMA user_version = 4"), (theirs, "CREATE TABLE theirs (x)")):
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            connection.execute(statement)
    broken.write_bytes(b"not a database at all" * 1000)
    for path, words in (
        (tmp_path, f"LEDGER: {tmp_path} cannot be opened"),
        (newer, f"LEDGER: {newer} has version 4; accepted: 2 and 3"),
        (theirs, "is the database of another program"),
        (
            broken,
            "is broken (file is not a database); accepted: a sound file: restore it, or move it aside with --reset",
        ),
    ):
        assert words in await refusal(path)
    with full_disk():
        assert "cannot be used" in await refusal(tmp_path / "full")


async def test_a_file_of_the_version_before_goes_on_and_its_entries_are_nobodys(path: Path) -> None:
    bodies = {"kept": b'{"type":"x"}', "too large": b"x" * 20_000_000}
    record = {name: codec.pack_body(body, "replies\0ä", 0) for name, body in bodies.items()}
    expires = time.time() + 60
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.executescript(f"""
            CREATE TABLE entries (
                key BLOB PRIMARY KEY, digest BLOB NOT NULL, owner BLOB NOT NULL, expires REAL NOT NULL,
                size INTEGER, record BLOB
            );
            CREATE INDEX by_expiry ON entries (expires, size);
            PRAGMA application_id = {table.APPLICATION};
            PRAGMA user_version = {table.MIGRATED};
        """)
        head = DIGEST, b"o", expires
        rows = [(named(name, "alice").key, *head, len(each), each) for name, each in record.items()]
        connection.executemany("INSERT INTO entries VALUES (?, ?, ?, ?, ?, ?)", rows)
        connection.execute("INSERT INTO entries VALUES (?, ?, ?, ?, NULL, NULL)", (b"r" * 16, *head))
    for _ in range(2):
        ledger = await started(path)
        found = {name: await ledger.claim(named(name, "alice"), DIGEST) for name in record}
        assert {each.state for each in found.values()} == {State.DONE}
        assert found["too large"] == Claim(State.DONE)
        seen = await ledger.look(named("too large", "alice"))
        assert (seen and seen.reply_to) == "replies\0ä"
        assert (ledger.size, ledger.kept_bytes) == (2, len(record["kept"]))
        await ledger.close()
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT user, count(*) FROM entries GROUP BY user").fetchall() == [(b"", 3)]
        indexes = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'index' AND sql > ''").fetchall()
    assert sorted(indexes) == [("activations_by_expiry",), ("bodies",), ("by_expiry",), ("marks",)]


def test_the_oldest_of_a_user_are_found_without_looking_at_the_others(path: Path) -> None:
    opened = table.Table(path)
    for statement, values in (
        (table.BODIES, (b"u", 1)),
        (table.OLDEST, (b"u", 1)),
        (table.EXPIRED, (0.0, 1)),
        (table.COUNT, ()),
    ):
        plan = [row[3] for row in opened._connection.execute(f"EXPLAIN QUERY PLAN {statement}", values)]
        scans = [step for step in plan if "SCAN entries" in step]
        assert all(statement is table.COUNT and "COVERING INDEX" in step for step in scans), plan
    opened.close()


def test_a_cut_that_takes_several_looks_counts_the_file_no_more_often_than_it_is_wrong(path: Path) -> None:
    opened, now, record = table.Table(path), time.time(), codec.pack_body(b"{}")
    keys = (number.to_bytes(16, "big") for number in range(3500))
    rows = [LedgerRow(key, DIGEST, b"o", now + 9, record) for key in keys]
    for at in range(0, len(rows), 500):
        opened.write(rows[at : at + 500], now)
    bounds = replace(limits(), max_bytes=len(record))
    counted: list[str] = []
    opened._connection.set_trace_callback(lambda text: counted.append(text) if text == table.COUNT else None)
    for _ in range(4):
        opened.trim(now, bounds, {})
    assert (opened.entries.total, opened.kept_bytes.total, len(counted)) == (3500, len(record), 1)
    opened.close()


def harmed(path: Path) -> Iterator[Path]:
    """Copies of a file that are broken in the middle or altogether."""
    sound = path.read_bytes()
    half = len(sound) // 2
    for content in (sound[:half], sound[:100], sound[:half] + b"\xff" * 9000 + sound[half + 9000 :]):
        path = path.with_name(f"{len(content)} bytes")
        path.write_bytes(content)
        yield path


async def test_a_damaged_file_is_refused(path: Path) -> None:
    ledger = await started(path)
    for number in range(200):
        await ledger.claim(named(f"{number}"), DIGEST)
        await ledger.finish(named(f"{number}"), Reply("x", text(1000)))
    await ledger.close()
    for each in harmed(path):
        assert "is broken" in await refusal(each)


def test_only_a_file_that_is_not_there_has_nothing_to_read(path: Path) -> None:
    """Another user may not even see it, which opening tells."""
    url = f"sqlite:///{path}"
    assert not has_entries(url)
    assert not has_entries(f"sqlite:///{path.parent / 'no' / 'folder'}")
    path.parent.mkdir(exist_ok=True)
    path.touch()
    assert has_entries(url)
    assert not has_entries(f"sqlite:///{path / 'below'}")
    hidden = f"sqlite:///{path.with_name('x' * 300)}"
    assert has_entries(hidden)
    with pytest.raises(LedgerError, match="cannot be opened"):
        asyncio.run(open_ledger(hidden, limits()).start())
    assert has_entries("redis://127.0.0.1:1/0")
    assert not has_entries("memory://")


@for_each(["removed", "replaced", "folder removed"])
async def test_a_file_that_is_gone_is_a_problem_until_there_is_one_again(loss: str, tmp_path: Path) -> None:
    folder = tmp_path / loss
    ledger = await started(folder / "ledger.db")
    shutil.rmtree(folder) if loss == "folder removed" else (folder / "ledger.db").unlink()
    if loss == "replaced":
        (folder / "ledger.db").touch()
    with pytest.raises(LedgerError, match="removed or replaced"):
        await ledger.claim(named("a"), DIGEST)
    await ledger.ready()
    assert (await ledger.claim(named("a"), DIGEST)).state is State.NEW
    await ledger.close()


async def test_what_was_evicted_still_counts_after_the_file_was_opened_again(path: Path) -> None:
    ledger = await started(path, max_entries=1)
    for name in "abc":
        await ledger.claim(named(name), DIGEST)
        await ledger.finish(named(name), Reply("x", 1))
    await ledger.claim(named("d"), DIGEST)
    before = replace(ledger.evicted)
    assert before.entries >= 1
    for file in table.files(path):
        file.unlink(missing_ok=True)
    with pytest.raises(LedgerError):
        await ledger.claim(named("e"), DIGEST)
    await ledger.ready()
    assert (ledger.evicted, ledger.size, ledger.kept_bytes) == (before, 0, 0)
    await ledger.close()


async def test_a_defect_while_trimming_or_writing_stops_nothing_for_ever(path: Path, monkeypatch: Any) -> None:
    ledger = await started(path, max_entries=99)  # so few that each answer is a reason to trim
    for method in ("trim", "write"):
        await ledger.claim(named(method), DIGEST)
        with monkeypatch.context() as patch:
            patch.setattr(table.Table, method, Mock(side_effect=ValueError(f"no {method}")))
            await ledger.finish(named(method), Reply("x", 1))
            with pytest.raises(LedgerError, match=f"no {method}"):
                await ledger.claim(named("b"), DIGEST)
        await ledger.ready()
        assert (await ledger.claim(named(method), DIGEST)).state is State.DONE
    await ledger.close()


async def test_what_waits_together_is_written_together_and_fails_together(ledger: Ledger, monkeypatch: Any) -> None:
    original = table.Table.write
    write = create_autospec(original, side_effect=original)
    monkeypatch.setattr(table.Table, "write", write)
    claims = [asyncio.create_task(ledger.claim(named(f"{number}"), DIGEST)) for number in range(300)]
    await asyncio.gather(*claims)
    assert [len(each.args[1]) for each in write.mock_calls] == [table.GROUP, table.GROUP, 300 - 2 * table.GROUP]
    write.side_effect = ValueError("a defect")
    claims = [asyncio.create_task(ledger.claim(named(f"{number}"), DIGEST)) for number in range(300)]
    await asyncio.sleep(0)
    claims[0].cancel()  # also when nobody waits for some of it any more
    ends = await asyncio.gather(*claims, return_exceptions=True)
    assert [type(end) for end in ends] == [asyncio.CancelledError] + [LedgerError] * 299
    write.side_effect = original
    await ledger.ready()


async def test_what_has_expired_leaves_the_file(path: Path) -> None:
    now = [1000.0]
    ledger = Ledger(SqliteStore(f"sqlite:///{path}"), limits(ttl=10, max_entries=100), clock=lambda: now[0])
    await ledger.start()
    for number in range(50):
        await ledger.claim(named(f"{number}"), DIGEST)
        await ledger.finish(named(f"{number}"), Reply("x"))
    now[0] += 10
    for name in "ab":
        await ledger.claim(named(name), DIGEST)
        await ledger.finish(named(name), Reply("x"))
    await ledger.claim(named("a"), DIGEST)
    assert ledger.size == 2
    await ledger.close()
