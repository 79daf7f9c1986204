"""The command line against a consumer: in the tests' own process, as a program, or as a program on a terminal."""

from __future__ import annotations

import asyncio
import os
import pty
import subprocess
import sys
import termios
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from scripts.consumer import ROOT
from tests.integration.service import ConsumerSetup
from tests.unit.contracts.cli.program import Ended, ended
from zeebe_amqp.cli import exit_codes as exits
from zeebe_amqp.errors import Code

PROGRAM = [sys.executable, "-m", "zeebe_amqp"]
UNAVAILABLE = exits.NOT_EXECUTED + exits.NUMBERS[Code.UNAVAILABLE]
"""The exit code without a broker or a queue."""


async def run(service: ConsumerSetup, *words: str, standard_input: bytes = b"", terminal: bool = False) -> Ended:
    """A run in a thread of its own, with the consumer's queues."""
    where = () if words[0] == "watch" else ("--queues", ",".join(service.consumer.queues))
    given: dict[str, Any] = {"url": service.url, "standard_input": standard_input, "terminal": terminal}
    return await asyncio.to_thread(ended, *words, *where, **given)


def environment(service: ConsumerSetup, **more: str) -> dict[str, str]:
    """For the program as a process."""
    queues = ",".join(service.consumer.queues)
    path = f"{ROOT}:{ROOT / 'contracts'}"
    return {**os.environ, "AMQP_URL": service.url, "AMQP_QUEUES": queues, "PYTHONPATH": path, **more}


async def started(service: ConsumerSetup, *words: str, stdout: int = -1) -> subprocess.Popen[bytes]:
    """The program as a process; its output is in pipes."""
    return await asyncio.to_thread(
        subprocess.Popen, [*PROGRAM, *words], env=environment(service), stdout=stdout, stderr=-1
    )


async def finished(process: subprocess.Popen[bytes]) -> tuple[Any, Any, Any]:
    """Its exit code and what it wrote."""
    out, err = await asyncio.to_thread(process.communicate, timeout=60)
    return process.returncode, out, err


def on_a_terminal(
    command: list[str], environment: Mapping[str, str], typed: str = "", columns: int = 0, **options: Any
) -> tuple[int, str]:
    """Run a program as a person does, on a screen of so many columns; its exit code and what was on the screen."""
    ours, theirs = pty.openpty()
    if columns:
        termios.tcsetwinsize(theirs, (24, columns))
    ends: dict[str, Any] = {"stdin": theirs, "stdout": theirs, "stderr": theirs}
    with subprocess.Popen(command, env=environment, **ends, **options) as started:
        os.close(theirs)
        os.write(ours, typed.encode())
        shown = bytearray()
        with suppress(OSError):  # how a pseudo terminal ends
            while part := os.read(ours, 65536):
                shown += part
    os.close(ours)
    return started.returncode, shown.decode()
