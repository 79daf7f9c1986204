"""The ledger in a file: what cannot be opened, what happens when it cannot be written, and how much it holds."""

from __future__ import annotations

import asyncio
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from consumer.core.message import Reply
from consumer.ledger import Ledger, LedgerError, State, codec, has_entries, open_ledger, table
from consumer.ledger.sqlite import SqliteStore
from tests.cases import for_each
from tests.unit.consumer.ledger.promises import DIGEST, OTHER, limits, text


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


def harm(path: Path, damage: str) -> None:
    """Break a file in the middle, or altogether."""
    content = path.read_bytes() if path.exists() else b""
    half = len(content) // 2
    broken = {
        "cut": content[:half],
        "cut off": content[:100],
        "overwritten": content[:half] + b"\xff" * 9000 + content[half + 9000 :],
        "nonsense": b"not a database at all" * 1000,
    }
    path.write_bytes(broken[damage])


def remove(path: Path) -> None:
    for each in table.files(path):
        each.unlink(missing_ok=True)


async def until(condition: Callable[[], bool]) -> None:
    for _ in range(10_000):
        if condition():
            return
        await asyncio.sleep(0.002)


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


async def test_a_second_process_on_the_same_file_is_refused_and_the_first_goes_on(ledger: Ledger, path: Path) -> None:
    program = "import sys; from pathlib import Path; from consumer.ledger.table import Table\n"
    program += "Table(Path(sys.argv[1]))"
    done = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", program, str(path)], check=False, capture_output=True, text=True
    )
    assert f"LEDGER: {path} is in use by another process; accepted: a file of its own" in done.stderr
    assert (await ledger.claim("a", DIGEST)).state is State.NEW


async def test_a_killed_process_leaves_what_it_claimed_and_no_lock(path: Path) -> None:
    program = (
        "import asyncio, os, sys\n"
        "from consumer.ledger import Limits, open_ledger\n"
        "from consumer.core.message import Reply\n"
        "async def main():\n"
        "    ledger = open_ledger('sqlite:///' + sys.argv[1], Limits(3600)); await ledger.start()\n"
        "    await ledger.claim('done', b'd' * 32); await ledger.finish('done', Reply('x', 1))\n"
        "    await ledger.claim('running', b'd' * 32)\n"
        "    os.kill(os.getpid(), 9)\n"
        "asyncio.run(main())\n"
    )
    done = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", program, str(path)], check=False, capture_output=True
    )
    assert done.returncode == -signal.SIGKILL
    ledger = await started(path)
    assert [(await ledger.claim(name, DIGEST)).state for name in ("done", "running")] == [State.DONE, State.ORPHANED]
    await ledger.close()


async def test_what_is_no_file_of_ours_is_refused_and_so_is_one_that_cannot_be_written(tmp_path: Path) -> None:
    assert f"LEDGER: {tmp_path} cannot be opened" in await refusal(tmp_path)
    with full_disk():
        assert "cannot be used" in await refusal(tmp_path / "full")
    newer, theirs, broken = (tmp_path / name for name in ("newer", "theirs", "broken"))
    await (await started(newer)).close()
    for path, statement, words in (
        (newer, "PRAGMA user_version = 3", f"LEDGER: {newer} has version 3; accepted: 2"),
        (theirs, "CREATE TABLE theirs (x)", "is the database of another program"),
    ):
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            connection.execute(statement)
        assert words in await refusal(path)
    harm(broken, "nonsense")
    assert "is broken (file is not a database); accepted: a sound file: restore it, or" in await refusal(broken)
    assert "--reset-ledger" in await refusal(broken)


@for_each(["cut", "cut off", "overwritten"])
async def test_a_damaged_file_is_refused(damage: str, tmp_path: Path) -> None:
    path = tmp_path / damage
    ledger = await started(path)
    for number in range(200):
        await ledger.claim(f"{number}", DIGEST)
        await ledger.finish(f"{number}", Reply("x", text(1000)))
    await ledger.close()
    harm(path, damage)
    assert "is broken" in await refusal(path)


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


async def test_while_it_cannot_be_written_nothing_is_claimed_and_afterwards_all_is_well(
    ledger: Ledger, path: Path
) -> None:
    await ledger.claim("running", DIGEST)
    await ledger.claim("released", DIGEST)
    with full_disk():
        with pytest.raises(LedgerError, match="cannot be written"):
            await ledger.claim("a", DIGEST)
        with pytest.raises(LedgerError, match="cannot be written"):
            await ledger.claim("b", DIGEST)
        await ledger.wait_failed()
        await ledger.finish("running", Reply("x", 1))
        await ledger.release("released")
        waiting = asyncio.create_task(ledger.ready())
        await asyncio.sleep(0.05)
        assert not waiting.done()
        assert str(path) in str(ledger.problem)
    await waiting
    assert ledger.problem is None
    states = [(await ledger.claim(name, DIGEST)).state for name in ("running", "released", "a")]
    assert states == [State.DONE, State.NEW, State.NEW]


