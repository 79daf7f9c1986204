"""The callers and workers in other languages and frameworks: what they need, and how they are built and run."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

from scripts import cache, environment, maven, npm, packages, servers
from scripts.process import ServerError

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "examples"
JAVA = EXAMPLES / "java"
SPRING = EXAMPLES / "spring"
TYPESCRIPT = EXAMPLES / "typescript"
NESTJS = EXAMPLES / "nestjs"
FRAMEWORKS = ROOT / "requirements" / "frameworks.txt"
"""The frameworks in Python whose workers are shown."""

PROGRAMS = [("jq", "jq")]
"""What the worker in shell reads its job with."""


def java_home(project: Path = JAVA) -> Path:
    """The folder of programs in Java; a change of their sources has another one. It need not exist."""
    return cache.folder() / f"caller-{project.name}-{cache.key(*sorted(project.glob('*.*')), cache.MAVEN_LOCK)}"


def java(program: str = "Caller", project: Path = JAVA) -> list[str]:
    """The command of a program in Java. The programs of its project are fetched and compiled when they are missing.

    Raises:
        ServerError: Java or Maven is missing or failed; the text says where.
    """
    home = java_home(project)
    if not home.exists():
        print(f"preparing the programs of {project.name} in {home}, once", flush=True)
        servers.ensure_java()
        with cache.workspace() as work:
            (work / "caller" / "lib").mkdir(parents=True)
            maven.fetch_dependencies(project / "pom.xml", work / "caller" / "lib")
            sources = sorted(project.glob("*.java"))
            servers.compile_java(sources, work / "caller" / "lib", work / "caller" / "classes")
            cache.publish(work / "caller", home)
    path = f"{home / 'classes'}{os.pathsep}{home / 'lib'}/*"
    return [str(cache.java_home() / "bin" / "java"), "-cp", path, program]


def frameworks() -> Path:
    """The programs of a Python environment with the frameworks, which is made when it is missing.

    Raises:
        ServerError: something could not be fetched; the messages of uv are above.
    """
    lock = hashlib.sha256(FRAMEWORKS.read_bytes()).hexdigest()[:12]
    home = cache.folder() / f"frameworks-{sys.version_info.major}.{sys.version_info.minor}-{lock}"
    if not home.exists():
        print(f"preparing the frameworks of others in {home}, once", flush=True)
        uv = str(environment.VENV / "bin" / "uv")
        with cache.workspace() as work:
            made = work / "frameworks"
            environment.run(uv, "venv", "--quiet", "--relocatable", "--python", sys.executable, str(made))
            python = ["--python", str(made / "bin" / "python")]
            environment.run(
                uv, "pip", "install", "--quiet", *python, "--require-hashes", "--requirements", str(FRAMEWORKS)
            )
            cache.publish(made, home)
    return home / "bin"


def typescript(folder: Path, program: str = "caller", project: Path = TYPESCRIPT) -> list[str]:
    """The command of a program in TypeScript. Its project is built in an empty folder.

    Raises:
        ServerError: Node is missing, or the program does not fit the types; the text says where.
    """
    caller = folder / project.name
    shutil.copytree(project, caller, ignore=shutil.ignore_patterns("node_modules", "build"))
    (caller / "node_modules").symlink_to(npm.install(project) / "node_modules")
    npm.run(["run", "build"], caller)
    return ["node", str(caller / "build" / f"{program}.js")]


def run(command: list[str], *arguments: str, seconds: float = 120) -> list[str]:
    """Run a caller; the lines that it printed.

    Raises:
        ServerError: it failed; with what it printed.
    """
    done = subprocess.run(
        [*command, *arguments], check=False, capture_output=True, text=True, timeout=seconds, stdin=subprocess.DEVNULL
    )
    if done.returncode:
        raise ServerError(f"{command[0]} failed:\n{(done.stdout + done.stderr)[-3000:]}")
    return done.stdout.splitlines()


def main() -> int:
    """Fetch what the callers need; the exit status."""
    try:
        packages.ensure(PROGRAMS)
        java()
        java("Worker", SPRING)
        npm.install(TYPESCRIPT)
        npm.install(NESTJS)
        frameworks()
    except ServerError as problem:
        print(f"callers: {problem}", file=sys.stderr)
        return 1
    print("callers and workers in other languages and frameworks ready")
    return 0


if __name__ == "__main__":
    sys.exit(main())
