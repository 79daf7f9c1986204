"""The script that draws the diagrams of the documentation site: `python -m scripts.mermaid` fetches it, once."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from scripts import cache, npm, packages
from scripts.process import ServerError

PACKAGE = "mermaid@12.3.0"
"""The major version is the one that the site's theme is made for."""
SHA256 = "be0684e8d20bfc874df12c0f04927a5c482f57f2200eec54cca52a4583fd4040"
FILES = {"dist/mermaid.min.js": "mermaid.js", "LICENSE": "mermaid.LICENSE.txt"}


def script() -> Path:
    """The folder with the script and its licence; fetched when it is missing.

    Raises:
        ServerError: it cannot be fetched.
    """
    return npm.fetch(PACKAGE, SHA256, FILES, cache.folder() / f"mermaid-{SHA256[:12]}")


def problems(diagrams: Sequence[str]) -> list[str | None]:
    """What is wrong with each diagram, as the script says it; None where it can be drawn.

    Raises:
        ServerError: the script cannot be fetched or run, or Node is missing.
    """
    packages.ensure(npm.PROGRAMS)
    command = ["node", str(Path(__file__).with_suffix(".mjs")), str(script() / "mermaid.js")]
    done = subprocess.run(command, input=json.dumps(diagrams), check=False, capture_output=True, text=True)
    if done.returncode:
        raise ServerError(f"diagrams cannot be read:\n{done.stderr[-1000:]}")
    found: list[str | None] = json.loads(done.stdout)
    return found


def main() -> int:
    """Fetch it; the exit status."""
    try:
        print(f"diagrams' script ready in {script()}")
    except ServerError as problem:
        print(f"diagrams' script: {problem}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
