"""Lists what ships and what development fetches, with licences: `make licences`."""

from __future__ import annotations

import sys

from scripts.licences import go, maven, npm, python, system
from scripts.licences.artefact import table
from scripts.process import ServerError


def main() -> int:
    """Print the table; the exit status."""
    try:
        found = [each for kind in (python, npm, go, maven, system) for each in kind.artefacts()]
    except ServerError as problem:
        print(f"make licences: {problem}", file=sys.stderr)
        return 1
    print(table(found), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
