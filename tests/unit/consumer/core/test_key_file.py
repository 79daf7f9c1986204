"""The key in STATE_DIR: made once, whole and for nobody else's eyes, and believed only as long as that holds."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path

import pytest

from consumer.config import Amqp, Settings
from consumer.core.key_file import NAME, KeyFileError, known_keys, own_keys
from tests.cases import for_each

GIVEN = (b"k" * 32, b"l" * 32)


def settings(folder: Path, *keys: bytes) -> Settings:
    return Settings(amqp=Amqp(urls=("amqp://localhost",)), state_dir=folder, signing_keys=keys)


def test_keys_of_the_settings_need_no_file(tmp_path: Path) -> None:
    here = settings(tmp_path / "nowhere", *GIVEN)
    assert own_keys(here) == known_keys(here) == GIVEN
    assert not (tmp_path / "nowhere").exists()


def test_the_service_makes_a_key_for_itself_alone_and_others_only_read_it(tmp_path: Path) -> None:
    here = settings(tmp_path / "state" / "deep")
    assert known_keys(here) == ()
    [key] = own_keys(here)
    assert len(key) >= 32
    assert own_keys(here) == known_keys(here) == (key,)
    assert [each.name for each in here.state_dir.iterdir()] == [NAME]
    assert (here.state_dir / NAME).stat().st_mode & 0o777 == 0o600
    assert own_keys(settings(tmp_path / "another")) != (key,)


def _keys(folder: Path) -> tuple[bytes, ...]:
    return own_keys(settings(folder))


def test_processes_that_start_at_once_have_one_key(tmp_path: Path) -> None:
    for attempt in range(5):
        folders = [tmp_path / str(attempt)] * 8
        with get_context("fork").Pool(4) as processes:
            assert len(set(processes.map(_keys, folders, chunksize=1))) == 1
        with ThreadPoolExecutor(8) as threads:
            assert len(set(threads.map(_keys, [tmp_path / f"t{attempt}"] * 8))) == 1
    assert {each.name for each in tmp_path.glob("*/*")} == {NAME}


@for_each([(0o604, True), (0o602, True), (0o666, True), (0o660, False), (0o400, False)])
def test_a_key_that_every_user_may_read_or_change_is_refused(mode: int, refused: bool, tmp_path: Path) -> None:
    here = settings(tmp_path)
    own_keys(here)
    (tmp_path / NAME).chmod(mode)
    for ask in (own_keys, known_keys):
        if not refused:
            assert len(ask(here)) == 1
            continue
        with pytest.raises(KeyFileError, match=f"{NAME}: every user can .*mode {mode:o}.*remove it"):
            ask(here)
    (tmp_path / NAME).unlink()


@for_each([b"", b"short\n", b" " * 100])
def test_a_file_without_a_key_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / NAME).write_bytes(content)
    (tmp_path / NAME).chmod(0o600)
    with pytest.raises(KeyFileError, match="accepted: at least 32"):
        own_keys(settings(tmp_path))


def test_where_nothing_can_be_kept_the_key_lives_with_the_process_and_that_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    here = settings(tmp_path / "file" / "state")
    [key] = own_keys(here)
    assert len(key) >= 32
    assert own_keys(here) != (key,)
    assert known_keys(here) == ()
    [first, _] = [record.getMessage() for record in caplog.records]
    assert first.startswith("no signing key can be kept in")
    assert key.decode() not in first


def test_a_key_of_another_user_is_told(tmp_path: Path) -> None:
    here = settings(tmp_path)
    own_keys(here)
    (tmp_path / NAME).chmod(0o000)
    with as_somebody(), pytest.raises(KeyFileError, match="run this as the service's user"):
        known_keys(here)


@contextmanager
def as_somebody() -> Iterator[None]:
    """Not as root, to whom no file is forbidden."""
    before = os.geteuid()
    if before == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(before)
