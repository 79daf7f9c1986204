"""What is seen of a target while it runs: which inputs break a promise, and which take long."""

from __future__ import annotations

import hashlib
import heapq
import json
import time
import traceback
from pathlib import Path
from typing import Any, Final

from tests.fuzz.target import Target

__all__ = ["Watch"]

SLOW: Final = 20
"""How many of the slowest inputs are kept."""


class Watch:
    """Runs a target, and goes on after a failure: one of each kind is kept."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self.count = 0
        self._failures: dict[str, tuple[bytes, str]] = {}
        """By where they happened: the shortest input, and the traceback."""
        self._slow: list[tuple[float, bytes]] = []

    def run(self, data: bytes) -> None:
        """Run it once."""
        self.count += 1
        started = time.thread_time()
        try:
            self._target.run(data)
        except Exception as error:
            self._note(data, error)
        taken = time.thread_time() - started
        if len(self._slow) < SLOW:
            heapq.heappush(self._slow, (taken, data))
        elif taken > self._slow[0][0]:
            heapq.heapreplace(self._slow, (taken, data))

    def _note(self, data: bytes, error: Exception) -> None:
        *_, last = traceback.extract_tb(error.__traceback__)
        where = f"{type(error).__name__} at {Path(last.filename).name}:{last.lineno}"
        known = self._failures.get(where)
        if known is None or len(data) < len(known[0]):
            self._failures[where] = data, "".join(traceback.format_exception(error))[-2000:]

    @property
    def slowest(self) -> list[bytes]:
        """The inputs that took longest, the worst first."""
        return [data for _, data in sorted(self._slow, reverse=True)]

    @property
    def failures(self) -> list[tuple[str, str, bytes]]:
        """Of each kind where it happened, the traceback and the input."""
        return [(where, told, data) for where, (data, told) in self._failures.items()]

    def write(self, folder: Path) -> None:
        """Write down what came of it, and each input that failed."""
        failures = [(where, told, str(keep(folder, self._target.name, data))) for where, told, data in self.failures]
        found: dict[str, Any] = {
            "executions": self.count,
            "failures": failures,
            "slow": [data.hex() for data in self.slowest],
        }
        (folder / f"{self._target.name}.json").write_text(json.dumps(found))


def keep(folder: Path, name: str, data: bytes) -> Path:
    """Write an input that failed, and say where."""
    path = folder / f"{name}-{hashlib.sha256(data).hexdigest()[:12]}.input"
    path.write_bytes(data)
    return path
