"""The tools of AsyncAPI: its official schema, its viewer, and the reference parser (`--check`, once per release)."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from scripts import cache, npm
from scripts.process import ServerError

ROOT = Path(__file__).parents[1]
DOCUMENT = ROOT / "docs" / "asyncapi.yaml"
PARSER = Path(__file__).parent / "asyncapi"

SCHEMA_PACKAGE = "@asyncapi/specs@6.11.1"
SCHEMA_SHA256 = "01af8744dc33c0c7eb2e908f6a955319ee58b70ecadc9387d1aeb16c0cd28928"
VIEWER_PACKAGE = "@asyncapi/react-component@3.2.1"
VIEWER_SHA256 = "c7b5fa24dd8395383fcde3fe53d1bc9a66f02e39c86999845e486084504d512c"
VIEWER_FILES = {
    "browser/standalone/index.js": "viewer.js",
    "browser/standalone/index.js.LICENSE.txt": "viewer.LICENSE.txt",
    "styles/default.min.css": "viewer.css",
}


def schema() -> Any:
    """The official JSON Schema of AsyncAPI 3.0.0; fetched when it is missing.

    Raises:
        ServerError: it cannot be fetched.
    """
    target = cache.folder() / f"asyncapi-schema-{SCHEMA_SHA256[:12]}"
    files = npm.fetch(SCHEMA_PACKAGE, SCHEMA_SHA256, {"schemas/3.0.0.json": "3.0.0.json"}, target)
    return json.loads((files / "3.0.0.json").read_bytes())


def viewer() -> Path:
    """The folder of the viewer's files, which need no server and no network; fetched when it is missing.

    Raises:
        ServerError: it cannot be fetched.
    """
    target = cache.folder() / f"asyncapi-viewer-{VIEWER_SHA256[:12]}"
    return npm.fetch(VIEWER_PACKAGE, VIEWER_SHA256, VIEWER_FILES, target)


def check() -> int:
    """Read the document with the reference parser, which prints what it finds; its exit status."""
    folder = npm.install(PARSER)
    # Node looks for packages beside the program.
    program = shutil.copy(PARSER / "check.mjs", folder)
    return subprocess.run(["node", program, str(DOCUMENT)], check=False).returncode


def main(arguments: list[str]) -> int:
    """Fetch schema and viewer, or with `--check` use the reference parser; the exit status."""
    try:
        if "--check" in arguments:
            return check()
        schema()
        print(f"AsyncAPI's schema and viewer ready, the viewer in {viewer()}")
    except ServerError as problem:
        print(f"AsyncAPI's tools: {problem}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
