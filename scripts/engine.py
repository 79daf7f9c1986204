"""The engine that development plays on: one in memory, or a broker where `ZEEBE_HOME` names a distribution.

An engine that runs already is named by `ZEEBE_ADDRESS`, and whoever starts servers looks for that first.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TypeAlias

from scripts.zeebe import Zeebe
from scripts.zeebe_in_memory import ZeebeInMemory

Engine: TypeAlias = Zeebe | ZeebeInMemory

LICENCE = (
    "the engine in memory (io.camunda:zeebe-process-test-engine) is under the Zeebe Community License and the Camunda"
    " License: for development only, nothing of it ships"
)


def private(directory: Path, port: int = 0, *, tied: bool = True) -> Engine:
    """An engine of one's own that has not been started, its log in `directory`; the gateway listens on `port`."""
    if os.environ.get("ZEEBE_HOME"):
        return Zeebe(directory, port, tied=tied)
    return ZeebeInMemory(directory, port, tied=tied)
