"""Files from the Maven repository, fetched by the Maven that is installed: its settings and mirrors hold."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Protocol, TextIO

from scripts import packages
from scripts.process import ServerError

PLUGIN = "org.apache.maven.plugins:maven-dependency-plugin:2.8"


def fetch(artifact: str, target: Path, size: int = 0) -> Path:
    """Download `group:name:version:type` into the folder `target`; the file's path.

    Says how far it is when `size`, the expected number of bytes, is given.

    Raises:
        ServerError: Maven is missing or failed; with what it printed.
    """
    packages.ensure([("mvn", "maven")])
    command = [
        "mvn", "-B", "-Dstyle.color=never", "-q", f"{PLUGIN}:copy",
        f"-Dartifact={artifact}", f"-DoutputDirectory={target}", "-Dmdep.useBaseVersion=true",
    ]  # fmt: skip
    with tempfile.TemporaryFile("w+") as output:
        # Maven looks for a project in the current folder: there is none in the target.
        download = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, cwd=target
        )
        with download:
            Progress(artifact, size).follow(download, [partial_folder(artifact), target])
        if download.returncode:
            output.seek(0)
            raise ServerError(f"Maven could not fetch {artifact}:\n{output.read()[-3000:]}")
    _, name, version, kind = artifact.split(":")
    return target / f"{name}-{version}.{kind}"


def partial_folder(artifact: str) -> Path:
    """Where Maven keeps the file while it downloads it, unless its settings say otherwise."""
    group, name, version, _ = artifact.split(":")
    return Path.home().joinpath(".m2", "repository", *group.split("."), name, version)


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
        self._what = what
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
        """One report: bytes so far, share and time."""
        share = f" of {self._size / 1e6:.0f} MB ({min(done / self._size, 1):.0%})" if self._size else ""
        return f"{self._what}: {done / 1e6:.0f} MB{share}, {seconds:.0f} s"

    def _say(self, done: int) -> None:
        text = self.line(done, time.monotonic() - self._begin)
        self._output.write(f"\r{text}" if self._live else f"{text}\n")
        self._output.flush()


def largest(folders: list[Path]) -> int:
    """The size in bytes of the largest file directly in one of the folders."""
    return max((file.stat().st_size for folder in folders for file in folder.glob("*") if file.is_file()), default=0)
