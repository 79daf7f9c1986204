"""A private Zeebe: broker and gateway in one process, one partition, own ports on 127.0.0.1, no other servers."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from scripts import cache
from scripts.process import Process, Server, ServerError, free_port

START_SECONDS = 180.0
"""A start takes 7 to 17 s; a busy machine needs far longer."""

QUICK_START = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
"""Half the processor time until the engine is ready, at the price of its speed under load."""


@dataclass(frozen=True)
class Ports:
    """The TCP ports of one Zeebe."""

    gateway: int = field(default_factory=free_port)
    command: int = field(default_factory=free_port)
    internal: int = field(default_factory=free_port)
    management: int = field(default_factory=free_port)
    rest: int = field(default_factory=free_port)


class Zeebe(Server):
    """One engine with its data in `directory`; a second start finds the data of the first.

    Use as a context manager, or call `start` and `stop`. `flush=False` trades the survival of a power cut for speed;
    a killed process loses nothing either way. `java_options` makes the start cheap; for measurements give "".
    `environment` adds or replaces settings (`ZEEBE_BROKER_...`).
    """

    def __init__(
        self,
        directory: Path,
        *,
        ports: Ports | None = None,
        flush: bool = False,
        memory: str = "512m",
        java_options: str = QUICK_START,
        environment: Mapping[str, str] | None = None,
        tied: bool = True,
    ) -> None:
        self.directory = Path(directory).resolve()
        self.ports = ports or Ports()
        self.address = f"127.0.0.1:{self.ports.gateway}"
        self.management_url = f"http://127.0.0.1:{self.ports.management}"
        self.process: Process | None = None
        self._tied = tied
        self._settings = {
            **self._network(),
            **self._storage(flush),
            "JAVA_OPTS": f"-Xms128m -Xmx{memory} -Djava.io.tmpdir={self.directory / 'tmp'} {java_options}",
            **(environment or {}),
        }

    def _network(self) -> dict[str, str]:
        return {
            "ZEEBE_BROKER_NETWORK_HOST": "127.0.0.1",
            "ZEEBE_BROKER_GATEWAY_NETWORK_PORT": str(self.ports.gateway),
            "ZEEBE_BROKER_NETWORK_COMMANDAPI_PORT": str(self.ports.command),
            "ZEEBE_BROKER_NETWORK_INTERNALAPI_PORT": str(self.ports.internal),
            "ZEEBE_BROKER_CLUSTER_INITIALCONTACTPOINTS": f"127.0.0.1:{self.ports.internal}",
            "MANAGEMENT_SERVER_ADDRESS": "127.0.0.1",
            "MANAGEMENT_SERVER_PORT": str(self.ports.management),
            "SERVER_ADDRESS": "127.0.0.1",
            "SERVER_PORT": str(self.ports.rest),
        }

    def _storage(self, flush: bool) -> dict[str, str]:
        return {
            "ZEEBE_BROKER_CLUSTER_PARTITIONSCOUNT": "1",
            "ZEEBE_BROKER_CLUSTER_RAFT_FLUSH_ENABLED": str(flush).lower(),
            "ZEEBE_BROKER_DATA_DIRECTORY": str(self.directory / "data"),
            "ZEEBE_BROKER_DATA_LOGSEGMENTSIZE": "16MB",
            "ZEEBE_BROKER_EXPERIMENTAL_ROCKSDB_MEMORYLIMIT": "64MB",
            "ZEEBE_BROKER_THREADS_CPUTHREADCOUNT": "1",
            "ZEEBE_BROKER_THREADS_IOTHREADCOUNT": "1",
            "ZEEBE_LOG_APPENDER": "Console",
        }

    def start(self) -> Self:
        """Start the engine and return when it takes commands.

        Raises:
            ServerError: Zeebe or Java is missing, it is up already, or it did not get ready within 180 s.
        """
        if self.process and self.process.running:
            raise ServerError(f"the Zeebe in {self.directory} runs already")
        for folder in (self.directory / "data", self.directory / "tmp"):
            folder.mkdir(parents=True, exist_ok=True)
        environment = {**self._settings, "JAVA_HOME": str(cache.java_home())}
        command = [str(cache.zeebe_home() / "bin" / "broker")]
        self.process = Process(command, environment, self.directory / "output.log", tied=self._tied)
        self.process.wait_until(self.ready, START_SECONDS)
        return self

    def ready(self) -> bool:
        """Whether the engine takes commands now."""
        try:
            with urllib.request.urlopen(f"{self.management_url}/actuator/health/readiness", timeout=5) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False
