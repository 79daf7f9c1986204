"""A private Camunda 7: engine and REST API in one process, in memory, own port on 127.0.0.1, with HTTP Basic.

`python -m scripts.camunda7` fetches it.
"""

from __future__ import annotations

import os
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Self

from scripts import cache, maven, servers
from scripts.process import Process, Server, ServerError, free_port

SOURCES = Path(__file__).parent / "java"
START_SECONDS = 180.0
"""A start takes 5 to 8 s; a busy machine needs far longer."""
ADMINISTRATOR = ("demo", "demo")
"""Name and password of the user who may do everything."""


def home() -> Path:
    """The folder of the engine's jars and class; a change of either source has another one."""
    return cache.folder() / f"camunda7-{cache.key(*sorted(SOURCES.iterdir()), cache.MAVEN_LOCK)}"


def ensure() -> Path:
    """The folder of the engine, made when it is missing: jars from Maven, one class compiled.

    Raises:
        ServerError: Java or Maven is missing, or failed.
    """
    if (home() / "classes").exists():
        return home()
    print(f"downloading Camunda 7 into {cache.folder()}, once", flush=True)
    with cache.workspace() as work:
        engine = work / "engine"
        (engine / "lib").mkdir(parents=True)
        maven.fetch_dependencies(SOURCES / "pom.xml", engine / "lib")
        servers.compile_java([SOURCES / "Engine.java"], engine / "lib", engine / "classes")
        cache.publish(engine, home())
    return home()


def _java() -> Path:
    return cache.java_home() / "bin" / "java"


class Camunda7(Server):
    """One engine with a log in `directory`; its data end with it. Use as a context manager, or `start` and `stop`."""

    start_seconds = START_SECONDS

    def __init__(self, directory: Path, *, memory: str = "160m", tied: bool = True) -> None:
        self.directory = Path(directory).resolve()
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}/engine-rest"
        self.process: Process | None = None
        self._memory = memory
        self._tied = tied

    def launch(self) -> Self:
        """Start the engine, fetching it first when it is missing, and return at once.

        Raises:
            ServerError: it cannot be fetched, or is up already.
        """
        if self.process and self.process.running:
            raise ServerError(f"the Camunda 7 in {self.directory} runs already")
        (self.directory / "tmp").mkdir(parents=True, exist_ok=True)
        self.process = Process(self._command(ensure()), {}, self.directory / "output.log", tied=self._tied)
        return self

    def _command(self, engine: Path) -> list[str]:
        name, password = ADMINISTRATOR
        return [
            str(_java()),
            f"-Xmx{self._memory}",
            "-XX:+UseSerialGC",
            "-XX:TieredStopAtLevel=1",
            f"-Djava.io.tmpdir={self.directory / 'tmp'}",
            "-cp",
            os.pathsep.join([str(engine / "lib" / "*"), str(engine / "classes")]),
            "Engine",
            "--server.address=127.0.0.1",
            f"--server.port={self.port}",
            "--spring.jersey.application-path=/engine-rest",
            "--spring.datasource.url=jdbc:h2:mem:camunda7;DB_CLOSE_DELAY=-1",
            # Nobody here asks for most of what it would make at its start.
            "--spring.main.lazy-initialization=true",
            "--camunda.bpm.authorization.enabled=true",
            f"--camunda.bpm.admin-user.id={name}",
            f"--camunda.bpm.admin-user.password={password}",
        ]

    def ready(self) -> bool:
        """Whether the REST API answers."""
        try:
            with urllib.request.urlopen(f"{self.url}/engine", timeout=5) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    usable = ready


def main() -> int:
    """Fetch the engine; the exit status."""
    try:
        print(f"Camunda 7 ready in {ensure()}")
    except ServerError as problem:
        print(f"make camunda7: {problem}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
