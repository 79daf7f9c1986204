"""The documentation site: `python -m scripts.site` builds it in site/.

Zensical makes the pages, of a copy of docs/ with what is made or fetched for the site: JSON Schemas, the AsyncAPI
document with its viewer, the changes of each release, the script that draws diagrams, and `llms.txt`. Nothing of that
is committed. Whoever reads the site loads nothing from elsewhere.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from scripts import asyncapi_tools, llms, mermaid
from scripts.process import ServerError
from zeebe_amqp import asyncapi
from zeebe_amqp.asyncapi.files import encode

ROOT = Path(__file__).parents[1]
SITE = ROOT / "site"
SETTINGS = "mkdocs.yml"
CHANGES = "changelog.md"
SOURCES = (SETTINGS, "docs", "scripts/theme")


def build(target: Path = SITE) -> None:
    """Build the site in this folder, in the place of what is there.

    Raises:
        CalledProcessError: a page has a problem, such as a link that leads nowhere.
        ServerError: something cannot be fetched.
    """
    with tempfile.TemporaryDirectory() as name:
        project = Path(name)
        stage(project)
        subprocess.run([sys.executable, "-m", "zensical", "build", "--strict"], cwd=project, check=True)
        put_sources(project / "docs", project / "site")
        shutil.rmtree(target, ignore_errors=True)
        shutil.move(project / "site", target)


def stage(project: Path) -> None:
    """Put everything that Zensical reads into this folder."""
    for name in SOURCES:
        source = ROOT / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, project / name)
    docs = project / "docs"
    put_changes(docs)
    put_schemas(docs / "schemas")
    put_viewer(docs / "asyncapi")
    shutil.copytree(mermaid.script(), docs / "assets")
    (docs / "llms.txt").write_text(llms.index(project / SETTINGS, docs))


def put_changes(docs: Path) -> None:
    """`CHANGELOG.md` as a page, with links from this folder to it and back."""
    (docs / CHANGES).write_text((ROOT / "CHANGELOG.md").read_text().replace("](docs/", "]("))
    for page in docs.glob("*.md"):
        page.write_text(page.read_text().replace("](../CHANGELOG.md", f"]({CHANGES}"))


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


def put_sources(docs: Path, site: Path) -> None:
    """The text of each page, to which `llms.txt` links."""
    for page in docs.rglob("*.md"):
        target = site / page.relative_to(docs)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(page, target)


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
