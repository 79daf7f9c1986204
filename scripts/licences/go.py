"""Go modules: those that the programs of the benchmarks are compiled from, as go.mod lists them all."""

from __future__ import annotations

import re
from pathlib import Path

from scripts.licences.artefact import Artefact

MODULES = Path(__file__).parents[2] / "benchmarks" / "go" / "go.mod"
LICENCES = {
    "github.com/rabbitmq/amqp091-go": "BSD-2-Clause",
    "golang.org/x/net": "BSD-3-Clause",
    "golang.org/x/sys": "BSD-3-Clause",
    "golang.org/x/text": "BSD-3-Clause",
    "google.golang.org/genproto/googleapis/rpc": "Apache-2.0",
    "google.golang.org/grpc": "Apache-2.0",
    "google.golang.org/protobuf": "BSD-3-Clause",
}
"""What the LICENSE file of each says: a module names its licence nowhere else."""


def artefacts() -> list[Artefact]:
    """Every module, and those that they need in turn."""
    required = re.findall(r"^\t(\S+) (v\S+)", MODULES.read_text(), re.MULTILINE)
    return [Artefact(name, version, LICENCES.get(name, "")) for name, version in sorted(required)]
