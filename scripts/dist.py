"""What is published: both packages as source and wheel, in dist/, checked where nothing else is: `make dist`.

With `TAG` in the environment, the tag must be the version: `TAG=v0.1.0`.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

from scripts import environment
from scripts.process import ServerError

ROOT = environment.ROOT
DIST = ROOT / "dist"
PACKAGES = {"zeebe_amqp": ROOT / "contracts", "zeebe_amqp_consumer": ROOT}
UV = (sys.executable, "-m", "uv")
PROBES = {
    "{bin}/zeebe-amqp --version": "zeebe-amqp, version {version}",
    "{bin}/zeebe-amqp-consumer --version": "zeebe-amqp-consumer, version {version}",
    "{bin}/python -m consumer --version": "zeebe-amqp-consumer, version {version}",
    "{bin}/python -c 'from zeebe_amqp import Client; print(Client.__name__)'": "Client",
}
"""Commands where both are installed, with what they print."""


def version() -> str:
    """The version of both packages.

    Raises:
        ServerError: they differ.
    """
    projects = [tomllib.loads((folder / "pyproject.toml").read_text())["project"] for folder in PACKAGES.values()]
    versions = sorted({str(project["version"]) for project in projects})
    if len(versions) > 1:
        raise ServerError(f"the packages have different versions, {' and '.join(versions)}: give both the same")
    return versions[0]


def compare(tag: str) -> None:
    """Compare a tag with the version.

    Raises:
        ServerError: it is not the version's.
    """
    if tag != (expected := f"v{version()}"):
        raise ServerError(f"the tag is {tag!r}, expected {expected!r}: tag another commit, or change the version")


def build(target: Path) -> list[Path]:
    """Build the sources, and the wheels from them, into an empty folder; the files' paths.

    Raises:
        ServerError: it failed; its messages are above.
    """
    shutil.rmtree(target, ignore_errors=True)
    offline = ("--offline", "--no-build-isolation", "--python", sys.executable)
    environment.run(*UV, "build", "--quiet", "--all-packages", *offline, "--out-dir", str(target))
    return sorted([*target.glob("*.tar.gz"), *target.glob("*.whl")])


def check(files: list[Path]) -> None:
    """Let the index's own checker read what was built: metadata, and pages that can be shown.

    Raises:
        ServerError: it found something; its messages are above.
    """
    environment.run(sys.executable, "-m", "twine", "check", "--strict", *map(str, files))


def try_out(files: list[Path], folder: Path) -> None:
    """Install the wheels and what they need into an empty environment, and run what they bring.

    Raises:
        ServerError: it cannot be installed, or a command prints something else.
    """
    environment.run(*UV, "venv", "--quiet", "--python", sys.executable, str(folder))
    install = (*UV, "pip", "install", "--quiet", "--python", str(folder / "bin" / "python"))
    environment.run(*install, "--require-hashes", "-r", str(environment.REQUIREMENTS / "run.txt"))
    wheels = [str(file) for file in files if file.suffix == ".whl"]
    environment.run(*install, "--offline", "--no-index", *wheels)
    for command, expected in PROBES.items():
        probe(command.format(bin=folder / "bin"), expected.format(version=version()), folder)


def probe(command: str, expected: str, folder: Path) -> None:
    """Run a command in a folder.

    Raises:
        ServerError: it prints something else than expected.
    """
    variables = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(["sh", "-c", command], cwd=folder, env=variables, check=False, capture_output=True, text=True)
    if (printed := (done.stdout + done.stderr).strip()) != expected:
        raise ServerError(f"{command} printed {printed!r}, expected {expected!r}")
    print(f"{command.rpartition('/')[2]}: {printed}", flush=True)


def main() -> int:
    """Build and check; the exit status."""
    try:
        if tag := os.environ.get("TAG"):
            compare(tag)
        files = build(DIST)
        check(files)
        with tempfile.TemporaryDirectory() as folder:
            try_out(files, Path(folder) / "environment")
    except ServerError as problem:
        print(f"make dist: {problem}", file=sys.stderr)
        return 1
    print(f"in {DIST}: {', '.join(file.name for file in files)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
