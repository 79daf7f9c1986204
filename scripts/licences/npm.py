"""npm packages: those of the lock files, which name each licence, and those that are fetched alone."""

from __future__ import annotations

import json
from pathlib import Path

from scripts import asyncapi_tools, callers, mermaid, workflow_lint
from scripts.licences import terms
from scripts.licences.artefact import Artefact

ALONE = {
    asyncapi_tools.SCHEMA_PACKAGE: "Apache-2.0",
    asyncapi_tools.VIEWER_PACKAGE: "Apache-2.0",
    mermaid.PACKAGE: "MIT",
    workflow_lint.PACKAGE: "MIT",
}
"""Those of which some files are fetched, with what the package's own list says."""


def artefacts() -> list[Artefact]:
    """Every package."""
    locked = [
        each for folder in (asyncapi_tools.PARSER, callers.TYPESCRIPT, callers.NESTJS) for each in of_lock(folder)
    ]
    alone = [
        Artefact(package.rpartition("@")[0], package.rpartition("@")[2], licence) for package, licence in ALONE.items()
    ]
    return sorted({*locked, *alone}, key=lambda each: each.row)


def of_lock(folder: Path) -> list[Artefact]:
    """The packages of the lock file in a folder."""
    packages = json.loads((folder / "package-lock.json").read_text())["packages"]
    return [
        Artefact(path.rpartition("node_modules/")[2], each["version"], terms.join([each.get("license", "")]))
        for path, each in packages.items()
        if path
    ]
