"""The script that draws the diagrams of the documentation site: `python -m scripts.mermaid` fetches it, once."""

from __future__ import annotations

import sys
from pathlib import Path

from scripts import cache, npm
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
