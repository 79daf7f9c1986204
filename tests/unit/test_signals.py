"""The tests hold whatever their parent ignores: a background job, or a run under nohup."""

from __future__ import annotations

import signal
import subprocess
import sys

IGNORING = """
import signal, subprocess, sys
for number in (signal.SIGINT, signal.SIGHUP):
    signal.signal(number, signal.SIG_IGN)
subprocess.run([sys.executable, "-c", sys.argv[1]], check=True)
"""
RESTORING = """
import subprocess, sys
import tests.conftest
subprocess.run([sys.executable, "-c", sys.argv[1]], check=True)
"""
SHOWING = "import signal; print(*(signal.getsignal(number).__class__.__name__ for number in (2, 1)))"
SHOWN = {"taken": "builtin_function_or_method Handlers", "ignored": "Handlers Handlers"}


def shown(*programs: str) -> str:
    """What the last of some programs prints, each started by the one before."""
    nested = programs[-1]
    for program in reversed(programs[:-1]):
        nested = f"import sys; sys.argv[1:] = [{nested!r}]\n{program}"
    return subprocess.run([sys.executable, "-c", nested], capture_output=True, text=True, check=True).stdout.strip()


def test_what_tests_start_can_be_interrupted_also_where_the_parent_ignores_it() -> None:
    assert signal.getsignal(signal.SIGINT) is not signal.SIG_IGN
    assert shown(IGNORING, SHOWING) == SHOWN["ignored"]
    assert shown(IGNORING, RESTORING, SHOWING) == SHOWN["taken"]
