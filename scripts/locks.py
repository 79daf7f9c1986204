"""Entries of the lock files of Python packages, as the image gets them, whatever machine reads them."""

from __future__ import annotations

import re
from typing import NamedTuple

from packaging.requirements import Requirement

from scripts import environment

IMAGE = {
    "implementation_name": "cpython",
    "os_name": "posix",
    "platform_machine": "x86_64",
    "platform_python_implementation": "CPython",
    "platform_system": "Linux",
    "python_full_version": "3.12.0",
    "python_version": "3.12",
    "sys_platform": "linux",
}
"""Where the image runs: what the markers of requirements ask for."""


class Locked(NamedTuple):
    """An entry of a lock file."""

    name: str
    version: str
    hashes: tuple[str, ...] = ()
    """SHA-256 of every file that may be installed, in hexadecimal."""


def locked(lock: str) -> list[Locked]:
    """The entries of a lock file, named as in `requirements/`, that are for the image."""
    lines = (environment.REQUIREMENTS / f"{lock}.txt").read_text().replace("\\\n", "").splitlines()
    requirements = [(Requirement(line.partition(" --hash")[0]), line) for line in lines]
    return [
        Locked(
            each.name,
            str(each.specifier).removeprefix("=="),
            tuple(re.findall(r"--hash=sha256:([0-9a-f]{64})", line)),
        )
        for each, line in requirements
        if not each.marker or each.marker.evaluate(IMAGE)
    ]
