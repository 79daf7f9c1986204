"""The token is the setting's, or in a file for nobody else's eyes; its value is never told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from consumer import telemetry
from consumer.config import Settings
from consumer.console import Off, Watched, open_console
from consumer.console.token import NAME, find_token
from consumer.core.secret_file import KeyFileError
from consumer.pipeline.ending import ignore

GIVEN = "t" * 32


def test_the_setting_s_token_needs_no_file(tmp_path: Path) -> None:
    assert find_token(Settings(state_dir=tmp_path / "nowhere", console_token=GIVEN)) == (GIVEN, "CONSOLE_TOKEN")
    assert not (tmp_path / "nowhere").exists()


def test_without_one_it_is_made_once_for_the_service_s_user_alone(tmp_path: Path) -> None:
    settings = Settings(state_dir=tmp_path / "state")
    token, place = find_token(settings)
    file = settings.state_dir / NAME
    assert place == str(file)
    assert len(token) >= 32
    assert file.read_text().strip() == token
    assert file.stat().st_mode & 0o777 == 0o600
    assert find_token(settings) == (token, place)
    file.chmod(0o644)
    with pytest.raises(KeyFileError, match=r"console\.token: every user can read or change this token \(mode 644\)"):
        find_token(settings)


def test_where_no_file_can_be_made_the_setting_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(KeyFileError, match="no token can be kept here; set CONSOLE_TOKEN"):
        find_token(Settings(state_dir=tmp_path / "file" / "state"))


async def test_the_log_says_where_it_is_and_never_what_it_is(tmp_path: Path, caplog: Any) -> None:
    caplog.set_level("INFO")
    settings = Settings(state_dir=tmp_path, console=True)
    watch = telemetry.setup({}, version="1")
    console = open_console(settings, Watched(watch, dict, ignore, watch.trace_id, ("zeebe.commands",)))
    console.start(8080)
    console.stop()
    [record] = caplog.records
    assert vars(record)["token"] == str(tmp_path / NAME)
    assert vars(record)["url"] == "http://localhost:8080/console/"
    assert (tmp_path / NAME).read_text().strip() not in caplog.text


def test_it_is_off_unless_asked_for(tmp_path: Path) -> None:
    assert Settings().console is False
    watch = telemetry.setup({}, version="1")
    console = open_console(Settings(state_dir=tmp_path), Watched(watch, dict, ignore, watch.trace_id, ()))
    assert isinstance(console, Off)
    assert console.report is ignore
    console.start(1)
    console.stop()
    assert list(tmp_path.iterdir()) == []
