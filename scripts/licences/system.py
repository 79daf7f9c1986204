"""What comes from elsewhere: Debian's packages that are installed when missing, and images."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from scripts.licences.artefact import Artefact

ROOT = Path(__file__).parents[2]

PACKAGES = {
    "chromium-headless-shell": "BSD-3-Clause",
    "erlang-base": "Apache-2.0",
    "jq": "MIT",
    "maven": "Apache-2.0",
    "nodejs": "MIT",
    "npm": "Artistic-2.0",
    "postgresql": "PostgreSQL",
    "prometheus": "Apache-2.0",
    "python3-venv": "PSF-2.0",
    "rabbitmq-server": "MPL-2.0",
    "redis-server": "BSD-3-Clause",
}
"""Debian's packages, with the licence of the program that each holds."""

IMAGES = {
    "camunda/zeebe": "LicenseRef-Camunda-1.0",
    "grafana/grafana": "AGPL-3.0-only",
    "prom/prometheus": "Apache-2.0",
    "python": "PSF-2.0",
    "rabbitmq": "MPL-2.0",
    "valkey/valkey": "BSD-3-Clause",
}
"""Images that the Dockerfile begins with or Compose starts, with the licence of the program that each is for."""


def artefacts() -> list[Artefact]:
    """All of both."""
    packages = [Artefact(f"{name} (Debian)", installed(name), licence) for name, licence in PACKAGES.items()]
    return packages + [image(reference) for reference in images()]


def installed(package: str) -> str:
    """The version of an installed package of Debian's."""
    command = ["dpkg-query", "--show", "--showformat", "${Version}", package]
    try:
        return subprocess.run(command, check=False, capture_output=True, text=True).stdout or "not installed"
    except FileNotFoundError:
        return "not installed"


def images() -> list[str]:
    """The images that are named, with their versions; the ones that are taken when no variable says another."""
    bases = re.findall(r"^FROM (\S+)", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    started = re.findall(r"^ +image: (\S+)", (ROOT / "docker-compose.yml").read_text(), re.MULTILINE)
    return sorted({re.sub(r"\$\{\w+:-(.*?)\}", r"\1", each) for each in (*bases, *started)})


def image(reference: str) -> Artefact:
    """An image; the one that ours begins with ships."""
    name, _, version = reference.partition(":")
    return Artefact(f"{name} (image)", version, IMAGES.get(name, ""), ships=name == "python")
