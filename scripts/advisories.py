"""Whether an advisory is known against what ships or what builds it: `make advisories`.

One question to OSV about every locked version, in a batch (https://google.github.io/osv.dev/post-v1-querybatch/). Where
no source can be reached, nothing was checked, and the exit status says so: that is no fault of this commit.
`ADVISORIES` is the address of another source with the same interface.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from http.client import HTTPException
from urllib.request import Request, urlopen

import orjson

from scripts.locks import Locked, locked

SOURCE = "https://api.osv.dev/v1/querybatch"
TIMEOUT = 30
LOCKS = ("run", "build")
"""The lock files of what the image gets, and of what makes its wheels."""
ACCEPTED: dict[str, str] = {}
"""Advisories that do not concern us, each with the reason."""
NONE, FOUND, UNREACHABLE = range(3)
"""Exit statuses."""


class UnreachableError(Exception):
    """No source answered; the text says why."""


def ask(packages: Sequence[Locked], source: str) -> dict[Locked, list[str]]:
    """The advisories against each version that has one, by their ids.

    Raises:
        UnreachableError: the source cannot be reached, or something else answered in its place.
    """
    queries = [{"package": {"ecosystem": "PyPI", "name": name}, "version": version} for name, version, _ in packages]
    asked = Request(source, orjson.dumps({"queries": queries}), {"Content-Type": "application/json"})
    try:
        with urlopen(asked, timeout=TIMEOUT) as response:
            results = orjson.loads(response.read())["results"]
        ids = [[each["id"] for each in result.get("vulns", ())] for result in results]
        return {package: known for package, known in zip(packages, ids, strict=True) if known}
    except (OSError, HTTPException, ValueError, LookupError, TypeError, AttributeError) as problem:
        raise UnreachableError(f"{source}: {problem!r}") from problem


def main() -> int:
    """Ask and tell; the exit status."""
    packages = sorted({entry for lock in LOCKS for entry in locked(lock)})
    try:
        found = ask(packages, os.environ.get("ADVISORIES") or SOURCE)
    except UnreachableError as problem:
        print(f"make advisories: no source can be reached, nothing was checked: {problem}", file=sys.stderr)
        return UNREACHABLE
    for package, ids in found.items():
        for each in ids:
            print(f"{package.name} {package.version}: {each} {ACCEPTED.get(each, '')}".rstrip())
    if any(each not in ACCEPTED for ids in found.values() for each in ids):
        advice = "`make lock UPGRADE=--upgrade` takes newer versions; what does not concern us is named in ACCEPTED"
        print(f"make advisories: {advice} of scripts/advisories.py", file=sys.stderr)
        return FOUND
    print(f"no advisory against {len(packages)} packages")
    return NONE


if __name__ == "__main__":
    sys.exit(main())
