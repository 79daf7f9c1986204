"""Write down every file that Maven fetches for the tools and the tests, with its SHA-256 (`make lock-maven`).

Maven's own plugin needs other files in other versions of Maven. `--add` keeps what was locked: run it once with each.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from scripts import cache, callers, camunda7, maven, protocol, servers
from scripts.process import ServerError

ALONE = (servers.COMPILER_ARTIFACT, protocol.ARTIFACT)
PROJECTS = (camunda7.SOURCES, callers.JAVA, callers.SPRING)


def fetch(work: Path) -> None:
    """Fetch everything that anything here fetches, without looking at what it is."""
    for artifact in ALONE:
        maven.fetch(artifact, new(work))
    maven.fetch_all(servers.IN_MEMORY_ARTIFACT, new(work) / "lib")
    for project in PROJECTS:
        maven.fetch_dependencies(project / "pom.xml", new(work))


def new(work: Path) -> Path:
    """A new folder."""
    return Path(tempfile.mkdtemp(dir=work))


def main(arguments: list[str]) -> int:
    """Fetch everything anew and write the lock; the exit status."""
    before = maven.locked() if "--add" in arguments else {}
    with tempfile.TemporaryDirectory() as folder:
        os.environ["ZEEBE_AMQP_CACHE"] = folder
        try:
            with maven.unlocked():
                fetch(Path(folder))
        except ServerError as problem:
            print(f"make lock-maven: {problem}", file=sys.stderr)
            return 1
        found = before | {path: cache.digest(file) for path, file in maven.artefacts().items()}
    lines = [f"{path} sha256:{digest}\n" for path, digest in sorted(found.items())]
    cache.MAVEN_LOCK.write_text("# Made by `make lock-maven`\n" + "".join(lines))
    print(f"{cache.MAVEN_LOCK.name}: {len(lines)} files")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
