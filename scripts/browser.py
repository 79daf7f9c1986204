"""A browser for the tests of the console: Debian's Chromium without a window."""

from __future__ import annotations

import sys

from scripts import packages
from scripts.process import ServerError

PROGRAMS = [("chromium-headless-shell", "chromium-headless-shell")]
PROGRAM = "/usr/bin/chromium-headless-shell"
"""Where the package puts it."""


def main() -> int:
    """Install it where it is missing; the exit status."""
    try:
        packages.ensure(PROGRAMS)
    except ServerError as problem:
        print(f"make browser-test: {problem}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
