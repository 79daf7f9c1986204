"""What is put into the documentation site besides the pages: JSON Schemas, the AsyncAPI document and its viewer.

The schemas are made and the viewer is fetched when the site is built; nothing of them is committed. The page of the
viewer needs no server and no network.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

from scripts import asyncapi_tools
from zeebe_amqp import asyncapi
from zeebe_amqp.asyncapi.files import encode


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Called by MkDocs when it knows the files of the site; the pages may link to those that are added here."""
    for name, schema in asyncapi.files().items():
        files.append(File.generated(config, f"schemas/{name}", content=encode(schema)))
    return files


def on_post_build(config: Mapping[str, Any]) -> None:
    """Called by MkDocs when the pages are there; `config` says where.

    Raises:
        ServerError: the viewer cannot be fetched.
    """
    folder = Path(config["site_dir"]) / "asyncapi"
    shutil.copytree(asyncapi_tools.viewer(), folder, dirs_exist_ok=True)
    # A browser that reads files from a disk may run a script beside the page, but not read a YAML file.
    text = json.dumps(asyncapi_tools.DOCUMENT.read_text())
    (folder / "document.js").write_text(f"const contract = {text};\n")
