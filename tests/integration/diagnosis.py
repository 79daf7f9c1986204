"""What the doctor says of a set-up: as a program, or called as that calls it."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from consumer.cli import doctor
from consumer.config import load
from consumer.doctor import examine, fails

__all__ = ["Diagnosis", "diagnose", "run_program"]


@dataclass
class Diagnosis:
    """What the doctor said."""

    code: int
    findings: list[dict[str, str]]

    def levels(self) -> dict[str, str]:
        """By section and subject, what is not well."""
        wrong = (each for each in self.findings if each["level"] in ("warning", "problem"))
        return {f"{each['section']}: {each['subject']}": each["level"] for each in wrong}

    def expect(self, section: str, subject: str, level: str, *words: str) -> None:
        """There is such a finding, and it says these words."""
        [found] = [each for each in self.findings if (each["section"], each["subject"]) == (section, subject)]
        told = " ".join(found.values())
        assert (found["level"], [each for each in words if each not in told]) == (level, []), found


async def run_program(environment: Mapping[str, str], *options: str, code: int) -> Diagnosis:
    """Run the command with these settings."""
    command = [sys.executable, "-m", "consumer", "doctor", *options]
    run: Any = {"env": dict(environment), "capture_output": True, "check": False, "timeout": 90}
    done = await asyncio.to_thread(subprocess.run, command, **run)
    assert done.stderr == b""
    return checked(done.returncode, done.stdout.splitlines(), code)


async def diagnose(environment: Mapping[str, str], *options: str, code: int | None = None) -> Diagnosis:
    """What the command does with these settings, without a start of the program each time."""
    given = doctor.make_context("doctor", [*options]).params
    asked: Any = {"reply_queues": given["reply_queues"], "management": given["management"], "environ": environment}
    found = await examine(load(environment, {}).settings, **asked)
    return checked(int(fails(found, strict=given["strict"])), [orjson.dumps(each) for each in found], code)


def checked(code: int, lines: list[bytes], expected: int | None) -> Diagnosis:
    assert not [line for line in lines if b"secret" in line]
    found = Diagnosis(code, [orjson.loads(line) for line in lines])
    assert found.findings
    assert expected in (None, code), found.levels()
    return found
