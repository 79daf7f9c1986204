"""What is put into the documentation site besides the pages: the viewer of the AsyncAPI document, and the document.

The viewer is fetched when the site is built; nothing of it is committed. The page needs no server and no network.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scripts import asyncapi_tools


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
