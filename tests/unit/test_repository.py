"""Promises of the repository as a whole: what is committed, locked and documented."""

from __future__ import annotations

import json
import os
import re
import subprocess
import tomllib
from functools import cache
from pathlib import Path

from tests.cases import check_all

ROOT = Path(__file__).parents[2]
LOCKS = sorted((ROOT / "requirements").glob("*.txt"))
MAKEFILE = (ROOT / "Makefile").read_text()
MAX_TEXT = 2_000_000
# Written apart so that this file does not contain what it looks for.
HOSTS = ("pypi|.org", "files.python|hosted", "repo.maven|.apache", "repo1.maven|.org", "deb.debian|.org")
NPM = "registry.npm|js"
PATHS = ("/root|/", "/work|/main", "/work|/shared", "/tmp|/spec")
FORBIDDEN = [each.replace("|", "") for each in (*HOSTS, NPM, *PATHS)]


@cache
def kept() -> list[Path]:
    """Files that are, or would be, committed."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return [ROOT / name for name in listed.split("\0") if name and (ROOT / name).is_file()]


def requirements(lock: Path) -> list[str]:
    """The entries of a lock file, each with its hashes."""
    return lock.read_text().replace("\\\n", "").splitlines()


def test_no_protocol_definition_is_committed_and_no_registry_or_folder_of_one_machine_is_named() -> None:
    assert [file for file in kept() if file.suffix == ".proto"] == []
    found = []
    for file in kept():
        data = file.read_bytes()
        if b"\0" not in data and len(data) <= MAX_TEXT:
            found += [(str(file), each) for each in FORBIDDEN if each.encode() in data]
    assert found == []


def test_lock_files_pin_every_package_with_hashes_and_name_no_index_and_are_made_by_make_lock() -> None:
    def is_pinned(lock: Path) -> None:
        entries = requirements(lock)
        assert entries
        for entry in entries:
            assert re.match(r"[A-Za-z0-9._-]+==\S+ .*--hash=sha256:[0-9a-f]{64}", entry), entry[:80]
        assert f"requirements/{lock.name}" in MAKEFILE.partition("\nlock:")[2]

    check_all(LOCKS, is_pinned)


def test_lock_files_of_npm_have_a_hash_for_every_package_and_name_no_registry() -> None:
    def is_pinned(lock: Path) -> None:
        packages = {name: each for name, each in json.loads(lock.read_text())["packages"].items() if name}
        assert packages
        for name, package in packages.items():
            assert package["integrity"].startswith("sha512-"), name
            assert "resolved" not in package, name

    check_all([file for file in kept() if file.name == "package-lock.json"], is_pinned)


def test_every_dependency_is_locked_and_development_uses_the_versions_that_run() -> None:
    run, development = (
        {entry.split()[0] for entry in requirements(ROOT / "requirements" / name)} for name in ("run.txt", "dev.txt")
    )
    assert run <= development
    files = (ROOT / "pyproject.toml", ROOT / "contracts" / "pyproject.toml")
    dependencies = [each for file in files for each in tomllib.loads(file.read_text())["project"]["dependencies"]]
    needed = {re.split(r"[^A-Za-z0-9._-]", each)[0].lower() for each in dependencies}
    assert needed <= {entry.split("==")[0].lower() for entry in run} | {"zeebe-amqp"}


def test_every_target_that_a_person_calls_is_explained_by_make_help_and_runs_what_exists() -> None:
    [phony] = re.findall(r"^\.PHONY: (.+)$", MAKEFILE, re.MULTILINE)
    explained, defined = (
        set(re.findall(rf"^([a-z0-9-]+):{more}", MAKEFILE, re.MULTILINE)) for more in (r".*## \S", "")
    )
    assert set(phony.split()) == defined
    assert explained == defined - {"check"}
    modules = set(re.findall(r"-m (scripts\.\w+|consumer\b|benchmarks(?:\.\w+)?\b|tests\.faults(?:\.\w+)?)", MAKEFILE))
    assert {"benchmarks", "tests.faults"} <= modules
    for path in (ROOT.joinpath(*module.split(".")) for module in modules):
        assert path.with_suffix(".py").exists() or (path / "__main__.py").exists(), path


def test_continuous_integration_calls_make_test_and_nothing_else() -> None:
    file = ROOT / ".ci" / "run"
    assert os.access(file, os.X_OK)
    commands = [line for line in file.read_text().splitlines() if line and not line.startswith("#")]
    assert commands[0] == "set -euo pipefail"
    assert commands[-1] == "exec make test </dev/null"


def test_no_tool_has_a_name_of_its_own_in_a_folder_that_others_write_to() -> None:
    """Somebody else could put a link there first: what is temporary has a name that nobody can guess."""
    folders = ("scripts", "benchmarks", "consumer", "contracts", "examples")
    # Written apart so that this file does not contain what it looks for.
    guessed = re.compile(
        r"gettemp" + r"dir\(|tempfile\.mkt" + r"emp\(|[\"']/(?:var/)?t" + r"mp\b|[\"']/dev/" + r"shm\b"
    )
    found = [
        f"{file.relative_to(ROOT)}: {line.strip()}"
        for file in kept()
        if file.suffix in (".py", ".sh", ".mjs", ".ts", ".java") and file.relative_to(ROOT).parts[0] in folders
        for line in file.read_text().splitlines()
        if guessed.search(line)
    ]
    assert found == []