async def test_closing_does_not_wait_for_what_cannot_be_written(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    ledger = await started(path)
    await ledger.claim("a", DIGEST)
    with full_disk():
        await ledger.finish("a", Reply("x", 1))
        await ledger.close()
    assert "1 answers could not be written" in caplog.text


@for_each(["removed", "replaced", "folder removed"])
async def test_a_file_that_is_gone_is_a_problem_until_there_is_one_again(loss: str, tmp_path: Path) -> None:
    folder = tmp_path / loss
    ledger = await started(folder / "ledger.db")
    shutil.rmtree(folder) if loss == "folder removed" else (folder / "ledger.db").unlink()
    if loss == "replaced":
        (folder / "ledger.db").touch()
    with pytest.raises(LedgerError, match="removed or replaced"):
        await ledger.claim("a", DIGEST)
    await ledger.ready()
    assert (await ledger.claim("a", DIGEST)).state is State.NEW
    await ledger.close()


async def test_it_stays_in_trouble_while_another_process_has_taken_the_file(ledger: Ledger, path: Path) -> None:
    remove(path)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("PRAGMA locking_mode = EXCLUSIVE")
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(LedgerError):
        await ledger.claim("a", DIGEST)
    await until(lambda: "in use by another process" in str(ledger.problem))
    other.close()
    await ledger.ready()


async def test_a_failing_trim_is_a_problem_too(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise sqlite3.OperationalError("no trimming")

    ledger = await started(path, max_entries=99)  # so few that each answer is a reason to trim
    with monkeypatch.context() as patch:
        patch.setattr(table.Table, "trim", fail)
        await ledger.claim("a", DIGEST)
        await ledger.finish("a", Reply("x", 1))
        with pytest.raises(LedgerError, match="no trimming"):
            await ledger.claim("b", DIGEST)
    await ledger.ready()
    assert (await ledger.claim("a", DIGEST)).state is State.DONE
    await ledger.close()


async def test_a_defect_while_writing_stops_nothing_for_ever(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> bool:
        raise ValueError("a defect")

    with monkeypatch.context() as patch:
        patch.setattr(table.Table, "write", fail)
        with pytest.raises(LedgerError, match="a defect"):
            await ledger.claim("a", DIGEST)
    await ledger.ready()


async def test_a_claim_whose_answer_was_lost_is_still_new(ledger: Ledger) -> None:
    claim = asyncio.create_task(ledger.claim("a", DIGEST))
    await asyncio.sleep(0)
    claim.cancel()
    with pytest.raises(asyncio.CancelledError):
        await claim
    assert (await ledger.claim("a", DIGEST)).state is State.NEW


async def test_a_claim_cancelled_while_writing_fails_leaves_nothing(ledger: Ledger) -> None:
    with full_disk():
        claim = asyncio.create_task(ledger.claim("a", DIGEST))
        await asyncio.sleep(0)
        claim.cancel()
        await until(lambda: ledger.problem is not None)
    await ledger.ready()
    assert (await ledger.claim("a", OTHER)).state is State.NEW


async def test_what_waits_together_is_written_together(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    groups: list[int] = []
    write = table.Table.write

    def counted(self: table.Table, rows: list[table.LedgerRow], now: float) -> bool:
        groups.append(len(rows))
        return write(self, rows, now)

    monkeypatch.setattr(table.Table, "write", counted)
    await asyncio.gather(*(ledger.claim(f"{number}", DIGEST) for number in range(300)))
    assert groups == [table.GROUP, table.GROUP, 300 - 2 * table.GROUP]


async def test_what_has_expired_leaves_the_file(path: Path) -> None:
    now = [1000.0]
    store = SqliteStore(f"sqlite:///{path}")
    ledger = Ledger(store, limits(ttl=10, max_entries=100), clock=lambda: now[0])
    await ledger.start()
    for number in range(50):
        await ledger.claim(f"{number}", DIGEST)
        await ledger.finish(f"{number}", Reply("x"))
    now[0] += 10
    for name in "ab":
        await ledger.claim(name, DIGEST)
        await ledger.finish(name, Reply("x"))
    await ledger.claim("a", DIGEST)
    await ledger.close()
    connection = sqlite3.connect(path)
    assert connection.execute("SELECT count(*) FROM entries").fetchone() == (2,)
    connection.close()


async def test_a_reply_that_can_no_longer_be_read_counts_as_not_kept(caplog: pytest.LogCaptureFixture) -> None:
    for record in (codec.PLAIN + b"{", codec.COMPRESSED + b"?", b"", b"\7x"):
        assert await codec.unpack(record) is None
    assert caplog.text.count("cannot be read") == 4


def test_the_limits_of_running_entries_are_never_shorter_than_those_of_answers() -> None:
    assert (limits(ttl=1).running_ttl, limits(ttl=7200).running_ttl) == (3600, 7200)
