"""What is seen of a ledger's file from outside, while its service runs too."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from consumer.ledger import FileFacts, Limits, MemoryFacts, examine_ledger, open_ledger
from consumer.ledger.examination import FORMAT

HOLDER = """
import sys
from pathlib import Path
from consumer.ledger.table import Table
table = Table(Path(sys.argv[1]))
print("open", flush=True)
sys.stdin.read()
"""


@contextmanager
def held(path: Path) -> Iterator[None]:
    """Another process has the ledger open."""
    command = [sys.executable, "-c", HOLDER, str(path)]
    environment = {"PYTHONPATH": os.pathsep.join(each for each in sys.path if each)}
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, env=environment, **pipes) as holder:
        assert holder.stdout.readline() == b"open\n"
        yield
        holder.stdin.close()


async def examined(path: Path) -> FileFacts:
    found = await examine_ledger(f"sqlite:///{path}")
    assert isinstance(found, FileFacts)
    assert (found.path, found.folder.is_dir(), found.free > 0) == (path, True, True)
    return found


async def made(path: Path) -> Path:
    """The file of a ledger that was opened and closed."""
    ledger = open_ledger(f"sqlite:///{path}", Limits(60))
    await ledger.start()
    await ledger.close()
    return path


async def test_a_file_that_is_still_to_be_made_has_room_in_the_nearest_folder(tmp_path: Path) -> None:
    found = await examined(tmp_path / "state" / "new" / "ledger.db")
    assert (found.there, found.writable, found.folder, found.used) == (False, True, tmp_path, False)
    assert not (tmp_path / "state").exists()


async def test_a_ledger_is_known_by_its_beginning_and_left_as_it_is(tmp_path: Path) -> None:
    path = await made(tmp_path / "ledger.db")
    before = path.read_bytes()
    found = await examined(path)
    assert (found.there, found.writable, found.used, found.ours, found.format) == (True, True, False, True, FORMAT)
    assert (found.journal, found.size) == ("wal", len(before))
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["ledger.db"]


async def test_a_ledger_that_another_process_holds_is_in_use_and_stays_so(tmp_path: Path) -> None:
    path = await made(tmp_path / "ledger.db")
    with held(path):
        assert [(await examined(path)).used for _ in range(2)] == [True, True]
    assert not (await examined(path)).used


async def test_what_is_no_ledger_or_a_newer_one_is_told_apart(tmp_path: Path) -> None:
    path = await made(tmp_path / "ledger.db")
    newer = Path(shutil.copy(path, tmp_path / "newer.db"))
    with sqlite3.connect(newer) as connection:
        connection.execute(f"PRAGMA user_version = {FORMAT + 1}")
    connection.close()
    foreign = tmp_path / "foreign.db"
    with sqlite3.connect(foreign) as connection:
        connection.execute("CREATE TABLE a (b)")
    connection.close()
    (text := tmp_path / "text.db").write_text("no database, " * 100)
    (empty := tmp_path / "empty.db").touch()
    found = {each.stem: await examined(each) for each in (newer, foreign, text, empty)}
    assert {name: (each.ours, each.format) for name, each in found.items() if name in ("newer", "empty")} == {
        "newer": (True, FORMAT + 1),
        "empty": (True, FORMAT),
    }
    assert [found[name].ours for name in ("foreign", "text")] == [False, False]
    assert (found["foreign"].journal, found["empty"].journal) == ("rollback", "")


async def test_a_folder_in_the_place_of_the_file_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "ledger.db").mkdir()
    found = await examined(tmp_path / "ledger.db")
    assert (found.there, found.writable) == (False, False)


async def test_of_the_memory_of_a_process_nothing_is_seen() -> None:
    assert await examine_ledger("memory://") == MemoryFacts()


async def test_a_redis_that_is_not_there_is_not_reached_and_its_password_is_not_told() -> None:
    with pytest.raises(OSError, match=r"redis://127\.0\.0\.1:1 was not reached") as raised:
        await examine_ledger("redis://ann:geheim@127.0.0.1:1/0")
    assert "geheim" not in str(raised.value)
