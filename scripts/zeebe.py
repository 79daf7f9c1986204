"""A private Zeebe from a distribution of your own (`ZEEBE_HOME`): broker and gateway in one process, one partition.

It listens on ports of its own on 127.0.0.1 and needs no other servers. Nothing here downloads a distribution: it is
under its vendor's terms.
"""

from __future__ import annotations

import os
import urllib.error
import urllib.request
from pathlib import Path
from typing import Self

from scripts import cache
from scripts.process import Process, Server, ServerError, free_port
from scripts.zeebe_in_memory import QUICK_START

START_SECONDS = 180.0
"""A start takes 7 to 17 s; a busy machine needs far longer."""


def home() -> Path:
    """The folder of the unpacked distribution that `ZEEBE_HOME` names.

    Raises:
        ServerError: it is not set, or there is none.
    """
    given = os.environ.get("ZEEBE_HOME", "")
    if not given or not (Path(given) / "bin" / "broker").exists():
        raise ServerError(f"ZEEBE_HOME: found {given!r}, expected the folder of a Zeebe distribution, with bin/broker")
    return Path(given).resolve()


class Zeebe(Server):
    """One engine with its data in `directory`; a second start finds the data of the first.

    Use as a context manager, or call `start` and `stop`. Tuned for a quick start, not for speed: the disk is not
    flushed, so a killed process loses nothing, and a power cut may.
    """

    start_seconds = START_SECONDS

    def __init__(self, directory: Path, port: int = 0, *, tied: bool = True) -> None:
        self.directory = Path(directory).resolve()
        self.port, self._management = port or free_port(), free_port()
        self.address = f"127.0.0.1:{self.port}"
        self.process: Process | None = None
        self._tied = tied
        internal = free_port()
        self._settings = {
            "ZEEBE_BROKER_NETWORK_HOST": "127.0.0.1",
            "ZEEBE_BROKER_GATEWAY_NETWORK_PORT": str(self.port),
            "ZEEBE_BROKER_NETWORK_COMMANDAPI_PORT": str(free_port()),
            "ZEEBE_BROKER_NETWORK_INTERNALAPI_PORT": str(internal),
            "ZEEBE_BROKER_CLUSTER_INITIALCONTACTPOINTS": f"127.0.0.1:{internal}",
            "MANAGEMENT_SERVER_ADDRESS": "127.0.0.1",
            "MANAGEMENT_SERVER_PORT": str(self._management),
            "SERVER_ADDRESS": "127.0.0.1",
            "SERVER_PORT": str(free_port()),
            "ZEEBE_BROKER_CLUSTER_PARTITIONSCOUNT": "1",
            "ZEEBE_BROKER_CLUSTER_RAFT_FLUSH_ENABLED": "false",
            "ZEEBE_BROKER_DATA_DIRECTORY": str(self.directory / "data"),
            "ZEEBE_BROKER_DATA_LOGSEGMENTSIZE": "16MB",
            "ZEEBE_BROKER_EXPERIMENTAL_ROCKSDB_MEMORYLIMIT": "64MB",
            "ZEEBE_BROKER_THREADS_CPUTHREADCOUNT": "1",
            "ZEEBE_BROKER_THREADS_IOTHREADCOUNT": "1",
            "ZEEBE_LOG_APPENDER": "Console",
            "JAVA_OPTS": f"-Xms128m -Xmx512m -Djava.io.tmpdir={self.directory / 'tmp'} {QUICK_START}",
        }

    def launch(self) -> Self:
        """Start the engine and return at once.

        Raises:
            ServerError: `ZEEBE_HOME` or Java is missing, or it is up already.
        """
        if self.process and self.process.running:
            raise ServerError(f"the Zeebe in {self.directory} runs already")
        for folder in (self.directory / "data", self.directory / "tmp"):
            folder.mkdir(parents=True, exist_ok=True)
        environment = {**self._settings, "JAVA_HOME": str(cache.java_home())}
        command = [str(home() / "bin" / "broker")]
        self.process = Process(command, environment, self.directory / "output.log", tied=self._tied)
        return self

    def ready(self) -> bool:
        """Whether the engine takes commands now."""
        try:
            with urllib.request.urlopen(
                f"http://127.0.0.1:{self._management}/actuator/health/readiness", timeout=5
            ) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    usable = ready
