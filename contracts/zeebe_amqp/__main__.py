"""`python -m zeebe_amqp`, and the program `zeebe-amqp`."""

from __future__ import annotations

import sys
from typing import Final

__all__ = ["main"]

NEEDED: Final = ("click", "rich", "aio_pika", "aiormq", "opentelemetry")
"""What the extra `cli` brings."""
USAGE: Final = 2
"""Exit code when it cannot even begin."""


def main() -> int:
    """Run the command line; its exit code."""
    try:
        from zeebe_amqp.cli.program import run
    except ModuleNotFoundError as missing:
        if (missing.name or "").partition(".")[0] not in NEEDED:
            raise
        print("zeebe-amqp: the extra `cli` is missing: pip install 'zeebe-amqp[cli]'", file=sys.stderr)
        return USAGE
    return run()


if __name__ == "__main__":
    sys.exit(main())
