"""What the process costs: processor, memory, descriptors."""

from __future__ import annotations

import os
import time
from math import nan
from pathlib import Path
from typing import Final

__all__ = ["descriptors", "processor_time", "resident"]

_SELF: Final = Path("/proc/self")


def processor_time() -> float:
    """Seconds of processor that the process has used."""
    return time.process_time()


def resident() -> float:
    """Bytes of memory that are resident; nan where the system has no /proc."""
    try:
        pages = int((_SELF / "statm").read_text().split()[1])
    except OSError:
        return nan
    return float(pages * os.sysconf("SC_PAGE_SIZE"))


def descriptors() -> float:
    """How many file descriptors are open; nan where the system has no /proc."""
    try:
        return float(len(os.listdir(_SELF / "fd")))
    except OSError:
        return nan
