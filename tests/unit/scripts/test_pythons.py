"""Finding the Pythons that the unit tests run on."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts import environment, pythons


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine whose PATH has one folder, `bin`, and whose pyenv is in `pyenv`."""
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path / "pyenv"))
    return tmp_path


def program(file: Path, text: str) -> Path:
    """A program that prints a text."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"#!/bin/sh\n{text}\n")
    file.chmod(0o755)
    return file


def test_a_python_on_path_wins_over_one_of_pyenv(machine: Path) -> None:
    program(machine / "pyenv/versions/3.99.2/bin/python", "echo 3.99")
    on_path = program(machine / "bin/python3.99", "echo 3.99")
    assert pythons.find("3.99") == on_path


def test_a_program_that_leads_to_no_python_is_passed_over(machine: Path) -> None:
    program(machine / "bin/python3.99", "exit 127")
    program(machine / "pyenv/versions/3.99.1/bin/python", "echo 3.99")
    newest = program(machine / "pyenv/versions/3.99.2/bin/python", "echo 3.99")
    assert pythons.find("3.99") == newest


def test_a_python_of_another_version_is_none(machine: Path) -> None:
    program(machine / "bin/python3.99", "echo 3.98")
    assert pythons.find("3.99") is None


def test_a_version_that_is_not_here_is_said_and_no_failure(machine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert pythons.test("3.99")
    assert capsys.readouterr().out == "3.99  not found\n"


@pytest.mark.parametrize(("status", "passed"), [(0, True), (1, False)])
def test_the_line_of_a_version_is_the_last_that_its_tests_print(
    status: int,
    passed: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
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
