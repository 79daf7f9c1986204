"""The Python environment of development, `.venv`: locked packages, and both of ours editable (`make venv`)."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

from scripts import packages, transfer
from scripts.process import ServerError

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
REQUIREMENTS = ROOT / "requirements"


def create() -> None:
    """Make the environment, unless a working one is there."""
    if works():
        return
    if not importlib.util.find_spec("ensurepip"):
        packages.install(["python3-venv"])
    run(sys.executable, "-m", "venv", "--clear", str(VENV))


def works() -> bool:
    """Whether the environment's interpreter starts and has pip."""
    python = VENV / "bin" / "python"
    asked = [str(python), "-m", "pip", "--version"]
    return python.exists() and subprocess.run(asked, check=False, capture_output=True).returncode == 0


def fill() -> None:
    """Install what the lock files say, then both packages from here."""
    python = str(VENV / "bin" / "python")
    run(python, "-m", "pip", "install", "--quiet", "--require-hashes", "-r", str(REQUIREMENTS / "uv.txt"))
    install(VENV)


def install(environment: Path) -> None:
    """Install everything but uv, by the uv of `.venv`, into an environment.

    Raises:
        ServerError: it failed; its own messages are above.
    """
    uv = [str(VENV / "bin" / "uv"), "pip", "install", "--quiet", "--python", str(environment / "bin" / "python")]
    with transfer.told("Python packages (unpacked)", lambda: transfer.size(cache_folder())):
        run(*uv, "--require-hashes", "-r", str(REQUIREMENTS / "dev.txt"))
    run(*uv, "--no-deps", "--no-build-isolation", "-e", str(ROOT / "contracts"), "-e", str(ROOT))


def cache_folder() -> Path:
    """Where uv keeps what it has downloaded."""
    asked = [str(VENV / "bin" / "uv"), "cache", "dir"]
    return Path(subprocess.run(asked, check=True, capture_output=True, text=True).stdout.strip())


def run(*command: str) -> None:
    """Run a command of the installation.

    Raises:
        ServerError: it failed; its own messages are above.
    """
    if subprocess.run(command, check=False, cwd=ROOT).returncode:
        raise ServerError(f"this failed (its messages are above): {' '.join(command)}")


def main() -> int:
    """Create and fill the environment; the exit status."""
    try:
        create()
        fill()
    except ServerError as problem:
        print(f"make venv: {problem}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
