"""Component files, document by document."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from consumer.config import component


def document(kind: str, metadata: Any = (), name: str = "zeebe", **more: Any) -> dict[str, Any]:
    """A component with these values, or references to secrets, by their keys; or with any other metadata."""
    if isinstance(metadata, dict):
        metadata = [
            {"name": key, **(value if isinstance(value, dict) and "secretKeyRef" in value else {"value": value})}
            for key, value in metadata.items()
        ]
    spec = {"type": kind, "version": "v1", "metadata": metadata if isinstance(metadata, str) else list(metadata)}
    named = {"apiVersion": component.API_VERSION, "kind": "Component", "metadata": {"name": name}}
    return {**named, "spec": spec, **more}


def write(folder: Path, *documents: object) -> Path:
    """The component file of a test's folder."""
    file = folder / "component.yaml"
    file.write_text(yaml.safe_dump_all(documents))
    return file
