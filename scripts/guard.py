"""Runs one program and ends everything that it started, whatever ends first.

`python guard.py [--tied] PROGRAM [ARGUMENT...]`: with `--tied` the program ends when standard input closes, that is
when the process that started this one is gone, even by SIGKILL. SIGTERM and SIGINT end it politely.
Erlang and Java start helpers in sessions of their own; as their reaper this process still finds them all.
"""

from __future__ import annotations

import ctypes
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

TIMEOUT = 30.0
"""Seconds that a program has between SIGTERM and SIGKILL: longer than the consumer drains."""

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36


def children(pid: int) -> list[int]:
    """The process ids of the children of `pid` that still run, oldest first."""
    return families_of_all().get(pid, [])


def family(pid: int) -> list[int]:
    """The process ids of everything that `pid` started and that still runs, children before grandchildren."""
    known = families_of_all()
    found = [pid]
    for member in found:
        found.extend(known.get(member, []))
    return found[1:]


def families_of_all() -> dict[int, list[int]]:
    """The children of every process of this machine, oldest first; without those that have ended."""
    started: list[tuple[int, int, int]] = []
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = entry.read_text(errors="replace").rpartition(")")[2].split()
        except OSError:  # ended while we looked
            continue
        if fields[0] != "Z":
            started.append((int(fields[19]), int(entry.parent.name), int(fields[1])))
    families: dict[int, list[int]] = {}
    for _, pid, parent in sorted(started):
        families.setdefault(parent, []).append(pid)
    return families


def signal_all(pids: list[int], number: signal.Signals) -> None:
    """Send a signal to every process; one that has just ended is no error."""
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue


def end_all(pid: int) -> None:
    """SIGKILL everything below `pid` until nothing is left; a process may start another one meanwhile."""
    while members := family(pid):
        signal_all(members, signal.SIGKILL)
        time.sleep(0.01)


def adopt() -> None:
    """Make orphans below this process its own children instead of the machine's first process's."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def die_with_parent() -> None:
    """Have the kernel kill this process when its parent is gone: for the case that the guard itself is killed."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def reap(program: subprocess.Popen[bytes]) -> None:
    """Bury the adopted processes that have ended; the program itself is left to who waits for it."""
    ended = os.WEXITED | os.WNOHANG
    while (found := os.waitid(os.P_ALL, 0, ended | os.WNOWAIT)) and found.si_pid != program.pid:
        os.waitid(os.P_PID, found.si_pid, ended)


def watch(program: subprocess.Popen[bytes], wakeup: int, tied: bool) -> None:
    """Return when the program has ended, a signal has come or, if tied, standard input is closed."""
    sources = [wakeup, *([sys.stdin.fileno()] if tied else [])]
    while program.poll() is None:
        reap(program)
        ready, _, _ = select.select(sources, [], [], 1.0)
        if sys.stdin.fileno() in ready:
            return
        if wakeup in ready and set(os.read(wakeup, 64)) & {signal.SIGTERM, signal.SIGINT}:
            return


def finish(program: subprocess.Popen[bytes]) -> int:
    """End the program, politely first, then everything it left; its exit status, 128 + N after signal N."""
    if program.poll() is None:
        program.terminate()
        try:
            program.wait(TIMEOUT)
        except subprocess.TimeoutExpired:
            program.kill()
    status = program.wait()
    end_all(os.getpid())
    return status if status >= 0 else 128 - status


def main(arguments: list[str]) -> int:
    """Run the program of the command line; its exit status."""
    tied = arguments[0] == "--tied"
    adopt()
    wakeup, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD):
        signal.signal(number, lambda *_: None)
    with subprocess.Popen(
        arguments[1:] if tied else arguments,
        stdin=subprocess.DEVNULL,
        preexec_fn=die_with_parent,  # noqa: PLW1509 (no threads here)
    ) as program:
        watch(program, wakeup, tied)
        return finish(program)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
