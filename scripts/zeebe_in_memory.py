"""A Zeebe without a disk: the engine of a newer version behind a gateway of its own, empty again at a word.

It answers as the real engine does in almost everything; where it does not (no long poll, tenants ignored), the tests
say so. Its gRPC port listens on every interface: it is for tests, not for machines that strangers reach.
"""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, Self

from scripts import cache
from scripts.process import Process, Server, ServerError, free_port, tail

START_SECONDS = 120.0
"""A start takes 3 s; a busy machine needs far longer."""

QUICK_START = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
"""Half the processor time until an engine is ready, at the price of its speed under load."""

LOG = "output.log"
PROGRAM = cache.IN_MEMORY_SOURCE.stem


class ZeebeInMemory(Server):
    """One engine; its log is in `directory`. Use as a context manager, or call `start` and `stop`.

    A second start is an empty engine on the same ports. With `writes` it writes the classes that it has loaded to that
    file when it is stopped, from which later ones start in half the processor time.
    """

    start_seconds = START_SECONDS

    def __init__(
        self, directory: Path, port: int = 0, *, memory: str = "256m", tied: bool = True, writes: Path | None = None
    ) -> None:
        self.directory = Path(directory).resolve()
        self.port, self._control = port or free_port(), free_port()
        self.address = f"127.0.0.1:{self.port}"
        self.process: Process | None = None
        self._memory = memory
        self._tied = tied
        self._writes = writes

    def launch(self) -> Self:
        """Start the engine and return at once.

        Raises:
            ServerError: it or Java is missing, or it is up already.
        """
        if self.process and self.process.running:
            raise ServerError(f"the engine in {self.directory} runs already")
        self.directory.mkdir(parents=True, exist_ok=True)
        class_path = cache.in_memory_class_path()
        options = [f"-Xmx{self._memory}", *QUICK_START.split(), *self._archive(), "-cp", class_path]
        command = [str(cache.java_home() / "bin" / "java"), *options, PROGRAM, str(self.port), str(self._control)]
        self.process = Process(command, {}, self.directory / LOG, tied=self._tied)
        return self

    def _archive(self) -> list[str]:
        if self._writes is not None:
            return [f"-XX:ArchiveClassesAtExit={self._writes}"]
        # Java does without a file that is not there, or is of another Java.
        return [f"-XX:SharedArchiveFile={cache.in_memory_classes()}", "-Xlog:cds=off", "-Xlog:cds+dynamic=off"]

    def ready(self) -> bool:
        """Whether the engine takes commands now."""
        try:
            self._do("ready")
        except (urllib.error.URLError, OSError):
            return False
        return True

    usable = ready

    def reset(self) -> None:
        """Begin anew with an empty engine; callers of the old one lose their connections."""
        self._do("reset")

    def advance(self, seconds: float) -> None:
        """Let time pass for timers, job timeouts and messages, and return when what was due has happened."""
        self._do(f"time?{round(seconds * 1000)}")
        self.settle()

    def settle(self, seconds: float = 30) -> None:
        """Return when the engine has nothing left to do; its control port fails when that takes longer."""
        self._do(f"idle?{round(seconds * 1000)}")

    def records(self, value_type: str) -> list[dict[str, Any]]:
        """Everything that happened to one kind of thing, for example "JOB", oldest first; commands included."""
        return [json.loads(line) for line in self._do(f"records?{value_type}").splitlines()]

    def incidents(self) -> list[dict[str, Any]]:
        """The incidents that nobody has resolved, oldest first, as the records of their creation."""
        events = [record for record in self.records("INCIDENT") if record["recordType"] == "EVENT"]
        resolved = {record["key"] for record in events if record["intent"] == "RESOLVED"}
        return [record for record in events if record["intent"] == "CREATED" and record["key"] not in resolved]

    def _do(self, command: str) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{self._control}/{command}", timeout=60) as answer:
            return str(answer.read().decode())


def write_classes(work: Path, target: Path) -> None:
    """Start an engine once and write down its classes, so that others start quickly; some seconds.

    Args:
        work: a folder on the same disk.
        target: gets the file when it is complete.

    Raises:
        ServerError: the engine did not start, or wrote nothing.
    """
    written = work / target.name
    with ZeebeInMemory(work, writes=written):
        pass
    if not written.exists():
        raise ServerError(f"Java wrote no classes of the engine in memory:\n{tail(work / LOG)}")
    written.rename(target)
