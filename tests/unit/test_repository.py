"""Promises of the repository as a whole: what is committed, locked, documented and installable."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

from tests.cases import check_all

ROOT = Path(__file__).parents[2]
LOCKS = sorted((ROOT / "requirements").glob("*.txt"))
TEXT_LIMIT = 2_000_000


def kept() -> list[Path]:
    """Files that are, or would be, committed."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return [ROOT / name for name in listed.split("\0") if name and (ROOT / name).is_file()]


def words(file: Path) -> str:
    """The text of a file, empty when it is not text."""
    data = file.read_bytes()
    return "" if b"\0" in data or len(data) > TEXT_LIMIT else data.decode(errors="replace")


def requirements(lock: Path) -> list[str]:
    """The entries of a lock file, each with its hashes."""
    return lock.read_text().replace("\\\n", "").splitlines()


def test_no_protocol_definition_is_committed() -> None:
    assert [file for file in kept() if file.suffix == ".proto"] == []


# Written apart so that this file does not contain what it looks for.
HOSTS = [
    "pypi" + ".org",
    "files.python" + "hosted",
    "repo.maven" + ".apache",
    "repo1.maven" + ".org",
    "deb.debian" + ".org",
    "registry.npm" + "js",
]
PATHS = ["/root" + "/", "/work" + "/main", "/work" + "/shared", "/tmp" + "/spec"]


def test_no_file_names_a_package_registry_or_a_folder_of_one_machine() -> None:
    found = {forbidden: [str(file) for file in kept() if forbidden in words(file)] for forbidden in (*HOSTS, *PATHS)}
    assert {forbidden: files for forbidden, files in found.items() if files} == {}


def test_lock_files_pin_every_package_with_hashes_and_name_no_index_and_are_made_by_make_lock() -> None:
    def is_pinned(lock: Path) -> None:
        entries = requirements(lock)
        assert entries
        for entry in entries:
            assert re.match(r"[A-Za-z0-9._-]+==\S+ .*--hash=sha256:[0-9a-f]{64}", entry), entry[:80]
        assert f"requirements/{lock.name}" in (ROOT / "Makefile").read_text().partition("\nlock:")[2]

    check_all(LOCKS, is_pinned)


def test_lock_files_of_npm_have_a_hash_for_every_package_and_name_no_registry() -> None:
    def is_pinned(lock: Path) -> None:
        packages = {name: each for name, each in json.loads(lock.read_text())["packages"].items() if name}
        assert packages
        for name, package in packages.items():
            assert package["integrity"].startswith("sha512-"), name
            assert "resolved" not in package, name

    check_all([file for file in kept() if file.name == "package-lock.json"], is_pinned)


def test_development_uses_the_versions_that_run() -> None:
    run = {entry.split()[0] for entry in requirements(ROOT / "requirements" / "run.txt")}
    assert run <= {entry.split()[0] for entry in requirements(ROOT / "requirements" / "dev.txt")}


def test_every_dependency_of_both_packages_is_locked() -> None:
    locked = {entry.split("==")[0].lower() for entry in requirements(ROOT / "requirements" / "run.txt")}
    for project in (ROOT, ROOT / "contracts"):
        for dependency in tomllib.loads((project / "pyproject.toml").read_text())["project"]["dependencies"]:
            name = re.split(r"[^A-Za-z0-9._-]", dependency)[0].lower()
            assert name in locked | {"zeebe-amqp"}


def test_every_target_that_a_person_calls_is_explained_by_make_help() -> None:
    makefile = (ROOT / "Makefile").read_text()
    phony = set(re.search(r"^\.PHONY: (.+)$", makefile, re.MULTILINE)[1].split())  # type: ignore[index]
    explained = set(re.findall(r"^([a-z0-9-]+):.*## \S", makefile, re.MULTILINE))
    defined = set(re.findall(r"^([a-z0-9-]+):", makefile, re.MULTILINE))
    assert phony == defined
    assert explained == defined - {"check"}


def test_every_module_that_make_runs_exists() -> None:
    runs = r"-m (scripts\.\w+|consumer\b|benchmarks(?:\.\w+)?\b)"
    modules = set(re.findall(runs, (ROOT / "Makefile").read_text()))
    paths = {module: ROOT.joinpath(*module.split(".")) for module in modules}
    assert paths
    missing = [
        module
        for module, path in paths.items()
        if not (path.with_suffix(".py").exists() or (path / "__main__.py").exists())
    ]
    assert missing == []


def test_continuous_integration_calls_make_test_and_nothing_else() -> None:
    file = ROOT / ".ci" / "run"
    assert os.access(file, os.X_OK)
    commands = [line for line in file.read_text().splitlines() if line and not line.startswith("#")]
    assert commands[0] == "set -euo pipefail"
    assert commands[-1] == "exec make test </dev/null"


def test_both_packages_carry_the_same_version_and_licence() -> None:
    projects = [
        tomllib.loads((folder / "pyproject.toml").read_text())["project"] for folder in (ROOT, ROOT / "contracts")
    ]
    assert projects[0]["version"] == projects[1]["version"]
    assert {project["license"] for project in projects} == {"Apache-2.0"}
    assert "Apache License" in (ROOT / "LICENSE").read_text()


PROBE = """
import importlib, importlib.util, pkgutil, sys
import zeebe_amqp
for module in pkgutil.walk_packages(zeebe_amqp.__path__, "zeebe_amqp."):
    if not {*module.name.split(".")} & {"amqp", "client", "cli", "help", "testing", "__main__"}:
        importlib.import_module(module.name)
heavy = {"grpc", "google.protobuf", "aio_pika", "opentelemetry", "consumer"} & set(sys.modules)
assert not heavy, heavy
assert importlib.util.find_spec("grpc") is None
print("alone")
"""


def test_contracts_can_be_installed_and_imported_alone(tmp_path: Path) -> None:
    """A wheel of the contracts, unpacked beside nothing but the two packages that it needs."""
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(tmp_path)]
    subprocess.run(build, cwd=ROOT / "contracts", check=True, capture_output=True)
    wheel = next(tmp_path.glob("zeebe_amqp-*.whl"))
    (tmp_path / "needs").mkdir()
    for name in ("msgspec", "orjson"):
        (tmp_path / "needs" / name).symlink_to(package_folder(name))
    environment = {"PYTHONPATH": f"{wheel}{os.pathsep}{tmp_path / 'needs'}", "PATH": os.environ["PATH"]}
    done = subprocess.run(
        [sys.executable, "-S", "-c", PROBE], cwd=tmp_path, env=environment, check=False, capture_output=True, text=True
    )
    assert done.stdout == "alone\n", done.stderr


def package_folder(name: str) -> Path:
    """Where an installed package is."""
    return Path(str(__import__(name).__file__)).parent
