"""Finding the Pythons that the unit tests run on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from scripts import environment, pythons
from tests.cases import for_each


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine whose PATH has one folder, `bin`, and whose pyenv is in `pyenv`."""
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path / "pyenv"))
    return tmp_path


def program(file: Path, text: str) -> Path:
    """A program in the shell's language."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"#!/bin/sh\n{text}\n")
    file.chmod(0o755)
    return file


def test_a_python_on_path_wins_over_pyenv_if_it_leads_to_one_of_that_version(machine: Path, capsys: Any) -> None:
    on_path = program(machine / "bin/python3.99", "echo 3.98")
    assert pythons.find("3.99") is None
    assert pythons.test("3.99"), "a version that is not here is no failure"
    assert capsys.readouterr().out == "3.99  not found\n"
    for patch in (1, 2):
        newest = program(machine / f"pyenv/versions/3.99.{patch}/bin/python", "echo 3.99")
    program(on_path, "exit 127")
    assert pythons.find("3.99") == newest
    program(on_path, "echo 3.99")
    assert pythons.find("3.99") == on_path


@for_each([(0, True), (1, False)])
def test_the_line_of_a_version_is_the_last_that_its_tests_print(
    status: int, passed: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    program(tmp_path / "bin/python", f"echo ....; echo 4 done in 1s; exit {status}")
    monkeypatch.setattr(pythons, "find", lambda version: tmp_path)
    monkeypatch.setattr(pythons, "prepare", lambda version, python: tmp_path)
    assert pythons.test("3.99") is passed
    assert capsys.readouterr().out.splitlines()[-1] == "3.99  4 done in 1s"


def test_an_environment_is_made_once_until_a_lock_file_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lock = tmp_path / "dev.txt"
    lock.write_text("one")
    made = []

    def run(*command: str) -> None:
        made.append(command[-1])
        Path(command[-1]).mkdir(exist_ok=True)

    monkeypatch.setattr(pythons, "SOURCES", [lock])
    monkeypatch.setattr(environment, "ROOT", tmp_path)
    monkeypatch.setattr(environment, "run", run)
    monkeypatch.setattr(environment, "install", lambda folder: None)
    for _ in range(2):
        assert pythons.prepare("3.99", tmp_path) == tmp_path / ".venv-3.99"
    assert len(made) == 1
    lock.write_text("two")
    pythons.prepare("3.99", tmp_path)
    assert len(made) == 2
