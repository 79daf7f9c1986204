"""Files from the Maven repository, fetched by the Maven that is installed: its settings and mirrors hold.

Everything that it fetches, its own plugin included, is in a folder of the cache and in `requirements/maven.lock` by its
SHA-256: Maven itself compares only what the same server says. `python -m scripts.maven_lock` writes the lock.

What is wanted has a repository of its own each, so that several Mavens can run at the same time: they do not share one.
Each begins as a copy of one with Maven's plugin, which takes longer to fetch than most of what it fetches.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from pathlib import Path
from typing import Protocol, TextIO

from scripts import cache, packages, transfer
from scripts.process import ServerError

TAKING = ContextVar("taking", default=False)
"""Whether anything is taken, see `unlocked`."""
BRIEF = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
"""Options of Java for a program that soon ends: it takes two thirds of the processor time."""
PLUGIN = "org.apache.maven.plugins:maven-dependency-plugin:2.8"
NO_GOAL = "compare-me-first"
"""Which the plugin does not have: Maven fetches the plugin to find that out, and runs nothing of it."""


def fetch(artifact: str, target: Path, size: int = 0) -> Path:
    """Download `group:name:version:type` into the folder `target`; the file's path.

    Says how far it is when `size`, the expected number of bytes, is given.

    Raises:
        ServerError: Maven is missing or failed; with what it printed.
    """
    group, name, version, kind = artifact.split(":")
    place = repository(name).joinpath(*group.split("."), name, version)
    copied = target / f"{name}-{version}.{kind}"
    if (place / copied.name).exists():
        shutil.copy(place / copied.name, copied)
    else:
        goal = [f"{PLUGIN}:copy", f"-Dartifact={artifact}", "-Dmdep.useBaseVersion=true", f"-DoutputDirectory={target}"]
        run(goal, target, Progress(artifact, size), [place, target], name)
    check([copied])
    return copied


PROJECT = """\
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion><groupId>local</groupId><artifactId>closure</artifactId><version>1</version>
  <dependencies><dependency>
    <groupId>{}</groupId><artifactId>{}</artifactId><version>{}</version>
  </dependency></dependencies>
</project>
"""
"""A project that needs one library; Maven finds out what that needs in turn."""


def fetch_all(artifact: str, target: Path) -> list[Path]:
    """Download the library `group:name:version` and everything that it needs into `target`; the files' paths.

    Raises:
        ServerError: Maven is missing or failed; with what it printed.
    """
    project = target.parent / "pom.xml"
    group, name, version = artifact.split(":")
    project.write_text(PROJECT.format(group, name, version))
    goal = [f"{PLUGIN}:copy-dependencies", f"-DoutputDirectory={target}"]
    run(goal, project.parent, Progress(f"{artifact} and what it needs", 0), [target], name)
    check(found := sorted(target.iterdir()))
    return found


def fetch_dependencies(project: Path, target: Path) -> None:
    """Download everything that the POM `project` needs to run into the folder `target`.

    Raises:
        ServerError: Maven is missing or failed; with what it printed.
    """
    goal = [f"{PLUGIN}:copy-dependencies", "-f", str(project), "-DincludeScope=runtime", f"-DoutputDirectory={target}"]
    run(goal, target, Progress(f"what {project} needs", 0), [target], "-".join(project.parts[-3:-1]))
    check(sorted(target.iterdir()))


def run(arguments: list[str], folder: Path, progress: Progress, growing: list[Path], wanted: str) -> None:
    """Run Maven in a folder, which holds its project, if any, and report while files in the `growing` folders grow.

    Raises:
        ServerError: Maven is missing or failed, with what it printed; or it fetched something that is not in the lock.
    """
    packages.ensure([("mvn", "maven")])
    own = repository(wanted)
    with cache.locked(f"maven-{wanted}"):
        if not own.exists():
            shutil.copytree(_with_plugin(), own)
        _run(arguments, folder, progress, growing, own)


def _with_plugin() -> Path:
    """A repository that has Maven's plugin and nothing else."""
    made = repository("plugin")
    with cache.locked("maven-plugin"):
        if not made.exists():
            with cache.workspace() as work:
                # First the plugin alone, which is compared; then, with its help, everything that it needs.
                own = work / "repository"
                run_plugin = partial(_run, folder=work, progress=Progress(PLUGIN, 0), growing=[], own=own)
                run_plugin([f"{PLUGIN}:{NO_GOAL}"], failing=f"Could not find goal '{NO_GOAL}'")
                run_plugin([f"{PLUGIN}:help"])
                made.parent.mkdir(exist_ok=True)
                cache.publish(own, made)
    return made


