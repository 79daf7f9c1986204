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
from scripts.process import Process, Server, ServerError, free_port

START_SECONDS = 120.0
"""A start takes 3 s; a busy machine needs far longer."""

QUICK_START = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
"""Half the processor time until an engine is ready, at the price of its speed under load."""

PROGRAM = cache.IN_MEMORY_SOURCE.stem


class ZeebeInMemory(Server):
    """One engine; its log is in `directory`. Use as a context manager, or call `start` and `stop`.

    A second start is an empty engine on the same ports.
    """

    start_seconds = START_SECONDS

    def __init__(self, directory: Path, port: int = 0, *, memory: str = "256m", tied: bool = True) -> None:
        self.directory = Path(directory).resolve()
        self.port, self._control = port or free_port(), free_port()
        self.address = f"127.0.0.1:{self.port}"
        self.process: Process | None = None
        self._memory = memory
        self._tied = tied

    def launch(self) -> Self:
        """Start the engine and return at once.

        Raises:
            ServerError: it or Java is missing, or it is up already.
        """
        if self.process and self.process.running:
            raise ServerError(f"the engine in {self.directory} runs already")
        self.directory.mkdir(parents=True, exist_ok=True)
        options = [f"-Xmx{self._memory}", *QUICK_START.split(), "-cp", cache.in_memory_class_path()]
        command = [str(cache.java_home() / "bin" / "java"), *options, PROGRAM, str(self.port), str(self._control)]
        self.process = Process(command, {}, self.directory / "output.log", tied=self._tied)
        return self

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
