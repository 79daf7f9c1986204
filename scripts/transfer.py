"""Says what a download cost: bytes and seconds."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


def size(folder: Path) -> int:
    """The bytes of all files below a folder, each hard link counted; 0 when there is none."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


@contextmanager
def told(what: str, measure: Callable[[], int]) -> Iterator[None]:
    """Print how much `measure()` grew while the block ran, and how long that took."""
    before, begin = measure(), time.monotonic()
    yield
    print(f"{what}: {(measure() - before) / 1e6:.1f} MB in {time.monotonic() - begin:.1f} s", flush=True)
