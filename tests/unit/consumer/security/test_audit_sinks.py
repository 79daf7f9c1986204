"""Records in a file of this user, or on a standard stream; what was written is whole."""

from __future__ import annotations

import asyncio
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest

from consumer.security.audit_record import Record
from consumer.security.audit_sinks import AuditError, AuditFile, DescriptorSink, FileSink, QueueSink, examine
from tests.cases import check_all

A, B = Record(b'{"id":"a"}', "topology"), Record(b'{"id":"b"}', "audit")


@contextmanager
def no_file_grows_beyond(size: int) -> Iterator[None]:
    """As if the disk were full then."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def ids(path: Path) -> list[str]:
    """Of the records in a file; lines that are none are left out, as every reader must."""
    found = []
    for line in path.read_bytes().split(b"\n"):
        try:
            found.append(orjson.loads(line)["id"])
        except orjson.JSONDecodeError:
            continue
    return found


async def written(sink: FileSink, *records: Record) -> None:
    await sink.open()
    await sink.write(records)
    await sink.close()


async def test_file_and_folder_are_made_for_this_user_alone_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "new" / "audit.jsonl"
    await written(FileSink(path), A)
    await written(FileSink(path), B)
    assert path.read_bytes() == b'{"id":"a"}\n{"id":"b"}\n'
    assert (path.stat().st_mode & 0o7777, path.parent.stat().st_mode & 0o7777) == (0o600, 0o700)


def test_a_file_that_others_could_read_or_change_is_refused(tmp_path: Path, monkeypatch: Any) -> None:
    def is_refused(name: str, mode: int) -> None:
        path = tmp_path / name
        path.touch()
        path.chmod(mode)
        with pytest.raises(AuditError, match=rf"AUDIT: .*/{name} may be read .*mode 0{mode:o}.*; accepted: .*0600"):
            AuditFile(path).open()
        assert path.stat().st_mode & 0o777 == mode, "it is not ours to change"

    check_all({f"{mode:o}": (f"f{mode:o}", mode) for mode in (0o644, 0o604, 0o660, 0o620, 0o602, 0o666)}, is_refused)
    shipped = tmp_path / "shipped"
    shipped.touch()
    shipped.chmod(0o640)
    AuditFile(shipped).open()
    monkeypatch.setattr(os, "geteuid", lambda: 4711)
    with pytest.raises(AuditError, match="belongs to another user"):
        AuditFile(shipped).open()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_a_file_that_root_makes_belongs_to_whom_its_folder_belongs(tmp_path: Path) -> None:
    """A command for dead letters that root runs must not lock out the service."""
    os.chown(tmp_path, 4711, 4712)
    AuditFile(tmp_path / "audit.jsonl").open()
    found = (tmp_path / "audit.jsonl").stat()
    assert (found.st_uid, found.st_gid, found.st_mode & 0o777) == (4711, 4712, 0o600)
    (tmp_path / "other").touch(0o600)
    AuditFile(tmp_path / "other").open()
    assert (tmp_path / "other").stat().st_uid == 0


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo", 0o600)
    (tmp_path / "elsewhere").touch(0o600)
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "file").touch(0o600)

    def is_refused(name: str) -> None:
        for look in (lambda path: AuditFile(path).open(), examine):
            with pytest.raises(AuditError, match="AUDIT: "):
                look(tmp_path / name)

    check_all(["", "fifo", "link", "file/below"], is_refused)
    assert (tmp_path / "elsewhere").read_bytes() == b""


async def test_a_file_that_was_renamed_or_removed_is_made_anew(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    sink = FileSink(path)
    await sink.open()
    await sink.write([A])
    path.rename(tmp_path / "audit.jsonl.1")
    await sink.write([B])
    assert (ids(tmp_path / "audit.jsonl.1"), ids(path)) == (["a"], ["b"])
    path.unlink()
    await sink.write([A, B])
    assert ids(path) == ["a", "b"]
    await sink.close()


async def test_a_file_is_not_written_any_more_once_others_may_read_it(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    sink = FileSink(path)
    await sink.open()
    await sink.write([A])
    path.chmod(0o644)
    for _ in range(2):
        with pytest.raises(AuditError, match="mode 0644"):
            await sink.write([B])
    path.chmod(0o640)
    await sink.write([B])
    assert ids(path) == ["a", "b"]
    await sink.close()


async def test_records_are_on_the_disk_when_they_count_as_written(tmp_path: Path, monkeypatch: Any) -> None:
    synced: list[bytes] = []
    monkeypatch.setattr(os, "fdatasync", lambda descriptor: synced.append(os.pread(descriptor, 100, 0)))
    await written(FileSink(tmp_path / "a"), A, B)
    assert synced == [b'{"id":"a"}\n{"id":"b"}\n'], "once for all of them"


async def test_a_full_disk_leaves_a_line_that_is_ended_before_the_next_one(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    sink = FileSink(path)
    await sink.open()
    with no_file_grows_beyond(len(A.line) + 4):
        with pytest.raises(OSError, match="File too large"):
            await sink.write([A, B])
        with pytest.raises(OSError, match="File too large"):
            await sink.write([A, B])
    await sink.write([A, B])
    assert path.read_bytes().count(b'\n{"i\n') == 1
    assert ids(path) == ["a", "a", "b"]
    await sink.close()


async def test_a_line_that_a_killed_process_left_is_ended(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    path.touch(0o600)
    path.write_bytes(b'{"id":"x"}\n{"id":"y')
    await written(FileSink(path), A)
    assert path.read_bytes() == b'{"id":"x"}\n{"id":"y\n{"id":"a"}\n'


async def test_two_processes_may_write_to_one_file(tmp_path: Path) -> None:
    one, other = FileSink(tmp_path / "a"), FileSink(tmp_path / "a")
    await asyncio.gather(one.open(), other.open())
    await asyncio.gather(*(sink.write([A, B]) for sink in (one, other) for _ in range(50)))
    assert sorted(ids(tmp_path / "a")) == ["a"] * 100 + ["b"] * 100
    await one.close()
    await other.close()


def test_a_look_makes_nothing_and_says_what_would_fail(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "audit.jsonl"
    assert examine(path) == "not there yet; the service makes it"
    assert not path.parent.exists()
    path.parent.mkdir()
    path.touch(0o600)
    assert examine(path) == "mode 0600"


@contextmanager
def pipe() -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    try:
        yield ends
    finally:
        for end in ends:
            os.close(end)


async def test_a_pipe_that_nobody_reads_holds_up_no_loop() -> None:
    with pipe() as (read, write):
        os.set_blocking(write, False)
        while True:  # until it is full
            try:
                os.write(write, b" " * 4096)
            except BlockingIOError:
                break
        for blocking in (True, False):
            os.set_blocking(write, blocking)
            sink = DescriptorSink(write, "stdout")
            await sink.open()
            writing = asyncio.ensure_future(sink.write([A]))
            await asyncio.sleep(0.05)
            assert not writing.done()
            await asyncio.to_thread(os.read, read, 2**20)
            await writing
            assert os.read(read, 2**20).endswith(A.line + b"\n")
            await sink.close()
            os.set_blocking(write, False)
            while True:
                try:
                    os.write(write, b" " * 4096)
                except BlockingIOError:
                    break


async def test_a_stream_that_cannot_be_written_is_refused() -> None:
    with pipe() as (read, _), pytest.raises(AuditError, match="AUDIT: stdout can only be read"):
        await DescriptorSink(read, "stdout").open()
    with pytest.raises(AuditError, match="AUDIT: stdout is closed"):
        await DescriptorSink(9999, "stdout").open()


async def test_a_full_device_is_an_error() -> None:
    full = os.open("/dev/full", os.O_WRONLY)
    sink = DescriptorSink(full, "stdout")
    await sink.open()
    with pytest.raises(OSError, match="No space left"):
        await sink.write([A])
    await sink.close()
    os.close(full)


async def test_a_queue_is_prepared_again_after_a_failure() -> None:
    """It may have been deleted."""
    done: list[Any] = []
    problems = [OSError("returned")]

    async def prepare() -> None:
        done.append("prepare")

    async def publish(line: bytes, topic: str) -> None:
        if problems:
            raise problems.pop()
        done.append((line, topic))

    sink = QueueSink("stream:audit", prepare, publish)
    await sink.open()
    with pytest.raises(OSError, match="returned"):
        await sink.write([A])
    await sink.write([A, B])
    assert done == ["prepare", "prepare", A, B]
