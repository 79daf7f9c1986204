"""Where downloaded servers are kept, and how they are found again."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from scripts.process import ServerError

IN_MEMORY_VERSION = "8.8.21"
JAVA_OLDEST = 21

PROGRAM_JAR = "program.jar"
MAVEN_LOCK = Path(__file__).resolve().parent.parent / "requirements" / "maven.lock"
"""Every file that Maven may fetch, with its SHA-256."""
IN_MEMORY_SOURCE = Path(__file__).parent / "ZeebeInMemory.java"


def folder() -> Path:
    """The cache folder: `ZEEBE_AMQP_CACHE`, else `~/.cache/zeebe-amqp`, which every clone of this user shares.

    It need not exist.

    Raises:
        ServerError: others could put programs there, which would be run.
    """
    given = os.environ.get("ZEEBE_AMQP_CACHE")
    found = Path(given).resolve() if given else Path.home() / ".cache" / "zeebe-amqp"
    if found.exists():
        about = found.stat()
        if about.st_uid != os.geteuid() or about.st_mode & stat.S_IWOTH:
            raise ServerError(f"the cache {found} belongs to somebody else, or everybody may write to it: remove it")
    return found


def key(*files: Path) -> str:
    """What the name of a folder ends with whose content these files determine."""
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:12]


def digest(file: Path) -> str:
    """The SHA-256 of a file."""
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


@contextmanager
def workspace() -> Iterator[Path]:
    """A folder for a download on the same disk as the cache, so that its result can be renamed into place."""
    folder().mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="download-", dir=folder()) as name:
        yield Path(name)


@contextmanager
def locked(name: str) -> Iterator[None]:
    """Keep other programs from what goes by this name during the block; they wait."""
    folder().mkdir(mode=0o700, parents=True, exist_ok=True)
    with (folder() / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # until it is closed
        yield


def publish(source: Path, target: Path) -> None:
    """Give a complete folder its final name, replacing what an older try may have left."""
    shutil.rmtree(target, ignore_errors=True)
    source.rename(target)


def in_memory_libraries() -> Path:
    """The folder for the in-memory engine's libraries; it need not exist."""
    return folder() / f"zeebe-in-memory-{IN_MEMORY_VERSION}-{key(MAVEN_LOCK)}"


def in_memory_program() -> Path:
    """The folder for our compiled program around that engine; it need not exist."""
    # A changed program gets another folder: clones of different ages share the cache.
    return folder() / f"zeebe-in-memory-{IN_MEMORY_VERSION}-{key(IN_MEMORY_SOURCE, MAVEN_LOCK)}-jar"


def in_memory_classes() -> Path:
    """The file of the classes that the engine in memory begins with, ready for this Java; it need not exist."""
    java = hashlib.sha256((java_home() / "release").read_bytes()).hexdigest()[:12]
    return in_memory_program() / f"classes-{java}.jsa"


def in_memory_class_path() -> str:
    """What Java needs to run the in-memory engine.

    Raises:
        ServerError: it has not been downloaded and compiled.
    """
    for home in (in_memory_libraries(), in_memory_program()):
        if not home.exists():
            raise ServerError(
                f"the engine in memory is not in {home}: `make servers` prepares it, or set ZEEBE_ADDRESS to a gateway"
            )
    return f"{in_memory_program() / PROGRAM_JAR}:{in_memory_libraries()}/*"


def java_home() -> Path:
    """The folder of a Java runtime that Zeebe can use.

    Looked for in `JAVA_HOME`, on PATH, in the system's folder of Java versions, in the cache; the first that is new
    enough wins.

    Raises:
        ServerError: there is none.
    """
    for home in java_candidates():
        if java_version(home) >= JAVA_OLDEST:
            return home
    raise ServerError(f"no Java {JAVA_OLDEST} or newer was found: `make servers` downloads one, or set JAVA_HOME")


def java_candidates() -> list[Path]:
    """Folders that may hold a Java runtime, in order of preference; they need not exist."""
    given, on_path = os.environ.get("JAVA_HOME"), shutil.which("java")
    return [
        *([Path(given)] if given else []),
        *([Path(on_path).resolve().parent.parent] if on_path else []),
        *sorted(Path("/usr/lib/jvm").glob("*")),
        folder() / "java",
    ]


def java_version(home: Path) -> int:
    """The major version of the Java runtime in `home`, 0 when there is none."""
    try:
        release = (home / "release").read_text(errors="replace")
    except OSError:
        return 0
    found = re.search(r'JAVA_VERSION="(?:1\.)?(\d+)', release)
    return int(found[1]) if found and os.access(home / "bin" / "java", os.X_OK) else 0
