"""The tests hold whatever their parent ignores: a background job, or a run under nohup."""

from __future__ import annotations

import signal
import subprocess
import sys

IGNORING = 'trap \'\' INT HUP; exec "$0" -c "$1"'
STARTING = """
import subprocess, sys
subprocess.run([sys.executable, "-c", "import signal; print(*map(signal.getsignal, (2, 1)))"], check=True)
"""


def test_what_tests_start_can_be_interrupted_also_where_the_parent_ignores_it() -> None:
    def shown(program: str) -> str:
        command = ["sh", "-c", IGNORING, sys.executable, program]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    assert signal.getsignal(signal.SIGINT) is not signal.SIG_IGN
    assert shown(STARTING) == "1 1"
    assert shown(f"import tests.conftest\n{STARTING}") == "<built-in function default_int_handler> 0"
