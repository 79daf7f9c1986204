"""Files from the Maven repository, fetched by the Maven that is installed: its settings and mirrors hold."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Protocol, TextIO

from scripts import packages, transfer
from scripts.process import ServerError

REPOSITORY = Path.home() / ".m2" / "repository"
"""Where Maven keeps what it has downloaded, unless its settings say otherwise."""
PLUGIN = "org.apache.maven.plugins:maven-dependency-plugin:2.8"


def fetch(artifact: str, target: Path, size: int = 0) -> Path:
    """Download `group:name:version:type` into the folder `target`; the file's path.

    Says how far it is when `size`, the expected number of bytes, is given.

    Raises:
        ServerError: Maven is missing or failed; with what it printed.
    """
    goal = [f"{PLUGIN}:copy", f"-Dartifact={artifact}", "-Dmdep.useBaseVersion=true"]
    run([*goal, f"-DoutputDirectory={target}"], target, Progress(artifact, size), [partial_folder(artifact), target])
    _, name, version, kind = artifact.split(":")
    return target / f"{name}-{version}.{kind}"


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
    project.write_text(PROJECT.format(*artifact.split(":")))
    goal = [f"{PLUGIN}:copy-dependencies", f"-DoutputDirectory={target}"]
    run(goal, project.parent, Progress(f"{artifact} and what it needs", 0), [target])
    return sorted(target.iterdir())


def fetch_dependencies(project: Path, target: Path) -> None:
    """Download everything that the POM `project` needs to run into the folder `target`.

    Raises:
        ServerError: Maven is missing or failed; with what it printed.
    """
    goal = [f"{PLUGIN}:copy-dependencies", "-f", str(project), "-DincludeScope=runtime", f"-DoutputDirectory={target}"]
    run(goal, target, Progress(f"what {project} needs", 0), [target])


def run(arguments: list[str], folder: Path, progress: Progress, growing: list[Path]) -> None:
    """Run Maven in a folder, which holds its project, if any, and report while files in the `growing` folders grow.

    Raises:
        ServerError: Maven is missing or failed; with what it printed.
    """
    packages.ensure([("mvn", "maven")])
    command = ["mvn", "-B", "-Dstyle.color=never", "-q", *arguments]
    with transfer.told(progress.what, lambda: transfer.size(REPOSITORY)), tempfile.TemporaryFile("w+") as output:
        download = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, cwd=folder
        )
        with download:
            progress.follow(download, growing)
        if download.returncode:
            output.seek(0)
            raise ServerError(f"Maven failed with {' '.join(arguments)}:\n{output.read()[-3000:]}")


def partial_folder(artifact: str) -> Path:
    """Where Maven keeps the file while it downloads it, unless its settings say otherwise."""
    group, name, version, _ = artifact.split(":")
    return REPOSITORY.joinpath(*group.split("."), name, version)


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