def _run(
    arguments: list[str], folder: Path, progress: Progress, growing: list[Path], own: Path, failing: str | None = None
) -> None:
    """Run Maven; it must end well, or fail with these words."""
    check_repository(own)
    command = ["mvn", "-B", "-Dstyle.color=never", "-q", "-C", f"-Dmaven.repo.local={own}", *arguments]
    with transfer.told(progress.what, lambda: transfer.size(own)), tempfile.TemporaryFile("w+") as output:
        download = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env={"MAVEN_OPTS": BRIEF, **os.environ},
        )
        with download:
            progress.follow(download, growing)
        output.seek(0)
        said = output.read()
        if (failing not in said) if failing else download.returncode:
            raise ServerError(f"Maven failed with {' '.join(arguments)}:\n{said[-3000:]}")
    check_repository(own)


def repositories() -> Path:
    """The folder of all repositories; it need not exist."""
    return cache.folder() / "repositories"


def repository(wanted: str) -> Path:
    """Where Maven keeps what it has downloaded for one thing that is wanted."""
    return repositories() / wanted


def locked() -> dict[str, str]:
    """The SHA-256 of every file that may come, by its path in the repository."""
    return dict(re.findall(r"^(\S+) sha256:(\w{64})$", cache.MAVEN_LOCK.read_text(), re.MULTILINE))


def artefacts() -> dict[str, Path]:
    """The files of artefacts in all repositories, by their paths there; without what Maven notes about them."""
    return {path: file for own in sorted(repositories().glob("*")) for path, file in files_of(own).items()}


def files_of(own: Path) -> dict[str, Path]:
    """The files of artefacts in one repository, by their paths there."""
    files = (file for pattern in ("*.pom", "*.jar", "*.zip") for file in own.rglob(pattern))
    return {str(file.relative_to(own)): file for file in sorted(files)}


@contextmanager
def unlocked() -> Iterator[None]:
    """For the block, everything that comes is taken: it is about to be locked."""
    before = TAKING.set(True)
    try:
        yield
    finally:
        TAKING.reset(before)


def check_repository(own: Path) -> None:
    """Compare everything in a repository with the lock, and remove what differs.

    Raises:
        ServerError: something differs, or is not in the lock.
    """
    if TAKING.get():
        return
    known = locked()
    wrong = {path: file for path, file in files_of(own).items() if known.get(path) != cache.digest(file)}
    for file in wrong.values():
        file.unlink()
    if wrong:
        raise ServerError(
            f"{', '.join(wrong)}: fetched, not the file of {cache.MAVEN_LOCK.name}, and removed again. Where another "
            "Maven needs other files, or versions have changed: `make lock-maven`"
        )


def check(files: list[Path]) -> None:
    """Compare copies of artefacts with the lock.

    Raises:
        ServerError: one differs from all that are locked under its name.
    """
    if TAKING.get():
        return
    known = {(Path(path).name, digest) for path, digest in locked().items()}
    wrong = [file.name for file in files if (file.name, cache.digest(file)) not in known]
    if wrong:
        raise ServerError(f"{', '.join(wrong)}: not the files of {cache.MAVEN_LOCK.name}")


class Download(Protocol):
    """A program that downloads."""

    def wait(self, timeout: float) -> object:
        """Return when it has ended.

        Raises:
            subprocess.TimeoutExpired: it has not.
        """


class Progress:
    """Says how far a download is: on one line of a terminal, else every ten seconds."""

    def __init__(self, what: str, size: int, output: TextIO = sys.stdout) -> None:
        self.what = what
        self._size = size
        self._output = output
        self._begin = time.monotonic()
        self._live = output.isatty()
        self._pause = 0.5 if self._live else 10.0

    def follow(self, download: Download, folders: list[Path]) -> None:
        """Report until the download has ended, from the size of the largest file in the folders."""
        while True:
            try:
                download.wait(self._pause)
                break
            except subprocess.TimeoutExpired:
                self._say(largest(folders))
        if self._live:
            self._output.write("\n")

    def line(self, done: int, seconds: float) -> str:
        """One report: bytes so far, if they can be seen, share and time."""
        if not done:
            return f"{self.what}: {seconds:.0f} s"
        share = f" of {self._size / 1e6:.0f} MB ({min(done / self._size, 1):.0%})" if self._size else ""
        return f"{self.what}: {done / 1e6:.0f} MB{share}, {seconds:.0f} s"

    def _say(self, done: int) -> None:
        text = self.line(done, time.monotonic() - self._begin)
        self._output.write(f"\r{text}" if self._live else f"{text}\n")
        self._output.flush()


def largest(folders: list[Path]) -> int:
    """The size in bytes of the largest file directly in one of the folders."""
    return max((file.stat().st_size for folder in folders for file in folder.glob("*") if file.is_file()), default=0)
