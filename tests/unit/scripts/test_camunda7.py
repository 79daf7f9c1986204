"""Getting a Camunda 7 engine: kept by what it is made of, and nothing half-made is taken for whole."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts import cache, camunda7, maven, servers
from scripts.camunda7 import Camunda7
from scripts.process import ServerError


@pytest.fixture(autouse=True)
def cache_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ZEEBE_AMQP_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_a_changed_source_is_another_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = camunda7.home()
    assert before.parent == cache.folder()
    (tmp_path / "Engine.java").write_text("class Engine {}")
    monkeypatch.setattr(camunda7, "SOURCES", tmp_path)
    assert camunda7.home() != before


def test_an_engine_that_is_there_is_used(cache_folder: Path) -> None:
    (camunda7.home() / "classes").mkdir(parents=True)
    assert camunda7.ensure() == camunda7.home()


def test_a_compiler_that_fails_leaves_nothing_behind(cache_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(maven, "fetch_dependencies", lambda _, target: (target / "a.jar").touch())
    monkeypatch.setattr(maven, "fetch", lambda _, target: target / "no-compiler.jar")
    monkeypatch.setattr(servers, "check", lambda *_: None)
    with pytest.raises(ServerError, match="could not be compiled"):
        camunda7.ensure()
    assert list(cache_folder.iterdir()) == []


def test_the_engine_listens_on_this_machine_only_and_knows_one_user(tmp_path: Path) -> None:
    engine = Camunda7(tmp_path)
    command = engine._command(tmp_path)
    assert "--server.address=127.0.0.1" in command
    assert f"--server.port={engine.port}" in command
    assert "--camunda.bpm.authorization.enabled=true" in command
    assert not engine.ready()
