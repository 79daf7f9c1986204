"""What programs and the machine have used so far."""

from __future__ import annotations

import os
import platform
import resource
import time
from pathlib import Path

from scripts import guard
from scripts.process import memory_of

TICKS = os.sysconf("SC_CLK_TCK")
IDLE = (3, 4)
"""Places of the kernel's figures for doing nothing and waiting for a disk."""
STOLEN = 7
"""Place of the figure for what the hypervisor gave to others."""
LOOK, QUIET = 0.3, 0.25
"""Seconds of a look at the machine, and the part of it that may be in use when it is called quiet."""


def cpu_seconds(pid: int) -> float:
    """CPU seconds that the programs below a guard have used, threads and children included."""
    ticks = 0
    for member in guard.family(pid):
        figures = Path(f"/proc/{member}/stat").read_text().rpartition(")")[2].split()
        ticks += sum(int(each) for each in figures[11:15])
    return ticks / TICKS


def own_cpu() -> float:
    """CPU seconds of this process so far."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def megabytes(pid: int) -> float:
    """MB that the programs below a guard have in memory."""
    return sum(memory_of(member) for member in guard.family(pid)) / 1e6


def seconds_of_all() -> tuple[float, float]:
    """Seconds of all processors so far: idle, and in use on this machine or taken from it."""
    ticks = [int(each) for each in Path("/proc/stat").read_text().splitlines()[0].split()[1 : STOLEN + 2]]
    idle = sum(ticks[place] for place in IDLE)
    return idle / TICKS, (sum(ticks) - idle) / TICKS


def described() -> str:
    """The machine in a few words, for people."""
    return f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"


def settle(seconds: float) -> None:
    """Return when others leave most of the machine alone, and after some seconds at the latest."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        idle, busy = seconds_of_all()
        time.sleep(LOOK)
        now_idle, now_busy = seconds_of_all()
        if now_busy - busy < QUIET * (now_idle - idle + now_busy - busy):
            return
