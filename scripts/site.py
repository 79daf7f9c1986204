"""The documentation site: `python -m scripts.site` builds it in site/.

Zensical makes the pages of docs/. Beside them are put JSON Schemas, the AsyncAPI document with its viewer, and the
script that draws diagrams. They are made or fetched when the site is built; nothing of them is committed. Whoever reads
the site loads nothing from elsewhere.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

from scripts import asyncapi_tools, mermaid
from scripts.process import ServerError
from zeebe_amqp import asyncapi
from zeebe_amqp.asyncapi.files import encode

ROOT = Path(__file__).parents[1]


def build(project: Path = ROOT) -> Path:
    """Build the site of a folder with `mkdocs.yml`; the folder `site` in it.

    Raises:
        CalledProcessError: a page has a problem, such as a link that leads nowhere.
        ServerError: something cannot be fetched.
    """
    command = [sys.executable, "-m", "zensical", "build", "--clean", "--strict"]
    subprocess.run(command, cwd=project, check=True)
    site = project / "site"
    put_schemas(site / "schemas")
    put_viewer(site / "asyncapi")
    shutil.copytree(mermaid.script(), site / "assets", dirs_exist_ok=True)
    return site


def put_schemas(folder: Path) -> None:
    """A JSON Schema for each body, to which pages link."""
    folder.mkdir()
    for name, schema in asyncapi.files().items():
        (folder / name).write_text(encode(schema))


def put_viewer(folder: Path) -> None:
    """The viewer of the AsyncAPI document beside its page; it needs no server and no network."""
    shutil.copytree(asyncapi_tools.viewer(), folder, dirs_exist_ok=True)
    # A browser that reads files from a disk may run a script beside the page, but not read a YAML file.
    text = json.dumps(asyncapi_tools.DOCUMENT.read_text())
    (folder / "document.js").write_text(f"const contract = {text};\n")


def main() -> int:
    """Build it; the exit status."""
    try:
        build()
    except (subprocess.CalledProcessError, ServerError) as problem:
        print(f"the site: {problem}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
