"""The callers in other languages: what they need, and how they are built and run."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

from scripts import cache, maven, npm, servers
from scripts.process import ServerError

ROOT = Path(__file__).parents[1]
JAVA = ROOT / "examples" / "java"
TYPESCRIPT = ROOT / "examples" / "typescript"


def java_home() -> Path:
    """The folder of the caller in Java; a change of its sources has another one. It need not exist."""
    sources = hashlib.sha256(b"".join(file.read_bytes() for file in sorted(JAVA.glob("*.*")))).hexdigest()
    return cache.folder() / f"caller-java-{sources[:12]}"


def java() -> list[str]:
    """The command of the caller in Java, which is fetched and compiled when it is missing.

    Raises:
        ServerError: Java or Maven is missing or failed; the text says where.
    """
    home = java_home()
    if not home.exists():
        print(f"preparing the caller in Java in {home}, once", flush=True)
        servers.ensure_java()
        with servers.workspace() as work:
            (work / "caller" / "lib").mkdir(parents=True)
            maven.fetch_dependencies(JAVA / "pom.xml", work / "caller" / "lib")
            servers.compile_java(JAVA / "Caller.java", work / "caller" / "lib", work / "caller" / "classes")
            servers.publish(work / "caller", home)
    return [str(cache.java_home() / "bin" / "java"), "-cp", f"{home / 'classes'}{os.pathsep}{home / 'lib'}/*", "Caller"]


def typescript(folder: Path) -> list[str]:
    """The command of the caller in TypeScript, built in an empty folder: types from the schemas, then the program.

    Raises:
        ServerError: Node is missing, or the program does not fit the types; the text says where.
    """
    caller = folder / "typescript"
    shutil.copytree(TYPESCRIPT, caller, ignore=shutil.ignore_patterns("node_modules", "build"))
    (caller / "node_modules").symlink_to(npm.install(TYPESCRIPT) / "node_modules")
    npm.run(["run", "build"], caller)
    return ["node", str(caller / "build" / "caller.js")]


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
        java()
        npm.install(TYPESCRIPT)
    except ServerError as problem:
        print(f"callers: {problem}", file=sys.stderr)
        return 1
    print("callers in Java and TypeScript ready")
    return 0


if __name__ == "__main__":
    sys.exit(main())
