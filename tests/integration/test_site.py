"""The documentation site: it builds without a warning, and all schemas are in it, the viewer needs nothing else."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

from scripts.asyncapi_tools import DOCUMENT, ROOT
from zeebe_amqp import asyncapi
from zeebe_amqp.asyncapi.files import encode


def test_the_site_holds_the_contract_and_its_viewer_and_all_that_they_load(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mkdocs", "build", "--quiet", "--strict", "--site-dir", str(tmp_path / "site")]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, check=False, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    folder = tmp_path / "site" / "asyncapi"
    loaded = re.findall(r'(?:src|href)="([^"]+)"', (folder / "index.html").read_text())
    assert len(loaded) == 3
    assert all((folder / name).stat().st_size for name in loaded)
    shown = (folder / "document.js").read_text().removeprefix("const contract = ").removesuffix(";\n")
    assert json.loads(shown) == DOCUMENT.read_text()
    assert (folder / "viewer.LICENSE.txt").exists()
    schemas = {file.name: file.read_text() for file in (tmp_path / "site" / "schemas").iterdir()}
    assert schemas == {name: encode(schema) for name, schema in asyncapi.files().items()}
