"""One walk over the dead-letter queue, for a command."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NoReturn, TypeAlias

import click

from consumer.config import Settings
from consumer.core.key_file import KeyFileError
from consumer.dead_letters.audit import LetterAudit, NoAudit, NotRecorded
from consumer.dead_letters.letter import DeadLetter, Filter
from consumer.dead_letters.queue import DeadLetters, open_dead_letters
from consumer.dead_letters.view import Report, row
from zeebe_amqp.amqp.connection import BrokerError

__all__ = ["FAILED", "Act", "Sweep", "conclude", "report_missing", "run", "sweep"]

FAILED: Final = 1
"""Exit code when something could not be done, or nothing matched."""

Act: TypeAlias = Callable[[DeadLetters, DeadLetter], Awaitable[dict[str, Any]]]
"""What is done with a letter that is meant; gives the row that tells of it."""


async def _look(_: DeadLetters, letter: DeadLetter) -> dict[str, Any]:
    return row(letter)


def _ignore(_: Mapping[str, Any]) -> None:
    """Tell nobody."""


@dataclass
class Sweep:
    """One walk, and what it found.

    Args:
        limit: how many letters are looked at.
        meant: whether something is done with a letter.
        act: what: nothing, unless told otherwise.
        tell: takes each row.
        audit: is open meanwhile.
    """

    limit: int
    meant: Callable[[DeadLetter], bool]
    act: Act = _look
    tell: Callable[[Mapping[str, Any]], None] = _ignore
    audit: LetterAudit = field(default_factory=NoAudit)
    rows: list[dict[str, Any]] = field(default_factory=list)
    """One per letter that was meant."""
    total: int = 0
    """How many letters were there."""

    async def walk(self, settings: Settings, advance: Callable[[int], None]) -> None:
        """Walk over the queue; `advance` is told of each letter that was looked at, and of how many there are.

        Raises:
            BrokerError, KeyFileError: as for `open_dead_letters`.
            NotRecorded: nothing can be recorded; what is held goes back.
        """
        async with self.audit, open_dead_letters(settings) as dead:
            async for letter in dead.letters(self.limit):
                self.total = dead.total
                advance(min(dead.total, self.limit))
                if self.meant(letter):
                    self.rows.append(await self.act(dead, letter))
                    self.tell(self.rows[-1])

    def report_rest(self) -> None:
        """Say how many letters were not looked at."""
        if self.total > self.limit:
            rest = self.total - self.limit
            click.echo(f"{rest} newer dead letters were not looked at: --limit is {self.limit}", err=True)


def sweep(settings: Settings, planned: Sweep, report: Report) -> Sweep:
    """Walk over the queue; ends the process with what is wrong at the broker."""
    run(report, planned.walk(settings, report.advance))
    planned.report_rest()
    return planned


def run(report: Report, work: Coroutine[Any, Any, None]) -> None:
    """Run to the end; ends the process with what is wrong at the broker or with the audit."""
    try:
        with report:
            asyncio.run(work)
    except BrokerError as error:
        click.echo(f"broker: {error}", err=True)
        sys.exit(FAILED)
    except (KeyFileError, NotRecorded) as error:
        click.echo(str(error), err=True)
        sys.exit(FAILED)


def report_missing(filter: Filter, sweep: Sweep) -> int:
    """Say what was asked for and is not there; how much that is."""
    found = {each["id"] for each in sweep.rows}
    missing = sorted(filter.ids - found)
    for each in missing:
        click.echo(f"no dead letter {each!r} among those looked at: see `dead list --each`", err=True)
    if not sweep.rows and not filter.ids:
        click.echo("no dead letter passes the filters: see `dead list`", err=True)
        return 1
    return len(missing)


def conclude(filter: Filter, sweep: Sweep, done: str) -> NoReturn:
    """Say how many were done, and end the process: 0 when all were."""
    missing = report_missing(filter, sweep)
    refused = sum(1 for each in sweep.rows if each["result"] == "refused")
    click.echo(f"{len(sweep.rows) - refused} {done}" + (f", {refused} refused" if refused else ""), err=True)
    sys.exit(FAILED if missing or refused else 0)
