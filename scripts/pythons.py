"""The unit tests on every Python that is found, on PATH or in pyenv: `make unit-all`.

Each version has an environment of its own, `.venv-3.12` for example, from the same lock files as `.venv`; it is kept
until they change.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from scripts import environment
from scripts.process import ServerError

VERSIONS = ("3.11", "3.12", "3.13", "3.14")
SOURCES = [environment.ROOT / name for name in ("requirements/dev.txt", "pyproject.toml", "contracts/pyproject.toml")]
TESTS = ["-m", "pytest", "tests/unit", "-q", "--numprocesses", "auto"]


def find(version: str) -> Path | None:
    """The first Python of this version that starts, if any; pyenv's programs on PATH may lead to none."""
    return next((python for python in candidates(version) if starts(python, version)), None)


def candidates(version: str) -> Iterator[Path]:
    """Programs that may be a Python of this version: those on PATH, then pyenv's."""
    for folder in os.get_exec_path():
        yield Path(folder) / f"python{version}"
    root = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    yield from sorted(root.glob(f"versions/{version}.*/bin/python"), reverse=True)


def starts(python: Path, version: str) -> bool:
    """Whether this is a Python of this version."""
    if not os.access(python, os.X_OK):
        return False
    asked = [str(python), "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
    return subprocess.run(asked, check=False, capture_output=True, text=True).stdout.strip() == version


def prepare(version: str, python: Path) -> Path:
    """The folder of this version's environment; made when it is missing or the lock files have changed.

    Raises:
        ServerError: the installation failed; its messages are above.
    """
    folder, wanted = environment.ROOT / f".venv-{version}", digest()
    installed = folder / "installed"
    if not installed.exists() or installed.read_text() != wanted:
        environment.run(sys.executable, "-m", "uv", "venv", "--quiet", "--clear", "--python", str(python), str(folder))
        environment.install(folder)
        installed.write_text(wanted)
    return folder


def digest() -> str:
    """One number for everything that says what an environment holds."""
    return hashlib.sha256(b"".join(file.read_bytes() for file in SOURCES)).hexdigest()


def test(version: str) -> bool:
    """Run the tests on one version and print its line, and everything when they fail; whether they passed."""
    if not (python := find(version)):
        print(f"{version}  not found", flush=True)
        return True
    command = [str(prepare(version, python) / "bin" / "python"), *TESTS]
    done = subprocess.run(command, cwd=environment.ROOT, check=False, capture_output=True, text=True)
    if done.returncode:
        print(done.stdout, done.stderr, sep="\n", flush=True)
    print(f"{version}  {summary(done.stdout)}", flush=True)
    return done.returncode == 0


def summary(output: str) -> str:
    """The last line of what pytest printed."""
    return output.strip().rpartition("\n")[2] or "ended without a word"


def main() -> int:
    """Test on all versions; the exit status."""
    try:
        passed = [test(version) for version in VERSIONS]
    except ServerError as problem:
        print(f"make unit-all: {problem}", file=sys.stderr)
        return 1
    return 0 if all(passed) else 1


if __name__ == "__main__":
    sys.exit(main())
