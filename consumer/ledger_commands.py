"""`python -m consumer ledger`: a ledger in PostgreSQL, made by hand or taken as it is after a failover."""

from __future__ import annotations

import asyncio
import sys
from typing import Final

import click

from consumer.config import Settings
from consumer.ledger import LedgerError, accept_failover
from consumer.ledger.statements import CREATE

__all__ = ["accept", "ddl"]

FAILED: Final = 1
"""Exit code when the server is not reached."""


def ddl() -> None:
    """Print the statements that make the tables.

    Whoever runs them must grant the service's user SELECT, INSERT, UPDATE and DELETE on each table.
    """
    click.echo(CREATE, nl=False)


def accept(settings: Settings) -> None:
    """Go on with a server that may have forgotten what ran last; exit code 1 if it is not reached.

    After a failover or a restored backup nothing runs until then.
    """
    try:
        click.echo(asyncio.run(accept_failover(settings.ledger)))
    except (LedgerError, OSError) as error:
        click.echo(str(error), err=True)
        sys.exit(FAILED)
