"""Getting a Camunda 7 engine: kept by what it is made of, and nothing half-made is taken for whole."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from scripts import cache, camunda7, maven, servers
from scripts.camunda7 import Camunda7
from scripts.process import ServerError


def test_a_changed_source_is_another_engine_and_one_that_is_there_is_used(tmp_path: Path, monkeypatch: Any) -> None:
    before = camunda7.home()
    assert before.parent == cache.folder()
    (before / "classes").mkdir(parents=True)
    assert camunda7.ensure() == before
    (tmp_path / "sources").mkdir()
    monkeypatch.setattr(camunda7, "SOURCES", tmp_path / "sources")
    assert camunda7.home() != before


def test_a_compiler_that_fails_leaves_nothing_behind(cache_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(maven, "fetch_dependencies", lambda _, target: (target / "a.jar").touch())
    monkeypatch.setattr(maven, "fetch", lambda _, target: target / "no-compiler.jar")
    monkeypatch.setattr(servers, "check", lambda *_: None)
    with pytest.raises(ServerError, match="could not be compiled"):
        camunda7.ensure()
    assert list(cache_folder.iterdir()) == []


def test_the_engine_listens_on_this_machine_only_and_knows_one_user(tmp_path: Path) -> None:
    engine = Camunda7(tmp_path)
    listening = {"--server.address=127.0.0.1", f"--server.port={engine.port}"}
    assert listening | {"--camunda.bpm.authorization.enabled=true"} <= set(engine._command(tmp_path))
    assert not engine.ready()
